"""The shell on each managed instance: runs execution environments and serves their Runtime API."""
