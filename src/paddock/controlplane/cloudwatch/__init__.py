"""Metrics: taken from the fleet and the routers once a second, and read back through the CloudWatch API."""
