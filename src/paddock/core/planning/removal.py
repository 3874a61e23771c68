"""What is drained and what is ended: surplus environments, instances that must go, and empty ones.

Rules of this module:
- Nothing ready is drained before as many ready ones are left as are wanted: replacement first.
- What is kept is chosen by place, not by age: zones balanced, full instances before emptier ones, so that scale-in
  empties instances by itself.
- Consolidation and mending the spread begin only when nothing else is under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from paddock.core.counting import agreed, counted
from paddock.core.planning.backoff import Backoff
from paddock.core.planning.demand import Demand
from paddock.core.planning.draft import Draft, Revision
from paddock.core.planning.lending import spare_to_lend
from paddock.core.planning.rotation import emptied, groups_on
from paddock.core.planning.supply import find_places
from paddock.model.fleet import Environment
from paddock.model.ids import AvailabilityZone
from paddock.model.states import EnvironmentPhase, InstancePhase

_UNREADY = frozenset({EnvironmentPhase.ASSIGNED, EnvironmentPhase.STARTING})


def end_unusable(draft: Draft) -> None:
    """Instances whose agent is lost, that never came, and environments that never became ready or never drain."""
    settings = draft.settings
    for instance in draft.snapshot.instances:
        if instance.phase is InstancePhase.LOST:
            draft.terminate(instance.instance_id, "its agent's lease has run out")
        elif instance.phase is InstancePhase.PENDING:
            deadline = instance.launched_at + settings.launch_deadline
            if deadline <= draft.now:
                waited = settings.launch_deadline.total_seconds()
                draft.give_up_launch(instance, f"no agent reported within {waited:g} s")
            else:
                draft.wake_at(deadline)
    for instance_id in list(draft.instances):
        for environment in draft.on_instance(instance_id):
            if environment.draining or environment.phase is not EnvironmentPhase.READY:
                _end_overdue(draft, environment)


def _end_overdue(draft: Draft, environment: Environment) -> None:
    settings = draft.settings
    if environment.draining and environment.phase is EnvironmentPhase.ASSIGNED:
        draft.drop(environment)
    elif environment.draining:
        since = environment.draining_since
        if since is not None and draft.now - since >= settings.drain_timeout:
            draft.drop(environment)
            draft.because(
                environment.key, f"{environment.environment_id} still runs after {settings.drain_timeout} of drain"
            )
    elif _is_overdue(draft, environment):
        draft.drop(environment)
        draft.because(environment.key, f"{environment.environment_id} was not ready in {settings.start_deadline}")


def _is_overdue(draft: Draft, environment: Environment) -> bool:
    """Not ready although its instance has long been there; a slow launch is not the environment's fault."""
    if draft.instances[environment.instance_id].phase is not InstancePhase.RUNNING:
        return False
    return environment.phase in _UNREADY and draft.now - environment.assigned_at >= draft.settings.start_deadline


def trim(draft: Draft, demand: Demand) -> None:
    """Drain what a revision has beyond what it wants, as far as what stays is ready."""
    found = draft.members(demand.key, demand.revision)
    if len(found) <= demand.wanted and len(draft.staying(found)) == len(found):
        return
    members = keep_order(draft, found)
    staying = draft.staying(members)
    kept = {each.environment_id for each in staying[: demand.wanted]}
    surplus = [each for each in reversed(members) if each.environment_id not in kept]
    if not surplus:
        return
    stuck = (demand.key, demand.revision) in draft.short and not demand.publishing
    spare = sum(1 for each in members if each.phase is EnvironmentPhase.READY) - demand.wanted
    if stuck:
        spare = max(spare, spare_to_lend(draft, demand.version))
    waiting = _drain_spare(draft, demand, surplus, spare)
    if not waiting:
        number = counted(len(surplus), "environment")
        draft.because(
            demand.key,
            f"{number} {agreed(len(surplus), 'are')} drained: {demand.wanted} {agreed(demand.wanted, 'are')} wanted",
        )
        return
    number, them = counted(len(waiting), "environment"), "it" if len(waiting) == 1 else "them"
    draft.because(demand.key, f"{number} {agreed(len(waiting), 'stay')} until what replaces {them} is ready")
    for environment in waiting:
        if stuck and draft.is_leaving(environment.instance_id):
            # Nothing can take its place and nothing can be lent: emptying the instance would wait for ever.
            draft.set_draining(environment.instance_id, draining=False)
            draft.because(environment.instance_id, f"is kept for now: {demand.key} has no other room")


def _drain_spare(draft: Draft, demand: Demand, surplus: Sequence[Environment], spare: int) -> list[Environment]:
    """Drain what is not ready, and as much as can be spared of what is. Those that have to wait."""
    waiting = []
    for environment in surplus:
        if environment.phase is EnvironmentPhase.READY:
            # Without load samples nobody knows whether what stays would do.
            if spare <= 0 or (draft.is_leaving(environment.instance_id) and not demand.measured):
                waiting.append(environment)
                continue
            spare -= 1
        draft.drain(environment)
    return waiting


