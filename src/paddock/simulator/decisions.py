"""What a plan decides, counted by kind: that every kind of decision has been seen is checked over many seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from paddock.model.fleet import (
    Environment,
    Plan,
    RevisionFailed,
    RevisionServed,
    VersionDeactivated,
    VersionOutcome,
    VersionRemoved,
)


class Decision(StrEnum):
    """In the words in which the control plane keeps its plans."""

    LAUNCH = "launch"
    TERMINATE = "terminate"
    START = "start"
    DRAIN = "drain"
    END = "end"
    SERVE = "serve"
    FAIL = "fail"
    DEACTIVATE = "deactivate"
    REMOVE = "remove"
    NOTHING = "nothing"


_OF_OUTCOMES: dict[type[VersionOutcome], Decision] = {
    RevisionServed: Decision.SERVE,
    RevisionFailed: Decision.FAIL,
    VersionDeactivated: Decision.DEACTIVATE,
    VersionRemoved: Decision.REMOVE,
}


def decided(environments: Iterable[Environment], made: Plan) -> Counter[str]:
    """How `made` differs from what runs."""
    found: Counter[str] = Counter(_OF_OUTCOMES[type(each)] for each in made.outcomes)
    found[Decision.LAUNCH] = len(made.launches)
    found[Decision.TERMINATE] = len(made.terminations)
    known = {each.environment_id: each for each in environments if each.ended_at is None}
    going = {each.instance_id for each in made.terminations}
    for assignment in made.assignments:
        for assigned in assignment.environments:
            before = known.pop(assigned.environment_id, None)
            if before is None:
                found[Decision.START] += 1
            elif assigned.draining and not before.draining:
                found[Decision.DRAIN] += 1
    found[Decision.END] = sum(each.instance_id not in going for each in known.values())
    found = +found
    return found or Counter({Decision.NOTHING: 1})


def begun(environments: Iterable[Environment], made: Plan) -> list[tuple[str, str]]:
    """Version and instance of each environment that `made` starts or begins to drain: one of them says why."""
    staying = {each.environment_id for each in environments if not each.draining}
    drained = {each.environment_id for each in environments if each.draining}
    return [
        (str(assigned.key), assignment.instance_id)
        for assignment in made.assignments
        for assigned in assignment.environments
        if (assigned.environment_id in staying) == assigned.draining and assigned.environment_id not in drained
    ]
