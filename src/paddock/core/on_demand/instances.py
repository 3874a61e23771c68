"""The instance that carries default Lambda: which one takes new environments, and which are launched and ended.

Rules of this module:
- One carries all. It is launched with the first function and ended when the last one has been gone for the idle time.
- One that must be replaced works on until another one runs.
- A launch that failed is tried again after a pause that doubles; one that nobody was heard of from counts as failed.
"""

from __future__ import annotations

from paddock.core.on_demand.notes import Notes
from paddock.core.on_demand.snapshot import OnDemandSettings, OnDemandSnapshot
from paddock.core.planning import PlanIds
from paddock.core.planning.backoff import launched_again_at
from paddock.model.fleet import LaunchFailure, LaunchInstance, ManagedInstance, TerminateInstance
from paddock.model.ids import DEFAULT_LAMBDA, InstanceId
from paddock.model.states import InstancePhase, StateReasonCode

USABLE = frozenset({InstancePhase.PENDING, InstancePhase.RUNNING})
_WHY_LOST = "its agent was not heard of for too long"
_WHY_GIVEN_UP = "its agent did not come in time"


class Instances:
    """Of one plan: `launches` and `terminations` are what it decides, with their reasons in `notes`."""

    def __init__(self, snapshot: OnDemandSnapshot, ids: PlanIds, settings: OnDemandSettings, notes: Notes) -> None:
        self.launches: list[LaunchInstance] = []
        self.terminations: list[TerminateInstance] = []
        self._snapshot = snapshot
        self._ids = ids
        self._settings = settings
        self._notes = notes

    def for_new_environments(self, *, is_empty: bool) -> InstanceId | None:
        """Launched if need be; None while there is none, and when nothing is left that could want one."""
        usable = [each for each in self._snapshot.instances if self._is_usable(each)]
        wanted = bool(self._snapshot.versions)
        if usable and not wanted and is_empty:
            for each in usable:
                self._end_when_idle(each)
            return None
        fresh = [each for each in usable if each.replace_reason is None]
        running = [each for each in fresh if each.phase is InstancePhase.RUNNING]
        if running:
            return running[0].instance_id
        worn = [each for each in usable if each.phase is InstancePhase.RUNNING]
        until_then = worn[0].instance_id if worn else None
        if fresh:
            return until_then or fresh[0].instance_id
        if not wanted:
            return until_then
        launched = self._launched()
        return until_then or launched

    def end(self, instance_id: InstanceId, why: str, *, because: str | None = None) -> None:
        self.terminations.append(TerminateInstance(instance_id, why))
        self._notes.because(instance_id, because or why)

    def end_lost(self) -> None:
        for instance in self._snapshot.instances:
            if instance.phase is InstancePhase.LOST:
                self.end(instance.instance_id, _WHY_LOST)
        for instance in self._given_up():
            self.terminations.append(TerminateInstance(instance.instance_id, _WHY_GIVEN_UP, launch_failed=True))
            self._notes.because(instance.instance_id, _WHY_GIVEN_UP)

    def _given_up(self) -> list[ManagedInstance]:
        pending = (each for each in self._snapshot.instances if each.phase is InstancePhase.PENDING)
        return [each for each in pending if not self._is_usable(each)]

    def staying(self) -> list[InstanceId]:
        """What there is when the plan is carried out."""
        ended = {termination.instance_id for termination in self.terminations}
        stay = [each.instance_id for each in self._snapshot.instances if each.phase in USABLE]
        stay += [launch.instance_id for launch in self.launches]
        return [each for each in stay if each not in ended]

    def _launched(self) -> InstanceId | None:
        settings, now = self._settings, self._notes.now
        given_up = [
            LaunchFailure(each.instance_type.name, each.zone, now, StateReasonCode.INTERNAL_ERROR, _WHY_GIVEN_UP)
            for each in self._given_up()
        ]
        again = launched_again_at(
            [*self._snapshot.launch_failures, *given_up],
            settings.launch_backoff,
            settings.launch_backoff_limit,
            settings.failure_memory,
        )
        if again is not None and again > now:
            wait = (again - now).total_seconds()
            self._notes.because(DEFAULT_LAMBDA, f"its instance is not launched for {wait:.0f} s: it failed before")
            self._notes.wake_at(again)
            return None
        launch = LaunchInstance(
            self._ids.instance_id(),
            self._snapshot.instance_type,
            self._snapshot.place.zone,
            self._snapshot.place.subnet_id,
        )
        self.launches.append(launch)
        worn = [each for each in self._snapshot.instances if each.replace_reason and self._is_usable(each)]
        why = f"{worn[0].instance_id} is to be replaced ({worn[0].replace_reason})" if worn else "there is no instance"
        self._notes.because(launch.instance_id, f"default Lambda has functions and {why}")
        return launch.instance_id

    def _is_usable(self, instance: ManagedInstance) -> bool:
        if instance.phase is not InstancePhase.PENDING:
            return instance.phase is InstancePhase.RUNNING
        due = instance.launched_at + self._settings.launch_deadline
        if due > self._notes.now:
            self._notes.wake_at(due)
        return due > self._notes.now

    def _end_when_idle(self, instance: ManagedInstance) -> None:
        due = (instance.empty_since or instance.launched_at) + self._settings.idle
        if due <= self._notes.now:
            self.end(instance.instance_id, "default Lambda has no function any more")
        else:
            self._notes.wake_at(due)
