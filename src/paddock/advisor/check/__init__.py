"""What AWS's linters miss in a template with managed instances."""
