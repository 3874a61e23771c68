"""What it would cost and whether it would fit: Managed Instances or default Lambda, with reasons."""
