"""Records in tables of a SQL database, over a connection whose transaction somebody else opens and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from paddock.model.capacity_provider import CapacityProvider
from paddock.model.code_signing import CodeSigningConfig
from paddock.model.function import Alias, Function, FunctionVersion
from paddock.model.ids import (
    CapacityProviderName,
    CodeSigningConfigId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    InvocationId,
    LayerName,
)
from paddock.model.layer import Layer, LayerVersion
from paddock.ports.store import (
    AcceptedInvocation,
    EndedInstance,
    FailedLaunch,
    InstanceIntent,
    PlanRecord,
    StoredValue,
    TagSet,
)
from paddock.stores import records
from paddock.stores.records import RecordKind, as_key
from paddock.stores.schema import METADATA

K_contra = TypeVar("K_contra", contravariant=True)
V = TypeVar("V")


class _Statements(Generic[V]):
    """The same for every transaction: made once per kind, because making a statement costs more than running it."""

    def __init__(self, kind: RecordKind[V]) -> None:
        self.kind = kind
        self.table = METADATA.tables[kind.name]
        self.encode = kind.encoder()
        self.decode = kind.decoder()
        # A parameter must not be called like a column: SQLAlchemy keeps those names for itself.
        key_equals = [self.table.c[name] == bindparam(f"key_{name}") for name in kind.key]
        self.select_one = select(self.table.c.body).where(*key_equals)
        self.delete = delete(self.table).where(*key_equals)
        new = insert(self.table)
        self.upsert = new.on_conflict_do_update(
            index_elements=list(kind.key), set_={name: new.excluded[name] for name in (*kind.columns, "body")}
        )

    def key_parameters(self, key: object) -> dict[str, object]:
        return {f"key_{name}": value for name, value in zip(self.kind.key, as_key(key), strict=True)}

    def row(self, value: V) -> dict[str, object]:
        body = self.encode(value)
        return {
            **{name: column(value) for name, column in self.kind.key.items()},
            **{name: column(value) for name, column in self.kind.columns.items()},
            "body": body if self.kind.encoding == "msgpack" else body.decode(),
        }


_STATEMENTS: dict[str, _Statements[Any]] = {kind.name: _Statements(kind) for kind in records.KINDS}


class SqlRecords(Generic[K_contra, V]):
    def __init__(self, connection: Connection, kind: RecordKind[V]) -> None:
        self._connection = connection
        self._statements: _Statements[V] = _STATEMENTS[kind.name]

    def get(self, key: K_contra) -> V | None:
        parameters = self._statements.key_parameters(key)
        body = self._connection.execute(self._statements.select_one, parameters).scalar_one_or_none()
        return None if body is None else self._statements.decode(body)

    def put(self, value: V) -> None:
        self._connection.execute(self._statements.upsert, self._statements.row(value))

    def put_many(self, values: Sequence[V]) -> None:
        if values:
            self._connection.execute(self._statements.upsert, [self._statements.row(value) for value in values])

    def delete(self, key: K_contra) -> None:
        self._connection.execute(self._statements.delete, self._statements.key_parameters(key))

    def delete_many(self, keys: Sequence[K_contra]) -> None:
        if keys:
            self._connection.execute(self._statements.delete, [self._statements.key_parameters(key) for key in keys])

    def select(
        self,
        *,
        order_by: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        **equals: str,
    ) -> list[V]:
        table = self._statements.table
        names = [*([order_by] if order_by else []), *self._statements.kind.key]
        statement = (
            select(table.c.body)
            .where(*self._equal(equals))
            .order_by(*(table.c[name].desc() if descending else table.c[name] for name in names))
            .limit(limit)
        )
        return [self._statements.decode(body) for body in self._connection.execute(statement).scalars()]

    def count(self, **equals: str) -> int:
        statement = select(func.count()).select_from(self._statements.table).where(*self._equal(equals))
        return self._connection.execute(statement).scalar_one()

    def _equal(self, equals: dict[str, str]) -> list[ColumnElement[bool]]:
        return [self._statements.table.c[name] == value for name, value in equals.items()]


class SqlTransaction:
    """All kinds of records over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.capacity_providers: SqlRecords[CapacityProviderName, CapacityProvider] = self._made(
            records.CAPACITY_PROVIDERS
        )
        self.functions: SqlRecords[FunctionName, Function] = self._made(records.FUNCTIONS)
        self.versions: SqlRecords[FunctionVersionKey, FunctionVersion] = self._made(records.VERSIONS)
        self.aliases: SqlRecords[tuple[FunctionName, str], Alias] = self._made(records.ALIASES)
        self.tags: SqlRecords[str, TagSet] = self._made(records.TAGS)
        self.instances: SqlRecords[InstanceId, InstanceIntent] = self._made(records.INSTANCES)
        self.failed_launches: SqlRecords[InstanceId, FailedLaunch] = self._made(records.FAILED_LAUNCHES)
        self.ended_instances: SqlRecords[InstanceId, EndedInstance] = self._made(records.ENDED_INSTANCES)
        self.plans: SqlRecords[tuple[CapacityProviderName, int], PlanRecord] = self._made(records.PLANS)
        self.invocations: SqlRecords[InvocationId, AcceptedInvocation] = self._made(records.INVOCATIONS)
        self.values: SqlRecords[str, StoredValue] = self._made(records.VALUES)
        self.layers: SqlRecords[LayerName, Layer] = self._made(records.LAYERS)
        self.layer_versions: SqlRecords[tuple[LayerName, int], LayerVersion] = self._made(records.LAYER_VERSIONS)
        self.code_signing_configs: SqlRecords[CodeSigningConfigId, CodeSigningConfig] = self._made(
            records.CODE_SIGNING_CONFIGS
        )

    def _made(self, kind: RecordKind[V]) -> SqlRecords[Any, V]:
        return SqlRecords(self._connection, kind)
