"""What is copied into a runtime's directory: the first program of an execution environment, per language."""
