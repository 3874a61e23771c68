"""Whose turn it is to be replaced: instances that are too old, to be patched or unhealthy.

They go a few at a time, so that a patch of everything is no second fleet, and each only when its environments have
somewhere to go: vCPU for a new instance, room on the others, or, at the ceiling, headroom above the minimum that can be
lent meanwhile. Until its turn an instance works on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from paddock.core.placement import Occupant, Placement, Room, can_empty
from paddock.core.planning.backoff import Backoff
from paddock.core.planning.draft import Draft, Revision
from paddock.core.planning.lending import gives_back_soon, spare_to_lend
from paddock.model.fleet import Environment, ManagedInstance, VersionTarget
from paddock.model.ids import InstanceId

_NEW_INSTANCE = "a new instance comes first"


def take_turns(draft: Draft, held: Backoff) -> None:
    """Begin to empty the instances whose turn has come; oldest first."""
    waiting = sorted(
        (each for each in draft.instances.values() if each.replace_reason is not None and not each.draining),
        key=lambda each: (each.launched_at, each.instance_id),
    )
    if any(_is_below_minimum(draft, version) for version in draft.snapshot.versions):
        for instance in waiting:
            draft.because(
                instance.instance_id, f"is to be replaced ({instance.replace_reason}) once no minimum is lacking"
            )
        return
    turns = max(1, int(len(draft.instances) * draft.settings.replaced_at_once))
    turns -= sum(1 for each in draft.instances.values() if each.draining)
    for instance in waiting:
        if draft.is_bare(instance.instance_id):
            continue
        where = _where_to(draft, instance) if turns > 0 else None
        if where is None:
            why = "the ceiling leaves no room" if turns > 0 else "others go first"
            draft.because(instance.instance_id, f"is to be replaced ({instance.replace_reason}), but {why}")
            continue
        turns -= 1
        draft.set_draining(instance.instance_id, draining=True)
        draft.because(instance.instance_id, f"is being replaced ({instance.replace_reason}): {where}")
        if where is _NEW_INSTANCE and _may_launch_another(draft, instance, held):
            # One like it, where it stands: nobody else's room is used up, and no zone loses its share.
            draft.launch(instance.instance_type, instance.zone)


def groups_on(draft: Draft, instance_id: InstanceId) -> dict[Revision, list[Environment]]:
    groups: dict[Revision, list[Environment]] = {}
    for environment in draft.on_instance(instance_id):
        groups.setdefault((environment.key, environment.revision), []).append(environment)
    return groups


def emptied(
    draft: Draft,
    instance_id: InstanceId,
    groups: Mapping[Revision, Sequence[Environment]],
    rooms: Sequence[Room],
    *,
    spread: int,
) -> dict[Revision, Placement] | None:
    """Where the instance's environments would go if it were not there; None when they would not fit."""
    occupants = []
    for (key, revision), group in groups.items():
        elsewhere = Counter(each.instance_id for each in draft.members(key, revision))
        del elsewhere[instance_id]
        occupants.append(Occupant(group[0].shape, len(group), elsewhere))
    placements = can_empty(draft.instances[instance_id].zone, occupants, rooms, spread=spread)
    return None if placements is None else dict(zip(groups, placements, strict=True))


def _is_below_minimum(draft: Draft, version: VersionTarget) -> bool:
    if version.serving is None or version.deleting:
        return False
    return len(draft.members(version.key, version.serving)) < version.bounds.minimum


def _may_launch_another(draft: Draft, instance: ManagedInstance, held: Backoff) -> bool:
    name = instance.instance_type.name
    offered = any(each.name == name for each in draft.snapshot.offered_types)
    placed = any(each.zone == instance.zone for each in draft.snapshot.zones)
    return offered and placed and (name, instance.zone) not in held.blocked


def _where_to(draft: Draft, instance: ManagedInstance) -> str | None:
    if draft.budget >= instance.instance_type.vcpu:
        return _NEW_INSTANCE
    if gives_back_soon(draft):
        return None
    staying = {
        revision: [each for each in group if not each.draining]
        for revision, group in groups_on(draft, instance.instance_id).items()
    }
    groups = {revision: group for revision, group in staying.items() if group}
    rooms = [room for room in draft.rooms() if room.instance_id != instance.instance_id]
    if emptied(draft, instance.instance_id, groups, rooms, spread=1) is not None:
        return "the others have room for what runs there"
    versions = {version.key: version for version in draft.snapshot.versions}
    for (key, revision), group in groups.items():
        version = versions.get(key)
        if version is None or revision != version.serving:
            return None
        if spare_to_lend(draft, version) < len(group):
            return None
    return "its headroom is lent until the new instance is there"
