"""The simulated control plane of one capacity provider: inventory, `core.planning`, and an executor without choices.

What it writes down is in `ProviderRecords`; everything else it forgets when the server dies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from paddock.core.lifecycle import INSTANCE, InstanceEvent
from paddock.core.planning import PlanningSettings, plan
from paddock.core.routing.table import RevisionKey
from paddock.model.fleet import (
    EnvironmentFailure,
    FleetSnapshot,
    LaunchFailure,
    LaunchInstance,
    LoadSample,
    ManagedInstance,
    Plan,
    RevisionFailed,
    RevisionServed,
)
from paddock.model.ids import EnvironmentId, FunctionVersionKey, InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode
from paddock.simulator.instances import SimulatedInstance
from paddock.simulator.kernel import Event, Kernel
from paddock.simulator.records import InstanceRecord, ProviderRecords
from paddock.simulator.traffic import SimulatedRouter
from paddock.simulator.words import AgentReport, Configuration, EnvironmentState

LEASE_SECONDS = 10.0
PLAN_SECONDS = 5.0
SETTLE_SECONDS = 0.2
"""Reports that come together are planned for together."""
KEPT_SAMPLES = 80
"""Six and a half minutes: the scaler looks back five."""


LaunchGone = Callable[[InstanceId], None]
LaunchRefused = Callable[[InstanceId, StateReasonCode, str], None]


class SimulatedIds:
    def __init__(self, kernel: Kernel) -> None:
        self._ids = kernel.ids

    def instance_id(self) -> InstanceId:
        return InstanceId(f"i-{self._ids.hex(17)}")

    def environment_id(self) -> EnvironmentId:
        return EnvironmentId(f"e-{self._ids.hex(12)}")


class Hands(Protocol):
    """What the executor acts with."""

    def launch(self, launch: LaunchInstance, records: ProviderRecords, refused: LaunchRefused) -> None: ...

    def terminate(self, instance_id: InstanceId, gone: LaunchGone) -> None: ...

    def configure(self, instance_id: InstanceId, configuration: Configuration) -> None: ...


class SimulatedControlPlane:
    def __init__(
        self,
        kernel: Kernel,
        records: ProviderRecords,
        router: SimulatedRouter,
        hands: Hands,
        settings: PlanningSettings,
    ) -> None:
        self.records = records
        self.up = True
        self.on_plan: Callable[[FleetSnapshot, Plan], None] = lambda _, __: None
        self.states: dict[EnvironmentId, EnvironmentState] = {}
        self.last_plan: Plan | None = None
        self._kernel = kernel
        self._router = router
        self._hands = hands
        self._settings = settings
        self._ids = SimulatedIds(kernel)
        self._plan = plan
        self._heard: dict[InstanceId, float] = {}
        self._loads: dict[FunctionVersionKey, deque[LoadSample]] = {}
        self._started_at = 0.0
        self._planning_soon: Event | None = None
        kernel.every(PLAN_SECONDS, self._tick)

    # The server's death and return

    def crash(self) -> None:
        self.up = False
        self.states = {}
        self._heard = {}
        self._loads = {}

    def start(self) -> None:
        """Take up what was begun: launches and terminations are repeated, agents report by themselves."""
        self.up = True
        self._started_at = self._kernel.now
        for version in self.records.versions.values():
            if version.serving is not None:
                self._serve(version.key)
        for record in list(self.records.instances.values()):
            if record.instance.phase is InstancePhase.PENDING:
                self._hands.launch(record.launch, self.records, self._refused)
            elif record.instance.phase is InstancePhase.STOPPING:
                self._hands.terminate(record.instance.instance_id, self._gone)

    # What agents say

    def connected(self, instance: SimulatedInstance) -> None:
        record = self.records.instances.get(instance.instance_id)
        if record is None or not self.up:
            return
        self._heard[instance.instance_id] = self._kernel.now
        self._move(record, InstanceEvent.AGENT_REPORTED)
        if record.instance.phase is InstancePhase.RUNNING:
            self._hands.configure(instance.instance_id, record.configuration)
        self.plan_soon()

    def reported(self, report: AgentReport) -> None:
        record = self.records.instances.get(report.instance_id)
        if record is None or not self.up or record.instance.phase is not InstancePhase.RUNNING:
            return
        self._heard[report.instance_id] = self._kernel.now
        reported = {state.environment_id: state for state in report.environments}
        if report.generation == record.configuration.generation:
            for environment_id, known in list(self.records.environments.items()):
                if known.environment.instance_id == report.instance_id and environment_id not in reported:
                    self._ended(environment_id, None)
        for state in report.environments:
            known_record = self.records.environments.get(state.environment_id)
            if known_record is None:
                continue
            before = self.states.get(state.environment_id)
            self.states[state.environment_id] = state
            if state.phase is EnvironmentPhase.ENDED:
                self._ended(state.environment_id, state.failure)
            else:
                self._route(record, state)
            if before is None or before.phase is not state.phase:
                self.plan_soon()

    def _ended(self, environment_id: EnvironmentId, failure: EnvironmentFailure | None) -> None:
        self.records.ended(environment_id, failure, self._kernel.clock.now())
        self.states.pop(environment_id, None)
        self._router.remove(environment_id)
        self.plan_soon()

    def _route(self, record: InstanceRecord, state: EnvironmentState) -> None:
        environment = self.records.environments[state.environment_id].environment
        if state.phase not in (EnvironmentPhase.READY, EnvironmentPhase.DRAINING):
            return
        self._router.place(
            state.environment_id,
            record.instance.instance_id,
            record.instance.zone,
            RevisionKey(*environment.key, environment.revision),
            slots=state.slots,
            draining=environment.draining or state.phase is EnvironmentPhase.DRAINING,
        )

    # Planning and acting

    def plan_soon(self) -> None:
        if self._planning_soon is None:
            self._planning_soon = self._kernel.after(SETTLE_SECONDS, self._plan_now)

    def _tick(self) -> None:
        if self.up:
            self._expire_leases()
            self._sample()
            self._plan_now()

    def _expire_leases(self) -> None:
        for instance_id, record in list(self.records.instances.items()):
            if record.instance.phase is not InstancePhase.RUNNING:
                continue
            heard = max(self._heard.get(instance_id, 0.0), self._started_at)
            if self._kernel.now - heard > LEASE_SECONDS:
                self._move(record, InstanceEvent.LEASE_EXPIRED)
                self._unroute(instance_id)

    def _unroute(self, instance_id: InstanceId) -> None:
        for environment_id, record in self.records.environments.items():
            if record.environment.instance_id == instance_id:
                self._router.remove(environment_id)

    def _sample(self) -> None:
        now = self._kernel.clock.now()
        found: dict[FunctionVersionKey, list[EnvironmentState]] = {}
        for environment_id, record in self.records.environments.items():
            version = self.records.versions.get(record.environment.key)
            state = self.states.get(environment_id)
            if state is None or state.phase is not EnvironmentPhase.READY or version is None:
                continue
            if record.environment.revision == (version.serving or version.revision):
                found.setdefault(record.environment.key, []).append(state)
        peaks = self._router.table.take_peaks(found.keys())
        for key, states in found.items():
            sample = LoadSample(
                at=now,
                ready_environments=len(states),
                busy_slots=sum(state.in_flight for state in states),
                peak_busy_slots=peaks.get(key, 0),
                cpu_utilization=sum(state.cpu_utilization for state in states) / len(states),
                throttles=self._router.throttles.pop(key, 0),
            )
            self._loads.setdefault(key, deque(maxlen=KEPT_SAMPLES)).append(sample)

    def _plan_now(self) -> None:
        if self._planning_soon is not None:
            self._planning_soon.cancel()
            self._planning_soon = None
        if not self.up or not self._has_heard_all():
            return
        now = self._kernel.clock.now()
        self.records.mark_empty(now)
        loads = {key: tuple(samples) for key, samples in self._loads.items()}
        snapshot = self.records.snapshot(now, self.states, loads)
        made = self._plan(snapshot, now=now, ids=self._ids, settings=self._settings)
        self.last_plan = made
        self.on_plan(snapshot, made)
        self._execute(made)

    def _has_heard_all(self) -> bool:
        """After a start, wait for those who still run, but not longer than their lease."""
        if self._kernel.now - self._started_at > LEASE_SECONDS:
            return True
        running = (each.instance for each in self.records.instances.values())
        return all(each.instance_id in self._heard for each in running if each.phase is InstancePhase.RUNNING)

    def _execute(self, made: Plan) -> None:
        now = self._kernel.clock.now()
        for termination in made.terminations:
            record = self.records.instances[termination.instance_id]
            if termination.launch_failed:
                self._remember_failure(record.instance, StateReasonCode.INTERNAL_ERROR, termination.reason)
            self._move(record, InstanceEvent.TERMINATION_REQUESTED)
            self._unroute(termination.instance_id)
            self._hands.terminate(termination.instance_id, self._gone)
        for launch in made.launches:
            instance = ManagedInstance(
                launch.instance_id, launch.instance_type, launch.zone, launch.subnet_id, InstancePhase.PENDING, now
            )
            self.records.instances[launch.instance_id] = InstanceRecord(instance, launch)
        for assignment in made.assignments:
            changed = self.records.assign(assignment, now)
            if changed is not None:
                for assigned in assignment.environments:
                    self._drain_route(assigned.environment_id)
                self._hands.configure(assignment.instance_id, changed)
        # Launched last: the intent and what it is for are written first.
        for launch in made.launches:
            self._hands.launch(launch, self.records, self._refused)
        for outcome in made.outcomes:
            self._take(outcome)

    def _drain_route(self, environment_id: EnvironmentId) -> None:
        """The router stops sending before the agent is told to drain."""
        record = self.records.environments[environment_id]
        state = self.states.get(environment_id)
        if state is not None and record.environment.draining:
            self._route(self.records.instances[record.environment.instance_id], state)

    def _take(self, outcome: object) -> None:
        match outcome:
            case RevisionServed(key, revision):
                self.records.versions[key] = replace(self.records.versions[key], serving=revision)
                self._loads.pop(key, None)
                self._serve(key)
            case RevisionFailed(key, _, _, _):
                self.records.versions[key] = replace(self.records.versions[key], failed=True)
            case _:
                key = outcome.key  # type: ignore[attr-defined]
                self.records.versions.pop(key)
                self._loads.pop(key, None)
                self._router.withdraw(key)
        self.plan_soon()

    def _serve(self, key: FunctionVersionKey) -> None:
        version = self.records.versions[key]
        assert version.serving is not None
        behaviour = self.records.behaviours[key, version.serving]
        self._router.serve(key, version.serving, behaviour.timeout)

    def _refused(self, instance_id: InstanceId, code: StateReasonCode, text: str) -> None:
        record = self.records.instances.get(instance_id)
        if record is None or not self.up:
            return
        self._remember_failure(record.instance, code, text)
        self._gone(instance_id)

    def _remember_failure(self, instance: ManagedInstance, code: StateReasonCode, text: str) -> None:
        self.records.launch_failures.append(
            LaunchFailure(instance.instance_type.name, instance.zone, self._kernel.clock.now(), code, text)
        )

    def _gone(self, instance_id: InstanceId) -> None:
        if instance_id in self.records.instances and self.up:
            self._unroute(instance_id)
            self.records.forget_instance(instance_id)
            self.plan_soon()

    def _move(self, record: InstanceRecord, event: InstanceEvent) -> None:
        phase = INSTANCE.next(record.instance.phase, event)
        assert phase is not None
        self.records.set_phase(record.instance.instance_id, phase)
