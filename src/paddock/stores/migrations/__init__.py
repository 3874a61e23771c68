"""How a database of an older Paddock becomes one of this: Alembic's scripts, run at start."""
