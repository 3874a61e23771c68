"""The kinds of records: what names one, and by which columns they can be selected. Every store is built from this list.

The record itself is kept whole, encoded by msgspec: a field with a default may be added to a record without a
migration, a new column may not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from paddock.model.capacity_provider import CapacityProvider
from paddock.model.code_signing import CodeSigningConfig
from paddock.model.function import Alias, Function, FunctionVersion
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

V = TypeVar("V")

ColumnValue: TypeAlias = "str | int | float"


@dataclass(frozen=True, slots=True)
class RecordKind(Generic[V]):
    """`key` and `columns` say how a record's columns follow from it. msgpack is for those that carry payloads."""

    name: str
    record: type[V]
    key: Mapping[str, Callable[[V], ColumnValue]]
    columns: Mapping[str, Callable[[V], ColumnValue]] = field(default_factory=dict)
    encoding: Literal["json", "msgpack"] = "json"

    def key_of(self, value: V) -> tuple[ColumnValue, ...]:
        return tuple(column(value) for column in self.key.values())

    def column(self, name: str) -> Callable[[V], ColumnValue]:
        return self.key[name] if name in self.key else self.columns[name]

    def encoder(self) -> Callable[[V], bytes]:
        encoder = msgspec.json.Encoder() if self.encoding == "json" else msgspec.msgpack.Encoder()
        return encoder.encode

    def decoder(self) -> Callable[[bytes], V]:
        if self.encoding == "json":
            return msgspec.json.Decoder(self.record).decode
        return msgspec.msgpack.Decoder(self.record).decode


def as_key(key: object) -> tuple[ColumnValue, ...]:
    """A key as its columns: a plain id is one column, a tuple one each."""
    return tuple(key) if isinstance(key, tuple) else (key,)  # type: ignore[return-value]  # the kinds' key types hold it


CAPACITY_PROVIDERS = RecordKind("capacity_providers", CapacityProvider, {"name": lambda it: it.name})
FUNCTIONS = RecordKind("functions", Function, {"name": lambda it: it.name})
VERSIONS = RecordKind(
    "versions",
    FunctionVersion,
    {"function_name": lambda it: it.key.function_name, "version": lambda it: it.key.version},
    {
        "provider": lambda it: it.configuration.capacity_provider,
        "serving_provider": lambda it: it.serving.configuration.capacity_provider if it.serving else "",
    },
)
ALIASES = RecordKind("aliases", Alias, {"function_name": lambda it: it.function_name, "name": lambda it: it.name})
TAGS = RecordKind("tags", TagSet, {"resource_arn": lambda it: it.resource_arn})
INSTANCES = RecordKind(
    "instances", InstanceIntent, {"instance_id": lambda it: it.instance_id}, {"provider": lambda it: it.provider}
)
FAILED_LAUNCHES = RecordKind(
    "failed_launches",
    FailedLaunch,
    {"instance_id": lambda it: it.instance_id},
    {"provider": lambda it: it.provider, "at": lambda it: it.failure.at.timestamp()},
)
ENDED_INSTANCES = RecordKind(
    "ended_instances",
    EndedInstance,
    {"instance_id": lambda it: it.intent.instance_id},
    {"ended_at": lambda it: it.ended_at.timestamp()},
)
PLANS = RecordKind("plans", PlanRecord, {"provider": lambda it: it.provider, "number": lambda it: it.number})
INVOCATIONS = RecordKind(
    "invocations",
    AcceptedInvocation,
    {"invocation_id": lambda it: it.invocation_id},
    {"due_at": lambda it: it.due_at.timestamp()},
    encoding="msgpack",
)
VALUES = RecordKind("stored_values", StoredValue, {"name": lambda it: it.name})
LAYERS = RecordKind("layers", Layer, {"name": lambda it: it.name})
LAYER_VERSIONS = RecordKind(
    "layer_versions", LayerVersion, {"layer_name": lambda it: it.layer_name, "version": lambda it: it.version}
)
CODE_SIGNING_CONFIGS = RecordKind("code_signing_configs", CodeSigningConfig, {"config_id": lambda it: it.config_id})

KINDS: tuple[RecordKind[Any], ...] = (
    CAPACITY_PROVIDERS,
    FUNCTIONS,
    VERSIONS,
    ALIASES,
    TAGS,
    INSTANCES,
    FAILED_LAUNCHES,
    ENDED_INSTANCES,
    PLANS,
    INVOCATIONS,
    VALUES,
    LAYERS,
    LAYER_VERSIONS,
    CODE_SIGNING_CONFIGS,
)
