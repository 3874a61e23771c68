"""All that a router knows: functions, what their names mean, and the pool of environments behind each revision.

Updates may come in any order that the control plane finds convenient: an environment before its function, or after.
Where a function has tenants, each has a pool of its own, so that nothing has to be compared when a slot is taken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

from paddock.core.routing.counters import VersionCounters
from paddock.core.routing.pool import EnvironmentPool, RoutedEnvironment
from paddock.core.routing.refusals import LATEST_IS_NOT_INVOCABLE, NOTHING_IS_PUBLISHED, Refusal
from paddock.model.arns import Place
from paddock.model.errors import not_found
from paddock.model.ids import (
    LATEST,
    NO_TENANT,
    AvailabilityZone,
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    RevisionId,
    TenantId,
    VersionName,
)


class RevisionKey(NamedTuple):
    """What a pool belongs to: environments of an older publish never serve a newer one, nor another tenant."""

    function_name: FunctionName
    version: VersionName
    revision: RevisionId
    tenant_id: TenantId = NO_TENANT


@dataclass(frozen=True, slots=True)
class VersionRules:
    """`revision` is the publish that serves, `refusal` what is said instead of invoking the version."""

    version: VersionName
    revision: RevisionId
    timeout_seconds: int
    refusal: Refusal | None = None
    on_demand: bool = False
    per_tenant: bool = False


@dataclass(frozen=True, slots=True)
class FunctionRules:
    """`default_version` is what an unqualified name means; an alias is versions with weights that sum to 1."""

    function_name: FunctionName
    default_version: VersionName
    versions: tuple[VersionRules, ...]
    aliases: Mapping[str, tuple[tuple[VersionName, float], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnvironmentPlacement:
    """An environment that is ready or draining, and where."""

    environment_id: EnvironmentId
    instance_id: InstanceId
    zone: AvailabilityZone
    key: RevisionKey
    slots: int
    draining: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Destination:
    """One version, ready to be invoked: everything an invocation needs to know of it.

    `per_tenant`: `pool` stays empty until `RoutingTable.for_tenant` has said whose it is.
    """

    key: FunctionVersionKey
    pool: EnvironmentPool
    counters: VersionCounters
    timeout_ms: int
    refusal: Refusal | None
    on_demand: bool
    revision: RevisionId
    per_tenant: bool = False
    tenant_id: TenantId = NO_TENANT


class Target:
    """What a name and a qualifier mean. `arn` is the function's as invoked, with the qualifier that was used."""

    __slots__ = ("_bounds", "_destinations", "arn", "sole", "weighted")

    def __init__(self, arn: str, choices: Iterable[tuple[Destination, float]]) -> None:
        chosen = tuple(choices)
        assert chosen
        self.arn = arn
        self._destinations = tuple(destination for destination, _ in chosen)
        self._bounds = tuple(accumulate(weight for _, weight in chosen))[:-1]
        self.weighted = bool(self._bounds)
        self.sole = None if self.weighted else chosen[0][0]
        """The destination where there is nothing to choose."""

    def choose(self, dice: Callable[[], float]) -> Destination:
        """`dice` gives a number from 0 up to but not including 1; it is thrown only where an alias has weights."""
        return self.sole or self._destinations[bisect_right(self._bounds, dice())]


def _unthrown() -> float:
    """A version's own name has no weights."""
    return 0.0


