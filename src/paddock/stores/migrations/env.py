"""Alembic's entry: migrates over the connection it is given. Nothing here opens a database."""

from __future__ import annotations

from alembic import context

from paddock.stores.schema import METADATA

connection = context.config.attributes["connection"]
# SQLite can change a table only by copying it: batch mode does that, and nothing elsewhere.
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True, transactional_ddl=True)
context.run_migrations()
