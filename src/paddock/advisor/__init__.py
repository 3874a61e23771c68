"""LMI or default Lambda, on which machines, at what price, and the template: advice from a workload and its traffic."""
