"""What survives a power cut: control-plane state, code and keys."""
