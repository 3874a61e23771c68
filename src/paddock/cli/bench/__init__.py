"""`paddock bench`: a trace replayed on this machine, and what was forecast for it."""
