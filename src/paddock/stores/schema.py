"""The relational schema. Changing it needs a migration (`migrations/versions`); a test holds the two together."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

HEAD = "0003"
"""The migration this schema is the result of; a database that is there already needs no Alembic."""

METADATA = MetaData()


def _name(column: str) -> Column[str]:
    return Column(column, Text, primary_key=True)


def _body() -> Column[str]:
    return Column("body", Text, nullable=False)


Table("capacity_providers", METADATA, _name("name"), _body())
Table("functions", METADATA, _name("name"), _body())
Table(
    "versions",
    METADATA,
    _name("function_name"),
    _name("version"),
    Column("provider", Text, nullable=False),
    Column("serving_provider", Text, nullable=False),
    _body(),
    Index("versions_by_provider", "provider"),
    Index("versions_by_serving_provider", "serving_provider"),
)
Table("aliases", METADATA, _name("function_name"), _name("name"), _body())
Table("tags", METADATA, _name("resource_arn"), _body())
Table(
    "instances",
    METADATA,
    _name("instance_id"),
    Column("provider", Text, nullable=False),
    _body(),
    Index("instances_by_provider", "provider"),
)
Table(
    "failed_launches",
    METADATA,
    _name("instance_id"),
    Column("provider", Text, nullable=False),
    Column("at", Float, nullable=False),
    _body(),
    Index("failed_launches_by_provider", "provider", "at"),
)
Table(
    "ended_instances",
    METADATA,
    _name("instance_id"),
    Column("ended_at", Float, nullable=False),
    _body(),
    Index("ended_instances_by_end", "ended_at"),
)
Table("plans", METADATA, _name("provider"), Column("number", Integer, primary_key=True), _body())
Table(
    "invocations",
    METADATA,
    _name("invocation_id"),
    Column("due_at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("invocations_by_due_at", "due_at"),
)
Table("stored_values", METADATA, _name("name"), _body())
Table("layers", METADATA, _name("name"), _body())
Table("layer_versions", METADATA, _name("layer_name"), Column("version", Integer, primary_key=True), _body())
Table("code_signing_configs", METADATA, _name("config_id"), _body())
