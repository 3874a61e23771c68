"""Default Lambda beside managed instances: functions without a capacity provider, their limits and their instance."""
