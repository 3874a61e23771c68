"""The whole of it: one server process (control planes and router), the launcher, the instances, the wires between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import ParamSpec

from paddock.core.planning import PlanningSettings
from paddock.model.fleet import EnvironmentAssignment, LaunchInstance
from paddock.model.ids import CapacityProviderName, EnvironmentId, FunctionVersionKey, InstanceId
from paddock.simulator.control import LaunchGone, LaunchRefused, SimulatedControlPlane
from paddock.simulator.instances import SimulatedInstance, SimulatedLauncher
from paddock.simulator.kernel import Kernel
from paddock.simulator.records import ProviderRecords
from paddock.simulator.traffic import SimulatedRouter
from paddock.simulator.words import AgentReport, Behaviour, Configuration, Outcome, SimulatedInvocation

ArgumentsT = ParamSpec("ArgumentsT")

LATENCY_SECONDS = 0.005
RECONNECT_SECONDS = (0.1, 1.5)


class SimulatedFleet:
    def __init__(
        self,
        kernel: Kernel,
        providers: Iterable[ProviderRecords],
        settings: PlanningSettings,
        *,
        launch_seconds: tuple[float, float] = (3.0, 25.0),
    ) -> None:
        self.kernel = kernel
        self.up = True
        self._incarnation = 1
        self.changed = True
        """Something other than a call has happened since this was last set to False."""
        self.touched: dict[InstanceId, SimulatedInstance] = {}
        """Instances that this happened to: whoever looks empties it."""
        self.global_faults: list[float] = []
        """When the server died or the wall clock jumped (which ends what was allowed to take until a certain time)."""
        self.launcher = SimulatedLauncher(kernel, self, launch_seconds)
        self.router = SimulatedRouter(kernel, self)
        self.controls: dict[CapacityProviderName, SimulatedControlPlane] = {
            records.name: SimulatedControlPlane(kernel, records, self.router, self, settings) for records in providers
        }

    # The server's death and return

    def crash_server(self, seconds: float) -> None:
        if not self.up:
            return
        self.up = False
        self.global_faults.append(self.kernel.now)
        self.router.crash()
        for control in self.controls.values():
            control.crash()
        self.kernel.after(seconds, self._start_server)

    def _start_server(self) -> None:
        self.up = True
        self._incarnation += 1
        self.router.start()
        for control in self.controls.values():
            control.start()
        for instance in self.launcher.living():
            self.kernel.after(self.kernel.dice.uniform(*RECONNECT_SECONDS), partial(self._greet, instance))

    # Agents to server

    def agent_connected(self, instance: SimulatedInstance) -> None:
        if self.up:
            self._greet(instance)

    def _greet(self, instance: SimulatedInstance) -> None:
        if self.up and instance.connected:
            self.router.reachable(instance.instance_id, reachable=True)
            self.controls[instance.provider].connected(instance)

    def agent_reported(self, report: AgentReport) -> None:
        instance = self.launcher.instances[report.instance_id]
        self._touch(instance)
        self.controls[instance.provider].reported(report)

    def _touch(self, instance: SimulatedInstance) -> None:
        self.changed = True
        self.touched[instance.instance_id] = instance

    def agent_lost(self, instance: SimulatedInstance) -> None:
        self._touch(instance)
        self.router.reachable(instance.instance_id, reachable=False)

    def answered(
        self, environment_id: EnvironmentId, invocation: SimulatedInvocation, outcome: Outcome, *, slot_held: bool
    ) -> None:
        self.router.answered(environment_id, invocation, outcome, slot_held=slot_held)

    def slot_released(self, environment_id: EnvironmentId, invocation: SimulatedInvocation) -> None:
        self.router.slot_released(environment_id, invocation.invocation_id)

    def behaviour_of(self, assignment: EnvironmentAssignment) -> Behaviour:
        for control in self.controls.values():
            found = control.records.behaviours.get((assignment.key, assignment.revision))
            if found is not None:
                return found
        raise AssertionError(f"nobody published revision {assignment.revision} of {assignment.key}")

    # Server to agents and launcher

    def invoke(self, instance_id: InstanceId, environment_id: EnvironmentId, invocation: SimulatedInvocation) -> bool:
        instance = self.launcher.instances[instance_id]
        return instance.connected and instance.invoke(environment_id, invocation)

    def configure(self, instance_id: InstanceId, configuration: Configuration) -> None:
        def deliver() -> None:
            instance = self.launcher.instances.get(instance_id)
            if instance is not None and instance.connected:
                self._touch(instance)
                instance.configure(configuration)

        self.kernel.after(LATENCY_SECONDS, deliver)

    def launch(self, launch: LaunchInstance, records: ProviderRecords, refused: LaunchRefused) -> None:
        self.changed = True
        self.launcher.launch(launch, records.name, self._if_still_the_same_server(refused))

    def terminate(self, instance_id: InstanceId, gone: LaunchGone) -> None:
        self.launcher.terminate(instance_id, self._if_still_the_same_server(gone))

    def _if_still_the_same_server(self, answer: Callable[ArgumentsT, None]) -> Callable[ArgumentsT, None]:
        """An answer to a server that has died since reaches nobody."""
        asked_by = self._incarnation

        def deliver(*arguments: ArgumentsT.args, **named: ArgumentsT.kwargs) -> None:
            if self.up and self._incarnation == asked_by:
                answer(*arguments, **named)

        return deliver

    def excuses(self, invocation: SimulatedInvocation) -> bool:
        """Did anything fail that a lost call can be put down to: the server, its instance or link, its environment?"""
        if any(at >= invocation.at for at in self.global_faults) or not self.up:
            return True
        if invocation.environment_id is None:
            return False
        for instance in self.launcher.instances.values():
            environment = instance.environments.get(invocation.environment_id)
            if environment is not None:
                return instance.failed_at >= invocation.at or environment.machine.failure is not None
        return False

    def call(self, key: FunctionVersionKey, *, asynchronous: bool) -> None:
        self.router.call(key, asynchronous=asynchronous)
