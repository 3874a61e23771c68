"""The order in which a plan is made, on one page."""

from __future__ import annotations

from datetime import datetime

from paddock.core.planning.backoff import backoff
from paddock.core.planning.demand import demands, retire
from paddock.core.planning.draft import Draft
from paddock.core.planning.removal import consolidate, end_empty, end_unusable, mend_spread, trim
from paddock.core.planning.rotation import take_turns
from paddock.core.planning.settings import DEFAULT_SETTINGS, PlanIds, PlanningSettings
from paddock.core.planning.supply import serve, supply
from paddock.model.fleet import FleetSnapshot, Plan
from paddock.model.states import InstancePhase


def plan(
    snapshot: FleetSnapshot, *, now: datetime, ids: PlanIds, settings: PlanningSettings = DEFAULT_SETTINGS
) -> Plan:
    """What should become of one capacity provider.

    An outcome is repeated until the snapshot shows that it was taken; taking it twice does no harm. A version that was
    deactivated or removed is then left out of the snapshot, one that serves has `serving` set.
    """
    draft = Draft(snapshot, now, ids, settings)
    if snapshot.deleting:
        return _deleted(draft)
    end_unusable(draft)
    held = backoff(draft)
    take_turns(draft, held)
    wanted = demands(draft)
    retire(draft, wanted)
    for demand in wanted:
        if not demand.publishing:
            supply(draft, demand, held, goal=min(demand.minimum, demand.wanted))
    going = [demand for demand in wanted if supply(draft, demand, held, goal=demand.wanted)]
    for demand in going:
        if demand.publishing:
            serve(draft, demand)
        trim(draft, demand)
    mend_spread(draft, going, held)
    consolidate(draft, going)
    end_empty(draft)
    return draft.finish()


def _deleted(draft: Draft) -> Plan:
    for instance in draft.snapshot.instances:
        if instance.phase in (InstancePhase.PENDING, InstancePhase.RUNNING, InstancePhase.LOST):
            draft.terminate(instance.instance_id, "its capacity provider is deleted")
    draft.because(draft.snapshot.provider, "is being deleted: all its instances end")
    return draft.finish()
