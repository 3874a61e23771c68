"""The shell that keeps the fleet as asked: API handlers, inventory, plans and their execution."""
