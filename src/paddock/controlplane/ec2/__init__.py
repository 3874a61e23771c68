"""The EC2 API of managed instances: they are seen, never touched. Every operation here reads, or refuses, or tags."""
