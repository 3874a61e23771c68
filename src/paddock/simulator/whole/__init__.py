"""The real control plane, router and agents on virtual time and a network in memory, with faults, by seed."""
