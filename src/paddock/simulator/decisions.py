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


def unexplained(environments: Iterable[Environment], made: Plan) -> list[str]:
    """What `made` does without a reason: of the instance, of the version, or of the environment itself."""
    told = {reason.subject for reason in made.reasons if reason.text}
    acted: list[tuple[str, ...]] = [(each.instance_id,) for each in made.launches]
    acted += [(each.instance_id,) for each in made.terminations]
    acted += [(str(each.key),) for each in made.outcomes]
    known = {each.environment_id: each for each in environments if each.ended_at is None}
    going = {each.instance_id for each in made.terminations}
    for assignment in made.assignments:
        for assigned in assignment.environments:
            before = known.pop(assigned.environment_id, None)
            if before is None or (assigned.draining and not before.draining):
                acted.append((str(assigned.key), assignment.instance_id, assigned.environment_id))
    acted += [
        (str(each.key), each.instance_id, each.environment_id)
        for each in known.values()
        if each.instance_id not in going
    ]
    silent = [", ".join(names) for names in acted if not told.intersection(names)]
    return silent if told else ["anything", *silent]
