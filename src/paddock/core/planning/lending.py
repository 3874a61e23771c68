"""Headroom that can be lent at the ceiling: what versions have above their minimum and their load.

A minimum is a promise, headroom is not. So a version below its minimum, for which nothing can be launched, gets room
from those that have more than they need; a replacement may borrow in the same way.
"""

from __future__ import annotations

from paddock.core import scaling
from paddock.core.counting import agreed, counted
from paddock.core.placement import fits, usable_memory_mb, usable_vcpu
from paddock.core.planning.draft import Draft, Revision
from paddock.model.fleet import Environment, EnvironmentShape, VersionTarget
from paddock.model.ids import FunctionVersionKey, InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase


def spare_to_lend(draft: Draft, version: VersionTarget) -> int:
    """How many ready environments a version can lend: never those of its minimum, nor those its load keeps busy."""
    busy = scaling.busy_environments(version, now=draft.now, settings=draft.settings.scaling)
    if version.serving is None or isinstance(busy, scaling.NoData):
        return 0
    members = draft.members(version.key, version.serving)
    ready = sum(1 for each in members if each.phase is EnvironmentPhase.READY)
    return ready - max(version.bounds.minimum, busy)


def gives_back_soon(draft: Draft) -> bool:
    """Something is on its way out already; at the ceiling one thing goes at a time."""
    if any(each.phase in (InstancePhase.STOPPING, InstancePhase.LOST) for each in draft.snapshot.instances):
        return True
    return draft.any_leaving or any(
        each.draining for instance_id in draft.instances for each in draft.on_instance(instance_id)
    )


def make_way(draft: Draft, key: FunctionVersionKey, shape: EnvironmentShape) -> None:
    """Drain what others can spare on one instance, so that an environment of `shape` will fit there."""
    if gives_back_soon(draft):
        return
    spare = {
        (version.key, version.serving): spare_to_lend(draft, version)
        for version in draft.snapshot.versions
        if version.serving is not None and version.key != key
    }
    ways = [
        (len(lent), instance_id, lent)
        for instance_id, instance in draft.instances.items()
        if instance.phase is InstancePhase.RUNNING
        and (lent := _lent_on(draft, instance_id, shape, dict(spare))) is not None
    ]
    if not ways:
        return
    count, instance_id, lent = min(ways, key=lambda way: way[:2])
    for environment in lent:
        draft.drain(environment)
    draft.because(
        key,
        f"is below its minimum: {counted(count, 'environment')} of others {agreed(count, 'make')} way on {instance_id}",
    )


def _lent_on(
    draft: Draft,
    instance_id: InstanceId,
    shape: EnvironmentShape,
    spare: dict[Revision, int],
) -> list[Environment] | None:
    """The fewest environments to take away for `shape` to fit, largest first; None when they cannot all be spared."""
    instance_type = draft.instances[instance_id].instance_type
    there = draft.on_instance(instance_id)
    vcpu = usable_vcpu(instance_type) - sum(each.shape.vcpu for each in there)
    memory_mb = usable_memory_mb(instance_type) - sum(each.shape.memory_mb for each in there)
    lent: list[Environment] = []
    for environment in sorted(there, key=lambda each: (-each.shape.memory_mb, each.in_flight, each.environment_id)):
        if fits(vcpu, memory_mb, shape):
            break
        revision = (environment.key, environment.revision)
        if spare.get(revision, 0) > 0 and environment.phase is EnvironmentPhase.READY:
            spare[revision] -= 1
            lent.append(environment)
            vcpu += environment.shape.vcpu
            memory_mb += environment.shape.memory_mb
    return lent if lent and fits(vcpu, memory_mb, shape) else None
