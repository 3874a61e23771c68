"""What the data plane of this machine can do, as ratios within one sitting: `python -m bench`."""
