"""Which decisions are kept for people to read, and in what words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import assert_never

from paddock.controlplane.limits import KEPT_PLANS, REASONS_INTERVAL_SECONDS
from paddock.model.fleet import (
    Plan,
    Reason,
    RevisionFailed,
    RevisionServed,
    VersionDeactivated,
    VersionOutcome,
    VersionRemoved,
)
from paddock.model.ids import EnvironmentId
from paddock.ports.store import PlanRecord, Transaction


class PlanHistory:
    """Keeps a plan that does something, and one that does nothing when its reasons are new and it is time."""

    def __init__(self) -> None:
        self.last: PlanRecord | None = None
        self._kept_reasons: tuple[Reason, ...] = ()
        self._kept_at: datetime | None = None
        self._assigned: dict[EnvironmentId, tuple[str, bool]] = {}

    def record(self, plan: Plan, now: datetime) -> PlanRecord | None:
        """What is to be kept of this plan, if anything; its number is given when it is."""
        actions = (*self._actions(plan), *self._changed_assignments(plan))
        self.last = PlanRecord(plan.provider, 0, now, actions, plan.reasons)
        due = self._kept_at is None or (now - self._kept_at).total_seconds() >= REASONS_INTERVAL_SECONDS
        if not actions and (plan.reasons == self._kept_reasons or not due):
            return None
        self._kept_reasons, self._kept_at = plan.reasons, now
        return self.last

    def _actions(self, plan: Plan) -> Iterator[str]:
        for launch in plan.launches:
            yield f"launch {launch.instance_type.name} {launch.instance_id} in {launch.zone}"
        for termination in plan.terminations:
            yield f"terminate {termination.instance_id}: {termination.reason}"
        for outcome in plan.outcomes:
            yield _outcome(outcome)

    def _changed_assignments(self, plan: Plan) -> Iterator[str]:
        before, self._assigned = (
            self._assigned,
            {
                each.environment_id: (f"{each.key} {each.environment_id} on {assignment.instance_id}", each.draining)
                for assignment in plan.assignments
                for each in assignment.environments
            },
        )
        for environment_id, (text, draining) in self._assigned.items():
            known = before.get(environment_id)
            if known is None:
                yield f"start {text}"
            elif draining and not known[1]:
                yield f"drain {text}"
        for environment_id, (text, _) in before.items():
            if environment_id not in self._assigned:
                yield f"end {text}"


def keep(tx: Transaction, record: PlanRecord) -> None:
    """Number it, and let go of the oldest beyond the limit."""
    newest = tx.plans.select(provider=record.provider, descending=True, limit=1)
    number = newest[0].number + 1 if newest else 1
    tx.plans.put(PlanRecord(record.provider, number, record.at, record.actions, record.reasons))
    tx.plans.delete((record.provider, number - KEPT_PLANS))


def _outcome(outcome: VersionOutcome) -> str:
    match outcome:
        case RevisionServed(key, revision):
            return f"serve {key} revision {revision}"
        case RevisionFailed(key, revision, reason_code, text):
            return f"fail {key} revision {revision}: {reason_code} {text}"
        case VersionDeactivated(key):
            return f"deactivate {key}"
        case VersionRemoved(key):
            return f"remove {key}"
        case _:
            assert_never(outcome)
