"""What a person types: commands, their help and their output."""
