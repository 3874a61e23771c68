"""What Paddock needs from outside, as Protocols: time, instances, storage, a way to invoke."""
