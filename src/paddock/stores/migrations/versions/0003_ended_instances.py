"""Instances that have ended and are shown for a while longer.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "ended_instances",
        sa.Column("instance_id", sa.Text, primary_key=True),
        sa.Column("ended_at", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ended_instances_by_end", "ended_instances", ["ended_at"])
