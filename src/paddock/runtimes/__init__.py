"""The languages: finds or installs an interpreter and its runtime interface client, once."""
