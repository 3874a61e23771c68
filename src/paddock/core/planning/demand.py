"""How many environments of which revision each version wants, before anybody asks whether there is room.

A version that serves wants what the scaler says; one that is published wants as many as the revision it replaces, at
least its minimum; the rest wants nothing and is ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from paddock.core import scaling
from paddock.core.counting import agreed, counted
from paddock.core.planning.draft import Draft
from paddock.core.planning.settings import PlanningSettings
from paddock.model.fleet import Environment, EnvironmentShape, VersionDeactivated, VersionRemoved, VersionTarget
from paddock.model.ids import FunctionVersionKey, RevisionId
from paddock.model.states import EnvironmentPhase, InstancePhase


@dataclass(frozen=True, slots=True)
class Demand:
    """`publishing`: the revision does not serve yet. `measured`: the load is known. `failures`: oldest first."""

    version: VersionTarget
    revision: RevisionId
    shape: EnvironmentShape
    wanted: int
    publishing: bool
    measured: bool
    failures: tuple[Environment, ...]

    @property
    def key(self) -> FunctionVersionKey:
        return self.version.key

    @property
    def minimum(self) -> int:
        return self.version.bounds.minimum


def demands(draft: Draft) -> list[Demand]:
    """Serving revisions first: what runs goes before what is to run. Publishes follow in the order they were asked."""
    failures: dict[tuple[FunctionVersionKey, RevisionId], list[Environment]] = {}
    for environment in draft.snapshot.environments:
        if environment.failure is not None:
            failures.setdefault((environment.key, environment.revision), []).append(environment)
    found: list[Demand] = []
    for version in draft.snapshot.versions:
        if not _is_ending(version):
            found.extend(_of_version(draft, version, failures))
    return sorted(found, key=lambda demand: (demand.publishing, demand.version.published_at, demand.key))


def retire(draft: Draft, wanted: list[Demand]) -> None:
    """Drain every environment whose revision nobody wants; end at once those that never served."""
    wants = {(demand.key, demand.revision) for demand in wanted}
    versions = {version.key: version for version in draft.snapshot.versions}
    for key in sorted(draft.keys() | versions.keys()):
        version = versions.get(key)
        for revision in draft.revisions_of(key):
            if (key, revision) in wants:
                continue
            abandoned = version is not None and version.failed and revision == version.revision != version.serving
            for environment in draft.members(key, revision):
                if abandoned:
                    draft.drop(environment)
                else:
                    draft.drain(environment)
            draft.because(key, f"revision {revision} is {'given up' if abandoned else 'drained'}: nothing wants it")
        if version is not None and _is_ending(version):
            _conclude(draft, version)


def restart_not_before(failures: tuple[Environment, ...], settings: PlanningSettings) -> datetime | None:
    """When a revision that keeps failing may be tried again; None for at once."""
    excess = len(failures) - settings.free_restarts
    if excess < 0:
        return None
    delay = min(settings.restart_backoff * (1 << min(excess, 16)), settings.restart_backoff_limit)
    return max(failed_at(each) for each in failures) + delay


def failed_at(environment: Environment) -> datetime:
    return environment.ended_at or environment.assigned_at


def _is_ending(version: VersionTarget) -> bool:
    return version.deleting or version.bounds.deactivates


def _of_version(
    draft: Draft,
    version: VersionTarget,
    failures: dict[tuple[FunctionVersionKey, RevisionId], list[Environment]],
) -> list[Demand]:
    found = []
    wanted = version.bounds.minimum
    measured = False

    def demand(revision: RevisionId, shape: EnvironmentShape) -> Demand:
        failed = tuple(sorted(failures.get((version.key, revision), ()), key=failed_at))
        return Demand(version, revision, shape, wanted, revision != version.serving, measured, failed)

    if version.serving is not None:
        members = draft.members(version.key, version.serving)
        # What is on an instance that must go is on its way out; the scaler is asked about what stays.
        staying = len(draft.staying(members))
        decision = scaling.decide(
            version,
            staying,
            scaling=draft.snapshot.scaling,
            now=draft.now,
            settings=draft.settings.scaling,
        )
        wanted = decision.environments
        measured = isinstance(decision.demand, scaling.Demand)
        # A republish may change memory and concurrency; what serves goes on as it is.
        shape = members[0].shape if members else version.shape
        found.append(demand(version.serving, shape))
        for reason in decision.reasons:
            draft.because(version.key, reason)
    if version.revision != version.serving:
        if version.failed:
            draft.because(version.key, f"revision {version.revision} has failed; nothing is started for it")
        else:
            found.append(demand(version.revision, version.shape))
    return found


def _conclude(draft: Draft, version: VersionTarget) -> None:
    terminated = {each.instance_id for each in draft.snapshot.instances if each.phase is InstancePhase.TERMINATED}
    left = [
        each
        for each in draft.snapshot.environments
        if each.key == version.key and each.phase is not EnvironmentPhase.ENDED and each.instance_id not in terminated
    ]
    what = "deleted" if version.deleting else "deactivated (Min = Max = 0)"
    if left:
        draft.because(
            version.key, f"is being {what}: {counted(len(left), 'environment')} {agreed(len(left), 'are')} still to end"
        )
        return
    draft.because(version.key, f"is {what}: nothing of it runs any more")
    draft.outcomes.append(VersionRemoved(version.key) if version.deleting else VersionDeactivated(version.key))
