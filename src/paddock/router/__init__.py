"""The shell that hands each invocation to an execution environment."""