class RoutingTable:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._rules: dict[FunctionName, FunctionRules] = {}
        self._targets: dict[FunctionName, dict[str | None, Target]] = {}
        self._pools: dict[RevisionKey, EnvironmentPool] = {}
        self._counters: dict[FunctionVersionKey, VersionCounters] = {}
        self._environments: dict[EnvironmentId, tuple[RoutedEnvironment, RevisionKey]] = {}
        self._by_instance: dict[InstanceId, dict[EnvironmentId, RoutedEnvironment]] = {}
        self._reachable: set[InstanceId] = set()
        self.changes = 0
        """Grows whenever what a name means may have changed."""

    def resolve(self, name: FunctionName, qualifier: str | None) -> Target:
        """Raises `ApiError` (ResourceNotFoundException) when the function or the qualifier does not exist."""
        targets = self._targets.get(name)
        if targets is not None:
            target = targets.get(qualifier)
            if target is not None:
                return target
        raise not_found(f"Function not found: {self._place.function_arn(name, qualifier)}")

    def destination(self, key: FunctionVersionKey) -> Destination | None:
        """What the version's own name means now; None when it is gone."""
        targets = self._targets.get(key.function_name)
        target = None if targets is None else targets.get(key.version)
        return None if target is None else target.choose(_unthrown)

    def for_tenant(self, destination: Destination, tenant_id: TenantId) -> Destination:
        """The same for one tenant. Before it has an environment, its pool is one that stays empty: ask again then."""
        pool = self._pools.get(RevisionKey(*destination.key, destination.revision, tenant_id), destination.pool)
        return replace(destination, pool=pool, tenant_id=tenant_id)

    def tenant_environments(self, name: FunctionName) -> int:
        """How many environments the function's tenants have, idle ones included."""
        return sum(
            key.function_name == name and key.tenant_id != NO_TENANT and not environment.draining
            for environment, key in self._environments.values()
        )

    def environment(self, environment_id: EnvironmentId) -> RoutedEnvironment | None:
        found = self._environments.get(environment_id)
        return None if found is None else found[0]

    def pool_of(self, environment_id: EnvironmentId) -> EnvironmentPool | None:
        found = self._environments.get(environment_id)
        return None if found is None else self._pools[found[1]]

    def destinations(self) -> Iterator[tuple[FunctionVersionKey, VersionCounters, int]]:
        """Every version ever invoked here, its counters, and its slots in flight now."""
        busy: dict[FunctionVersionKey, int] = {}
        for environment, key in self._environments.values():
            version = FunctionVersionKey(key.function_name, key.version)
            busy[version] = busy.get(version, 0) + environment.in_flight
        for version, counters in self._counters.items():
            yield version, counters, busy.get(version, 0)

    def take_peaks(self, keys: AbstractSet[FunctionVersionKey]) -> dict[FunctionVersionKey, int]:
        """The most slots of each of these versions that were taken at one time since this was asked last."""
        peaks: dict[FunctionVersionKey, int] = {}
        for revision, pool in self._pools.items():
            key = FunctionVersionKey(revision.function_name, revision.version)
            if key in keys:
                peaks[key] = peaks.get(key, 0) + pool.take_peak()
        return peaks

    def set_function(self, rules: FunctionRules) -> None:
        self.changes += 1
        before = self._rules.get(rules.function_name)
        self._rules[rules.function_name] = rules
        self._targets[rules.function_name] = self._targets_of(rules)
        if before is not None:
            self._drop_unused_pools(before)

    def remove_function(self, name: FunctionName) -> None:
        rules = self._rules.pop(name, None)
        if rules is None:
            return
        self.changes += 1
        del self._targets[name]
        for key in [key for key in self._counters if key.function_name == name]:
            del self._counters[key]
        self._drop_unused_pools(rules)

    def place(self, placement: EnvironmentPlacement) -> None:
        """A new environment, or news of one that is known. Its slots in flight are kept."""
        known = self._environments.get(placement.environment_id)
        if known is not None and (known[1] != placement.key or known[0].instance_id != placement.instance_id):
            self.remove(placement.environment_id)
            known = None
        if known is None:
            self._place_new(placement)
            return
        environment, key = known
        self._pools[key].change(environment, slots=placement.slots, draining=placement.draining)

    def remove(self, environment_id: EnvironmentId) -> None:
        """Whoever holds slots of it may still release them."""
        known = self._environments.pop(environment_id, None)
        if known is None:
            return
        environment, key = known
        self._pools[key].remove(environment)
        of_instance = self._by_instance[environment.instance_id]
        del of_instance[environment_id]
        if not of_instance:
            del self._by_instance[environment.instance_id]
        self._drop_if_unused(key)

    def set_slots(self, environment_id: EnvironmentId, slots: int) -> None:
        """What the agent reports: fewer than the maximum when runtime workers have died."""
        known = self._environments.get(environment_id)
        if known is not None and known[0].slots != slots:
            self._pools[known[1]].change(known[0], slots=slots)

    def set_reachable(self, instance_id: InstanceId, reachable: bool) -> None:
        """An instance whose agent cannot be talked to (or is behind with reading) gets nothing more."""
        if reachable:
            self._reachable.add(instance_id)
        else:
            self._reachable.discard(instance_id)
        for environment_id, environment in self._by_instance.get(instance_id, {}).items():
            pool = self._pools[self._environments[environment_id][1]]
            pool.change(environment, reachable=reachable)

    def replace(self, functions: Iterable[FunctionRules], placements: Iterable[EnvironmentPlacement]) -> None:
        """This is the whole truth. What is named again keeps its slots in flight."""
        placed = tuple(placements)
        for environment_id in self._environments.keys() - {placement.environment_id for placement in placed}:
            self.remove(environment_id)
        wanted = {rules.function_name: rules for rules in functions}
        for name in self._rules.keys() - wanted.keys():
            self.remove_function(name)
        for rules in wanted.values():
            self.set_function(rules)
        for placement in placed:
            self.place(placement)

    def _place_new(self, placement: EnvironmentPlacement) -> None:
        environment = RoutedEnvironment(
            placement.environment_id, placement.instance_id, placement.zone, placement.slots
        )
        environment.draining = placement.draining
        environment.reachable = placement.instance_id in self._reachable
        self._environments[placement.environment_id] = (environment, placement.key)
        self._by_instance.setdefault(placement.instance_id, {})[placement.environment_id] = environment
        self._pool(placement.key).add(environment)

    def _pool(self, key: RevisionKey) -> EnvironmentPool:
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = EnvironmentPool()
        return pool

    def _drop_unused_pools(self, rules: FunctionRules) -> None:
        for version in rules.versions:
            self._drop_if_unused(RevisionKey(rules.function_name, version.version, version.revision))

    def _drop_if_unused(self, key: RevisionKey) -> None:
        """A pool stays while an environment is in it or its revision serves; a tenant's only while one is in it."""
        pool = self._pools.get(key)
        if pool is None or len(pool):
            return
        if key.tenant_id != NO_TENANT:
            del self._pools[key]
            return
        rules = self._rules.get(key.function_name)
        versions = () if rules is None else rules.versions
        if (key.version, key.revision) not in [(version.version, version.revision) for version in versions]:
            del self._pools[key]

    def _targets_of(self, rules: FunctionRules) -> dict[str | None, Target]:
        destinations = {version.version: self._destination(rules, version) for version in rules.versions}
        place, name = self._place, rules.function_name
        targets: dict[str | None, Target] = {
            version: Target(place.function_arn(name, version), [(destination, 1.0)])
            for version, destination in destinations.items()
        }
        for alias, weights in rules.aliases.items():
            choices = [(destinations[version], weight) for version, weight in weights if version in destinations]
            if choices:
                targets[alias] = Target(place.function_arn(name, alias), choices)
        default = destinations.get(rules.default_version)
        if default is None:
            default = self._unpublished(rules)
        targets[None] = Target(place.function_arn(name), [(default, 1.0)])
        return targets

    def _destination(self, rules: FunctionRules, version: VersionRules) -> Destination:
        refusal = version.refusal
        if version.version == LATEST and not version.on_demand:
            published = any(other.version != LATEST for other in rules.versions)
            refusal = LATEST_IS_NOT_INVOCABLE if published else NOTHING_IS_PUBLISHED
        key = FunctionVersionKey(rules.function_name, version.version)
        return Destination(
            key=key,
            pool=self._pool(RevisionKey(*key, version.revision)),
            counters=self._counters.setdefault(key, VersionCounters()),
            timeout_ms=version.timeout_seconds * 1000,
            refusal=refusal,
            on_demand=version.on_demand,
            revision=version.revision,
            per_tenant=version.per_tenant,
        )

    def _unpublished(self, rules: FunctionRules) -> Destination:
        """What an unqualified name means before `$LATEST.PUBLISHED` exists. Its pool is nobody's."""
        key = FunctionVersionKey(rules.function_name, rules.default_version)
        return Destination(
            key=key,
            pool=EnvironmentPool(),
            counters=self._counters.setdefault(key, VersionCounters()),
            timeout_ms=0,
            refusal=NOTHING_IS_PUBLISHED,
            on_demand=False,
            revision=RevisionId(""),
        )
