"""Advice as infrastructure code, in the notations people deploy with; each is the same proposal written differently."""
