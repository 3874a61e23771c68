"""Layers with their versions, and code signing configurations.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _table("layers", _key("name"))
    _table("layer_versions", _key("layer_name"), sa.Column("version", sa.Integer, primary_key=True))
    _table("code_signing_configs", _key("config_id"))


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _table(name: str, *columns: sa.Column[str] | sa.Column[int]) -> None:
    op.create_table(name, *columns, sa.Column("body", sa.Text, nullable=False))
