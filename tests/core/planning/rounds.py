"""Rounds of planning as tests tell them: planned, carried out, arrived."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from paddock.core.planning import PlanningSettings, plan
from paddock.model.fleet import FleetSnapshot, Plan
from paddock.model.states import InstancePhase
from tests.core.fleets import NOON, R1, R2, CountingIds, a_snapshot, a_version, carried_out, settled, steady_loads

SETTINGS = PlanningSettings()
IDS = CountingIds()


def planned(snapshot: FleetSnapshot, now: datetime = NOON) -> Plan:
    made = plan(snapshot, now=now, ids=IDS, settings=SETTINGS)
    assert made.reasons
    return made


def after(snapshot: FleetSnapshot, now: datetime = NOON) -> FleetSnapshot:
    """One round: planned, carried out, arrived."""
    return settled(carried_out(snapshot, planned(snapshot, now), now), now)


def serving(*names: str, max_vcpu_count: int = 400) -> FleetSnapshot:
    """A fleet in steady state: each version's minimum of three, ready and serving."""
    snapshot = a_snapshot(*(a_version(name) for name in names or ("f",)), max_vcpu_count=max_vcpu_count)
    for _ in range(3):
        snapshot = after(snapshot)
    assert all(version.serving == R1 for version in snapshot.versions)
    return idle(snapshot)


def idle(snapshot: FleetSnapshot, now: datetime = NOON) -> FleetSnapshot:
    """Samples of no load at all, up to now."""
    loads = steady_loads(now, busy=0, environments=3)
    return replace(snapshot, versions=tuple(replace(version, loads=loads) for version in snapshot.versions))


def republished(snapshot: FleetSnapshot, **changes: Any) -> FleetSnapshot:
    first, *others = snapshot.versions
    return replace(snapshot, versions=(replace(first, revision=R2, **changes), *others))


def changed(snapshot: FleetSnapshot, index: int, **changes: Any) -> FleetSnapshot:
    instances = list(snapshot.instances)
    instances[index] = replace(instances[index], **changes)
    return replace(snapshot, instances=tuple(instances))


def vcpu(snapshot: FleetSnapshot, made: Plan) -> int:
    used = sum(each.instance_type.vcpu for each in snapshot.instances if each.phase is not InstancePhase.TERMINATED)
    return used + sum(launch.instance_type.vcpu for launch in made.launches)


def assigned(made: Plan, *, draining: bool) -> int:
    return sum(each.draining is draining for assignment in made.assignments for each in assignment.environments)


def grown(busy: int) -> FleetSnapshot:
    snapshot = serving()
    loads = steady_loads(NOON, busy=busy, environments=3)
    return replace(snapshot, versions=(replace(snapshot.versions[0], loads=loads),))
