"""Finding places for what versions want, and judging a publish by what came of it.

A publish that cannot have its minimum fails with AWS's reason code, but not while room is on its way back or another
instance type is still to be tried. Who already serves is never failed: it gets what there is.
"""

from __future__ import annotations

from datetime import timedelta

from paddock.core.counting import agreed, counted
from paddock.core.placement import Offers, Placement, Selection, environments_per_instance, place, select_types
from paddock.core.planning.backoff import Backoff
from paddock.core.planning.demand import Demand, restart_not_before
from paddock.core.planning.draft import Draft
from paddock.core.planning.lending import make_way
from paddock.model.fleet import RevisionFailed, RevisionServed
from paddock.model.ids import AvailabilityZone, InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode

SCALING_LIMIT_TEXT = (
    "MinimumExecutionEnvironments can't be provisioned because CapacityProvider has reached maxVCpuCount limit. "
    "Increase maxVCpuCount in the CapacityProvider configuration and try again."
)
"""AWS's own words (seen in a public issue)."""

_HOPELESS = frozenset(
    {
        StateReasonCode.INVALID_ENTRY_POINT,
        StateReasonCode.INVALID_WORKING_DIRECTORY,
        StateReasonCode.PERMISSION_DENIED,
        StateReasonCode.TOO_MANY_EXTENSIONS,
        StateReasonCode.INVALID_RUNTIME,
        StateReasonCode.INVALID_ZIP_FILE,
    }
)
"""Init failures that another try cannot mend."""

_UNLIMITED_VCPU = 1_000_000
"""More than any provider may have: to ask what would fit if nothing bounded it."""
_RETURNING_LOOK = timedelta(seconds=5)
"""Between two looks at vCPU that come back. No setting: an instance that has gone wakes the planner itself; this is for
the end of its patience.
"""


def supply(draft: Draft, demand: Demand, held: Backoff, *, goal: int) -> bool:
    """Place what the demand lacks to `goal` environments. False when its publish has failed."""
    if demand.publishing and _init_failed(draft, demand):
        return False
    members = draft.members(demand.key, demand.revision)
    missing = goal - len(draft.staying(members))
    if missing > 0 and not _restart_waits(draft, demand):
        return _place_missing(draft, demand, missing, len(members), held)
    return True


def serve(draft: Draft, demand: Demand) -> None:
    """Say that a published revision serves: all it wants is ready, or its minimum is and no more can be had for now."""
    members = draft.members(demand.key, demand.revision)
    ready = sum(1 for each in members if each.phase is EnvironmentPhase.READY)
    on_the_way = len(members) - ready
    if ready >= demand.wanted or (ready >= demand.minimum and not on_the_way):
        draft.outcomes.append(RevisionServed(demand.key, demand.revision))
        draft.because(
            demand.key,
            f"revision {demand.revision} serves: {counted(ready, 'environment')} {agreed(ready, 'are')} ready",
        )
    else:
        draft.because(
            demand.key, f"revision {demand.revision} has {ready} of {counted(demand.wanted, 'environment')} ready"
        )


def _init_failed(draft: Draft, demand: Demand) -> bool:
    failures = [each.failure for each in demand.failures if each.failure is not None and each.failure.init]
    if not failures:
        return False
    succeeded = any(each.phase is EnvironmentPhase.READY for each in draft.members(demand.key, demand.revision))
    settings = draft.settings
    allowed = settings.init_failures_despite_success if succeeded else settings.init_failures
    last = failures[-1]
    if len(failures) < allowed and last.reason_code not in _HOPELESS:
        draft.because(
            demand.key,
            f"{counted(len(failures), 'environment')} failed to start ({last.text}); {allowed} fail the publish",
        )
        return False
    _fail(draft, demand, last.reason_code, last.text)
    return True


def _restart_waits(draft: Draft, demand: Demand) -> bool:
    until = restart_not_before(demand.failures, draft.settings)
    if until is None or until <= draft.now:
        return False
    wait = (until - draft.now).total_seconds()
    draft.because(
        demand.key, f"{counted(len(demand.failures), 'environment')} failed lately; the next starts in {wait:.0f} s"
    )
    draft.wake_at(until)
    return True


def find_places(
    draft: Draft,
    demand: Demand,
    count: int,
    *,
    blocked: frozenset[tuple[str, AvailabilityZone]] = frozenset(),
    budget: int | None = None,
    spread: int | None = None,
) -> Placement:
    """Places for `count` more environments of a demand, within the vCPU that may still be launched."""
    zones = tuple(dict.fromkeys(zone.zone for zone in draft.snapshot.zones))
    wanted_spread = min(draft.settings.spread_instances, demand.wanted) if spread is None else spread
    return place(
        demand.shape,
        count,
        draft.rooms(demand.key, demand.revision),
        Offers(_selection(draft, demand).types, zones, blocked),
        budget=draft.budget if budget is None else budget,
        preferred=environments_per_instance(
            demand.wanted, instances=draft.settings.instances_aimed_for, least=draft.settings.environments_per_instance
        ),
        spread=wanted_spread,
    )


def _selection(draft: Draft, demand: Demand) -> Selection:
    return select_types(draft.snapshot.offered_types, draft.snapshot.requirements, demand.shape)