def keep_order(draft: Draft, members: Sequence[Environment]) -> list[Environment]:
    """Most worth keeping first: some on different instances, then the zones in turn; those on leaving instances last.

    Within a zone the fullest instance goes first, so that the emptier ones empty out.
    """
    occupancy = {instance_id: draft.occupancy(instance_id) for instance_id in {each.instance_id for each in members}}

    def rank(environment: Environment) -> tuple[bool, bool, int, str, bool, str]:
        instance_id = environment.instance_id
        return (
            draft.is_leaving(instance_id),
            draft.instances[instance_id].phase is not InstancePhase.RUNNING,
            -occupancy[instance_id],
            instance_id,
            environment.phase is not EnvironmentPhase.READY,
            environment.environment_id,
        )

    ranked = sorted(members, key=rank)
    heads = {each.instance_id: each for each in reversed(ranked)}
    spread = _zones_in_turn(draft, [each for each in ranked if heads[each.instance_id] is each])
    first = draft.staying(spread)[: draft.settings.spread_instances]
    chosen = {each.environment_id for each in first}
    return [*first, *(each for each in _zones_in_turn(draft, ranked) if each.environment_id not in chosen)]


def _zones_in_turn(draft: Draft, ranked: Sequence[Environment]) -> list[Environment]:
    turns: Counter[tuple[bool, AvailabilityZone]] = Counter()
    keyed: list[tuple[bool, int, int]] = []
    for index, environment in enumerate(ranked):
        instance_id = environment.instance_id
        leaving = draft.is_leaving(instance_id)
        zone = (leaving, draft.instances[instance_id].zone)
        turns[zone] += 1
        keyed.append((leaving, turns[zone], index))
    return [ranked[index] for _, _, index in sorted(keyed)]


def lacking(draft: Draft, demands: Sequence[Demand]) -> bool:
    """Has anybody less than is wanted? Then room is not spent on tidiness."""
    return any(len(draft.members(demand.key, demand.revision)) < demand.wanted for demand in demands)


def mend_spread(draft: Draft, demands: Sequence[Demand], held: Backoff) -> None:
    """One more environment where a revision lacks a zone or an instance; what is then too much is trimmed later."""
    if lacking(draft, demands):
        return
    zones = len({zone.zone for zone in draft.snapshot.zones})
    for demand in demands:
        members = draft.members(demand.key, demand.revision)
        if not _is_settled(draft, demand, members):
            continue
        instances = {each.instance_id for each in members}
        occupied = {draft.instances[instance_id].zone for instance_id in instances}
        goal = min(draft.settings.spread_instances, len(members))
        if len(instances) >= goal and len(occupied) >= min(goal, zones):
            continue
        placement = find_places(draft, demand, 1, blocked=held.blocked, spread=len(instances) + 1)
        if placement.unplaced or not placement.spread:
            continue
        found = {draft.instances[instance_id].zone for instance_id, _ in placement.existing}
        found |= {launch.zone for launch in placement.launches}
        if len(instances) < goal or not found <= occupied:
            draft.accept(placement, demand.key, demand.revision, demand.shape)
            draft.because(demand.key, f"stands in {len(occupied)} zones only: one more is started in {min(found)}")


def consolidate(draft: Draft, demands: Sequence[Demand]) -> None:
    """Begin to empty one instance whose environments fit on the others."""
    if lacking(draft, demands) or draft.any_leaving:
        return
    by_revision: dict[Revision, Demand] = {
        (demand.key, demand.revision): demand
        for demand in demands
        if _is_settled(draft, demand, draft.members(demand.key, demand.revision))
    }
    old_enough = [
        instance_id
        for instance_id, instance in draft.instances.items()
        if instance.launched_at + draft.settings.consolidate_after <= draft.now and draft.on_instance(instance_id)
    ]
    old_enough.sort(key=lambda instance_id: (draft.occupancy(instance_id), instance_id))
    for instance_id in old_enough[: draft.settings.consolidation_candidates]:
        groups = groups_on(draft, instance_id)
        if not groups.keys() <= by_revision.keys():
            continue
        rooms = [room for room in draft.rooms() if room.instance_id != instance_id and room.ready]
        placements = emptied(draft, instance_id, groups, rooms, spread=draft.settings.spread_instances)
        if placements is None:
            continue
        for revision, placement in placements.items():
            demand = by_revision[revision]
            draft.accept(placement, demand.key, demand.revision, demand.shape)
        draft.set_draining(instance_id, draining=True)
        count = sum(len(group) for group in groups.values())
        draft.because(
            instance_id,
            f"its {counted(count, 'environment')} {agreed(count, 'fit')} on other instances: it is being emptied",
        )
        return


def _is_settled(draft: Draft, demand: Demand, members: Sequence[Environment]) -> bool:
    return (
        not demand.publishing
        and len(members) == demand.wanted
        and len(draft.staying(members)) == len(members)
        and all(each.phase is EnvironmentPhase.READY for each in members)
    )


def end_empty(draft: Draft) -> None:
    """End instances on which nothing is left: at once when they must go, else after a while."""
    for instance_id, instance in list(draft.instances.items()):
        if not draft.is_bare(instance_id):
            continue
        if draft.is_leaving(instance_id) or instance.replace_reason is not None:
            draft.terminate(instance_id, f"it is drained ({instance.replace_reason or 'consolidation'})")
            continue
        since = instance.launched_at if instance.phase is InstancePhase.PENDING else instance.empty_since
        ends_at = (since or draft.now) + draft.settings.idle_grace
        if ends_at <= draft.now:
            draft.terminate(instance_id, f"no environment has run on it for {draft.settings.idle_grace}")
        else:
            wait = (ends_at - draft.now).total_seconds()
            draft.because(instance_id, f"is empty; it is ended in {wait:.0f} s unless it is needed")
            draft.wake_at(ends_at)
