"""Default Lambda's plan: environments for those who wait, kept for an idle time, ended after it.

Rules of this module:
- A new revision serves at once: what it needs is started when somebody invokes it.
- One start for each invocation that waits, less those already on their way; provisioned ones are started unasked.
- Where a function has tenants, an environment is started for one of them and is that one's for good: what waits for
  another tenant, it is nothing to.
- An environment of a revision that does not serve, or that was idle for the idle time, drains and ends.
- Where there is no room, idle environments of whichever function make place, the longest idle first; provisioned ones
  never do.
- Variables cannot change, and credentials stand in them: an environment drains before those end, a provisioned one when
  another is ready in its place.
- When the instance that follows one to be replaced runs, what is on the old one drains, and it ends when empty.
- Where provisioned environments fill all the room there is, none could ever be ready before the one that it replaces.
  Then one at a time ends first, and the next when the one in its place is ready.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from paddock.core.counting import agreed, counted
from paddock.core.on_demand.instances import USABLE, Instances
from paddock.core.on_demand.notes import Notes
from paddock.core.on_demand.snapshot import OnDemandSettings, OnDemandSnapshot, OnDemandVersion
from paddock.core.planning import PlanIds
from paddock.model.fleet import (
    Environment,
    EnvironmentAssignment,
    InstanceAssignment,
    Plan,
    Reason,
    RevisionServed,
)
from paddock.model.ids import (
    DEFAULT_LAMBDA,
    NO_TENANT,
    EnvironmentId,
    FunctionVersionKey,
    InstanceId,
    TenantId,
)
from paddock.model.states import EnvironmentPhase

_TO_COME = frozenset({EnvironmentPhase.ASSIGNED, EnvironmentPhase.STARTING})
_CREDENTIALS_END = "its credentials end soon, and variables cannot change"
_NOTHING = "nothing to start and nothing to end"


def plan_on_demand(snapshot: OnDemandSnapshot, *, now: datetime, ids: PlanIds, settings: OnDemandSettings) -> Plan:
    return _Planner(snapshot, now, ids, settings).plan()


class _Planner:
    """Thrown away after one plan."""

    def __init__(self, snapshot: OnDemandSnapshot, now: datetime, ids: PlanIds, settings: OnDemandSettings) -> None:
        self._snapshot = snapshot
        self._now = now
        self._ids = ids
        self._settings = settings
        self._versions = {version.key: version for version in snapshot.versions}
        self._alive = [each for each in snapshot.environments if each.phase is not EnvironmentPhase.ENDED]
        self._draining = {each.environment_id for each in self._alive if each.draining}
        self._new: list[EnvironmentAssignment] = []
        self._notes = Notes(now)
        self._instances = Instances(snapshot, ids, settings, self._notes)
        self._aged = {each.environment_id for each in self._alive if self._is_aged(each)}

    def plan(self) -> Plan:
        instance = self._instances.for_new_environments(is_empty=not self._alive)
        for environment in self._alive:
            why = self._why_end(environment)
            if why is not None:
                self._drain(environment, why)
        for version in self._snapshot.versions:
            self._trim_provisioned(version)
        self._empty_worn(instance)
        self._end_aged()
        if instance is not None:
            # What one gives up to be replaced is not for another one to take: those go first.
            for version in sorted(self._snapshot.versions, key=lambda each: not self._leaving(each, instance)):
                self._start_what_is_missing(version, instance)
        self._instances.end_lost()
        served = self._served()
        return Plan(
            provider=DEFAULT_LAMBDA,
            launches=tuple(self._instances.launches),
            assignments=self._assignments(instance),
            terminations=tuple(self._instances.terminations),
            outcomes=served,
            reasons=tuple(self._notes.reasons) or (Reason(DEFAULT_LAMBDA, _NOTHING),),
            wake_after=self._notes.wake_after,
        )

    def _served(self) -> tuple[RevisionServed, ...]:
        found = tuple(
            RevisionServed(version.key, version.revision)
            for version in self._snapshot.versions
            if version.serving != version.revision
        )
        for each in found:
            self._notes.because(
                str(each.key), "its newest revision serves at once: environments start when it is called"
            )
        return found

    # What is on an instance that goes

    def _empty_worn(self, instance: InstanceId | None) -> None:
        """Provisioned environments are given up as others become ready on the instance that follows: as many as are
        asked for stay ready, and no more, or there might be no room for those to come.
        """
        there = {each.instance_id: each for each in self._snapshot.instances}
        if instance is None or there.get(instance) is None or there[instance].replace_reason is not None:
            return
        for worn in there.values():
            if worn.replace_reason is None or worn.phase not in USABLE:
                continue
            left = [each for each in self._alive if each.instance_id == worn.instance_id]
            for each in left:
                if each.environment_id not in self._draining and not self._must_stay(each):
                    self._drain(each, f"its instance is to be replaced ({worn.replace_reason})")
            if not left:
                self._instances.end(
                    worn.instance_id, worn.replace_reason, because=f"it is drained ({worn.replace_reason})"
                )

    def _must_stay(self, environment: Environment) -> bool:
        version = self._versions.get(environment.key)
        if version is None or not environment.provisioned:
            return False
        there = self._of(version, provisioned=True)
        if environment.phase is EnvironmentPhase.READY:
            there = [each for each in there if each.phase is EnvironmentPhase.READY]
        return len(there) <= version.provisioned

    # Environments that are there

    def _why_end(self, environment: Environment) -> str | None:
        if environment.environment_id in self._draining:
            return None
        version = self._versions.get(environment.key)
        if version is None:
            return "its version is deleted"
        if environment.revision != version.revision:
            return "a newer revision serves"
        if environment.provisioned:
            return None
        if environment.environment_id in self._aged:
            return _CREDENTIALS_END
        if environment.idle_since is None:
            return None
        due = environment.idle_since + self._settings.idle
        if due > self._now:
            self._notes.wake_at(due)
            return None
        return f"nobody has invoked it for {self._settings.idle.total_seconds():.0f} s"

    def _is_aged(self, environment: Environment) -> bool:
        """Is it time that another one takes its place?"""
        if environment.credentials_end_at is None:
            return False
        due = environment.credentials_end_at - self._settings.credentials_left
        if due > self._now:
            self._notes.wake_at(due)
        return due <= self._now

    def _end_aged(self) -> None:
        for each in self._alive:
            if each.provisioned and each.environment_id in self._aged - self._draining and not self._must_stay(each):
                self._drain(each, _CREDENTIALS_END)

    def _trim_provisioned(self, version: OnDemandVersion) -> None:
        """What is provisioned beyond the number asked for ends, the idle first."""
        worn = {each.instance_id for each in self._snapshot.instances if each.replace_reason is not None}
        kept = [
            each
            for each in self._of(version, provisioned=True)
            if each.instance_id not in worn and each.environment_id not in self._aged
        ]
        surplus = len(kept) - version.provisioned
        for environment in sorted(kept, key=lambda each: each.in_flight)[: max(0, surplus)]:
            self._drain(environment, _asked_for(version))

    def _drain(self, environment: Environment, why: str) -> None:
        self._draining.add(environment.environment_id)
        self._notes.because(environment.environment_id, f"{environment.key} ends: {why}")

    def _of(self, version: OnDemandVersion, *, provisioned: bool) -> list[Environment]:
        return [
            each
            for each in self._alive
            if each.key == version.key and each.provisioned is provisioned and each.environment_id not in self._draining
        ]

    # Environments that are missing

    def _lasting(self, version: OnDemandVersion, instance: InstanceId) -> list[Environment]:
        """Its provisioned environments where new ones are started; what goes soon, or its instance does, is extra."""
        return [
            each
            for each in self._of(version, provisioned=True)
            if each.instance_id == instance and each.environment_id not in self._aged
        ]

    def _leaving(self, version: OnDemandVersion, instance: InstanceId) -> list[Environment]:
        """Its provisioned environments that stay until others are ready in their places."""
        lasting = {each.environment_id for each in self._lasting(version, instance)}
        return [each for each in self._of(version, provisioned=True) if each.environment_id not in lasting]

    def _start_what_is_missing(self, version: OnDemandVersion, instance: InstanceId) -> None:
        missing = version.provisioned - len(self._lasting(version, instance))
        if missing > 0 and not self._rests(version):
            self._start(version, missing, _asked_for(version), ready=True)
            self._give_one_up(self._leaving(version, instance))
        to_come = (each for each in self._of(version, provisioned=False) if each.phase in _TO_COME)
        on_their_way = Counter(each.tenant_id for each in to_come)
        for tenant_id, waiting in ((NO_TENANT, version.waiting), *version.tenants_waiting):
            coming = on_their_way[tenant_id]
            missing = waiting - coming
            if missing > 0:
                whose = f" of tenant {tenant_id}" if tenant_id else ""
                why = f"{counted(waiting, 'invocation')}{whose} {agreed(waiting, 'wait')} and {_on_their_way(coming)}"
                self._start(version, missing, why, ready=False, tenant_id=tenant_id)

    def _give_one_up(self, leaving: list[Environment]) -> None:
        """Where no room will come in any other way."""
        moving = self._new or self._draining or any(each.phase in _TO_COME for each in self._alive)
        most = self._settings.most_environments
        if moving or len(self._alive) < most or not all(each.provisioned for each in self._alive) or not leaving:
            return
        first = min(leaving, key=lambda each: each.in_flight)
        self._drain(first, f"what replaces it needs its place: all {most} that there is room for are provisioned")

    def _rests(self, version: OnDemandVersion) -> bool:
        """Nobody waits for a provisioned environment: one that cannot begin is not tried again and again."""
        failed = [
            each.ended_at or each.assigned_at
            for each in self._snapshot.environments
            if each.failure is not None and each.failure.init and each.provisioned and each.revision == version.revision
        ]
        again = max(failed) + self._settings.init_backoff if failed else self._now
        if again <= self._now:
            return False
        self._notes.because(
            str(version.key), "its provisioned environments failed to initialise and are tried again later"
        )
        self._notes.wake_at(again)
        return True

    def _start(
        self, version: OnDemandVersion, number: int, why: str, *, ready: bool, tenant_id: TenantId = NO_TENANT
    ) -> None:
        room = self._settings.most_environments - len(self._alive) - len(self._new)
        if room < number:
            self._make_room(number - max(0, room), version.key)
        started = max(0, min(number, room))
        for _ in range(started):
            self._new.append(
                EnvironmentAssignment(
                    EnvironmentId(self._ids.environment_id()),
                    version.key,
                    version.revision,
                    version.shape,
                    provisioned=ready,
                    tenant_id=tenant_id,
                )
            )
        if started:
            self._notes.because(
                str(version.key), f"{counted(started, 'environment')} {agreed(started, 'start')}: {why}"
            )
        if started < number:
            left, most = number - started, self._settings.most_environments
            text = f"{counted(left, 'environment')} {agreed(left, 'wait')}: there is room for {most} at once"
            self._notes.because(str(version.key), text)

    def _make_room(self, number: int, wanted_for: FunctionVersionKey) -> None:
        """What drains already gives room soon; only the rest must come from what is idle."""
        number -= len(self._draining)
        idle = [
            each
            for each in self._alive
            if each.idle_since is not None and not each.provisioned and each.environment_id not in self._draining
        ]
        for environment in sorted(idle, key=_longest_idle)[: max(0, number)]:
            self._drain(environment, f"it is idle and {wanted_for} needs its place")

    # The plan's assignments

    def _assignments(self, instance: InstanceId | None) -> tuple[InstanceAssignment, ...]:
        return tuple(
            InstanceAssignment(each, (*self._kept_on(each), *(self._new if each == instance else ())))
            for each in self._instances.staying()
        )

    def _kept_on(self, instance: InstanceId) -> Iterable[EnvironmentAssignment]:
        for each in self._alive:
            if each.instance_id == instance:
                yield EnvironmentAssignment(
                    each.environment_id,
                    each.key,
                    each.revision,
                    each.shape,
                    draining=each.environment_id in self._draining,
                    provisioned=each.provisioned,
                    tenant_id=each.tenant_id,
                )


def _asked_for(version: OnDemandVersion) -> str:
    number = version.provisioned
    return f"{counted(number, 'provisioned environment')} {agreed(number, 'are')} asked for"


def _on_their_way(number: int) -> str:
    return f"{counted(number, 'environment')} {agreed(number, 'are')} on {'its' if number == 1 else 'their'} way"


def _longest_idle(environment: Environment) -> tuple[datetime, str]:
    assert environment.idle_since is not None
    return environment.idle_since, environment.environment_id
