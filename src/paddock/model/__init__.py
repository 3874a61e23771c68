"""The words: frozen values, ids, ARNs, states and errors. Knows nothing of clocks, disks, networks or logs."""
