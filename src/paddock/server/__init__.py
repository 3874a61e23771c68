"""The composition root: reads the settings and wires the shells and adapters into one process."""
