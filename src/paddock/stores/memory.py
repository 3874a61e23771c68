"""A store that forgets all with its process: for tests and the simulator. Undoes what fails, like the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

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
    Transaction,
)
from paddock.stores import records
from paddock.stores.records import ColumnValue, RecordKind, as_key

K_contra = TypeVar("K_contra", contravariant=True)
V = TypeVar("V")
T = TypeVar("T")

Key = tuple[ColumnValue, ...]


class MemoryRecords(Generic[K_contra, V]):
    """`undo` gets, for each change, what puts it right again; None while nothing is being written."""

    def __init__(self, kind: RecordKind[V], undo: list[Callable[[], None]]) -> None:
        self._kind = kind
        self._undo = undo
        self._rows: dict[Key, V] = {}

    def get(self, key: K_contra) -> V | None:
        return self._rows.get(as_key(key))

    def put(self, value: V) -> None:
        self._set(self._kind.key_of(value), value)

    def put_many(self, values: Sequence[V]) -> None:
        for value in values:
            self.put(value)

    def delete(self, key: K_contra) -> None:
        self._set(as_key(key), None)

    def delete_many(self, keys: Sequence[K_contra]) -> None:
        for key in keys:
            self.delete(key)

    def select(
        self,
        *,
        order_by: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        **equals: str,
    ) -> list[V]:
        chosen = [(key, value) for key, value in self._rows.items() if self._matches(value, equals)]
        if order_by is None:
            chosen.sort(key=lambda row: row[0], reverse=descending)
        else:
            column = self._kind.column(order_by)
            chosen.sort(key=lambda row: (column(row[1]), row[0]), reverse=descending)
        return [value for _, value in chosen[:limit]]

    def count(self, **equals: str) -> int:
        return sum(self._matches(value, equals) for value in self._rows.values())

    def _matches(self, value: V, equals: dict[str, str]) -> bool:
        return all(self._kind.column(name)(value) == wanted for name, wanted in equals.items())

    def _set(self, key: Key, value: V | None) -> None:
        before = self._rows.get(key)
        self._undo.append(lambda: self._restore(key, before))
        self._restore(key, value)

    def _restore(self, key: Key, value: V | None) -> None:
        if value is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = value


class MemoryTransaction:
    def __init__(self) -> None:
        self.undo: list[Callable[[], None]] = []
        self.capacity_providers: MemoryRecords[CapacityProviderName, CapacityProvider] = self._made(
            records.CAPACITY_PROVIDERS
        )
        self.functions: MemoryRecords[FunctionName, Function] = self._made(records.FUNCTIONS)
        self.versions: MemoryRecords[FunctionVersionKey, FunctionVersion] = self._made(records.VERSIONS)
        self.aliases: MemoryRecords[tuple[FunctionName, str], Alias] = self._made(records.ALIASES)
        self.tags: MemoryRecords[str, TagSet] = self._made(records.TAGS)
        self.instances: MemoryRecords[InstanceId, InstanceIntent] = self._made(records.INSTANCES)
        self.failed_launches: MemoryRecords[InstanceId, FailedLaunch] = self._made(records.FAILED_LAUNCHES)
        self.ended_instances: MemoryRecords[InstanceId, EndedInstance] = self._made(records.ENDED_INSTANCES)
        self.plans: MemoryRecords[tuple[CapacityProviderName, int], PlanRecord] = self._made(records.PLANS)
        self.invocations: MemoryRecords[InvocationId, AcceptedInvocation] = self._made(records.INVOCATIONS)
        self.values: MemoryRecords[str, StoredValue] = self._made(records.VALUES)
        self.layers: MemoryRecords[LayerName, Layer] = self._made(records.LAYERS)
        self.layer_versions: MemoryRecords[tuple[LayerName, int], LayerVersion] = self._made(records.LAYER_VERSIONS)
        self.code_signing_configs: MemoryRecords[CodeSigningConfigId, CodeSigningConfig] = self._made(
            records.CODE_SIGNING_CONFIGS
        )

    def _made(self, kind: RecordKind[V]) -> MemoryRecords[Any, V]:
        return MemoryRecords(kind, self.undo)


class MemoryStore:
    def __init__(self) -> None:
        self._transaction = MemoryTransaction()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        result = work(self._transaction)
        assert not self._transaction.undo, "a read must not write"
        return result

    async def write(self, work: Callable[[Transaction], T]) -> T:
        try:
            return work(self._transaction)
        except BaseException:
            for put_right in reversed(self._transaction.undo):
                put_right()
            raise
        finally:
            self._transaction.undo.clear()