def _place_missing(draft: Draft, demand: Demand, missing: int, present: int, held: Backoff) -> bool:
    placement = find_places(draft, demand, missing, blocked=held.blocked)
    placed = missing - placement.unplaced
    if demand.publishing and present + placed < demand.minimum:
        return _wait_or_fail(draft, demand, demand.minimum - present)
    draft.accept(placement, demand.key, demand.revision, demand.shape)
    reused = sum(count for _, count in placement.existing)
    launched = sum(launch.environments for launch in placement.launches)
    draft.because(
        demand.key,
        f"revision {demand.revision} lacks {counted(missing, 'environment')}: "
        f"{reused} {agreed(reused, 'start')} on instances that are there, "
        f"{launched} on {counted(len(placement.launches), 'new one')}",
    )
    for reason in placement.reasons:
        draft.because(demand.key, reason)
    if placement.unplaced:
        _explain_shortage(draft, demand, below_minimum=present + placed < demand.minimum)
    return True


def _explain_shortage(draft: Draft, demand: Demand, *, below_minimum: bool) -> None:
    draft.short.add((demand.key, demand.revision))
    selection = _selection(draft, demand)
    if not selection.types:
        draft.because(demand.key, f"no instance type can be launched: {selection.explain()}")
    if below_minimum:
        if not find_places(draft, demand, 1, budget=_UNLIMITED_VCPU).unplaced:
            draft.because(demand.key, SCALING_LIMIT_TEXT)
        for instance_id in list(draft.instances):
            if draft.is_bare(instance_id):
                draft.terminate(instance_id, f"it is empty and its vCPU are needed for {demand.key}")
            elif draft.is_leaving(instance_id) and draft.occupancy(instance_id):
                # What was to be emptied for tidiness or age is needed now; its turn comes again.
                draft.set_draining(instance_id, draining=False)
                draft.because(instance_id, f"is kept for now: {demand.key} is below its minimum")
        make_way(draft, demand.key, demand.shape)


def _wait_or_fail(draft: Draft, demand: Demand, enough: int) -> bool:
    """The minimum, which lacks `enough` environments, cannot be placed now. True while it may still come."""
    selection = _selection(draft, demand)
    if not selection.types:
        code = StateReasonCode.INVALID_CONFIGURATION if selection.refused else StateReasonCode.INSUFFICIENT_CAPACITY
        return _fail(draft, demand, code, f"No instance type can be launched: {selection.explain()}")
    if not find_places(draft, demand, enough).unplaced:
        return _wait_for_launches(draft, demand)
    if find_places(draft, demand, enough, budget=_UNLIMITED_VCPU).unplaced:
        text = f"No zone of the capacity provider offers {', '.join(each.name for each in selection.types[:12])}"
        return _fail(draft, demand, StateReasonCode.INSUFFICIENT_CAPACITY, text)
    returning = _returning_vcpu(draft)
    if returning and draft.now - demand.version.published_at < draft.settings.publish_patience:
        draft.because(demand.key, f"revision {demand.revision} waits for {returning} vCPU that are being given back")
        draft.wake_at(draft.now + _RETURNING_LOOK)
        return True
    return _fail(draft, demand, StateReasonCode.CAPACITY_PROVIDER_SCALING_LIMIT_EXCEEDED, SCALING_LIMIT_TEXT)


def _returning_vcpu(draft: Draft) -> int:
    """How many vCPU come back from instances that end or only drain; idle ones are ended for it."""
    going = 0
    for instance in draft.snapshot.instances:
        if instance.phase in (InstancePhase.STOPPING, InstancePhase.LOST):
            going += instance.instance_type.vcpu
        elif instance.instance_id in draft.instances and _comes_back(draft, instance.instance_id):
            going += instance.instance_type.vcpu
            if draft.is_bare(instance.instance_id):
                draft.terminate(instance.instance_id, "it is empty and its vCPU are needed for a publish")
    return going


def _comes_back(draft: Draft, instance_id: InstanceId) -> bool:
    return draft.is_leaving(instance_id) or not draft.occupancy(instance_id)


def _wait_for_launches(draft: Draft, demand: Demand) -> bool:
    failures = [each for each in draft.launch_failures if each.at >= demand.version.published_at]
    patient = draft.now - demand.version.published_at < draft.settings.launch_patience
    if len(failures) < draft.settings.launch_tries or patient:
        draft.because(demand.key, f"revision {demand.revision} waits for instances: {len(failures)} launches failed")
        return True
    last = max(failures, key=lambda failure: failure.at)
    tried = ", ".join(dict.fromkeys(f"{each.instance_type} in {each.zone}" for each in failures))
    draft.because(demand.key, f"tried {tried}")
    return _fail(draft, demand, last.reason_code, last.text)


def _fail(draft: Draft, demand: Demand, code: StateReasonCode, text: str) -> bool:
    """Always False: the publish is over and what was started for it ends."""
    draft.outcomes.append(RevisionFailed(demand.key, demand.revision, code, text))
    draft.because(demand.key, f"revision {demand.revision} fails with {code.value}: {text}")
    for environment in draft.members(demand.key, demand.revision):
        draft.drop(environment)
    return False
