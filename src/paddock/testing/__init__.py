"""Kits shipped to users: fakes with failure knobs, conformance kits, scripted runtimes."""
