"""The first schema.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _table("capacity_providers", _key("name"))
    _table("functions", _key("name"))
    _table(
        "versions",
        _key("function_name"),
        _key("version"),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("serving_provider", sa.Text, nullable=False),
    )
    op.create_index("versions_by_provider", "versions", ["provider"])
    op.create_index("versions_by_serving_provider", "versions", ["serving_provider"])
    _table("aliases", _key("function_name"), _key("name"))
    _table("tags", _key("resource_arn"))
    _table("instances", _key("instance_id"), sa.Column("provider", sa.Text, nullable=False))
    op.create_index("instances_by_provider", "instances", ["provider"])
    _table(
        "failed_launches",
        _key("instance_id"),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("failed_launches_by_provider", "failed_launches", ["provider", "at"])
    _table("plans", _key("provider"), sa.Column("number", sa.Integer, primary_key=True))
    op.create_table(
        "invocations",
        _key("invocation_id"),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("invocations_by_due_at", "invocations", ["due_at"])
    _table("stored_values", _key("name"))


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _table(name: str, *columns: sa.Column[str] | sa.Column[int] | sa.Column[float]) -> None:
    op.create_table(name, *columns, sa.Column("body", sa.Text, nullable=False))
