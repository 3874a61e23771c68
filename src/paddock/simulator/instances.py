"""Simulated managed instances: where they come from, the agent on each, and every way they can fail.

The agent keeps the contract of the real one: it refuses older generations, runs what it is told and nothing else,
reports at once what changes and everything every other second, and fences itself when nobody answers it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from paddock.model.fleet import EnvironmentAssignment, LaunchInstance
from paddock.model.ids import AvailabilityZone, CapacityProviderName, EnvironmentId, InstanceId
from paddock.model.states import EnvironmentPhase, StateReasonCode
from paddock.simulator.environments import SimulatedEnvironment
from paddock.simulator.kernel import Kernel
from paddock.simulator.words import AgentReport, Behaviour, Configuration, Outcome, SimulatedInvocation

REPORT_SECONDS = 2.0
FENCE_SECONDS = 15.0
"""An agent that has not been heard for this long ends itself and all it runs (the design's lease)."""


class Server(Protocol):
    """What an agent talks to; `router` and control plane are one process."""

    def agent_connected(self, instance: SimulatedInstance) -> None: ...

    def agent_reported(self, report: AgentReport) -> None: ...

    def agent_lost(self, instance: SimulatedInstance) -> None: ...

    def answered(
        self, environment_id: EnvironmentId, invocation: SimulatedInvocation, outcome: Outcome, *, slot_held: bool
    ) -> None: ...

    def slot_released(self, environment_id: EnvironmentId, invocation: SimulatedInvocation) -> None: ...

    def behaviour_of(self, assignment: EnvironmentAssignment) -> Behaviour: ...


class SimulatedInstance:
    """`alive` is the truth: its processes run. `connected`: server and agent can talk."""

    def __init__(self, launch: LaunchInstance, provider: CapacityProviderName, kernel: Kernel, server: Server) -> None:
        self.launch = launch
        self.provider = provider
        self.alive = True
        self.booted = False
        self.link_up = True
        self.generation = 0
        self.report_delay = 0.0
        self.environments: dict[EnvironmentId, SimulatedEnvironment] = {}
        self.refused_generations = 0
        self.contradictions = 0
        """How often a generation came again with other contents."""
        self.failed_at = -1.0
        """When it last died or was cut off by a fault; being terminated is none."""
        self._contents: Configuration | None = None
        self._kernel = kernel
        self._server = server
        self._cut_at = 0.0
        self._delivered_at = 0.0

    @property
    def instance_id(self) -> InstanceId:
        return self.launch.instance_id

    @property
    def connected(self) -> bool:
        return self.alive and self.booted and self.link_up

    def boot(self) -> None:
        if not self.alive or self.booted:
            return
        self.booted = True
        self._cut_at = self._kernel.now
        if self.link_up:
            self._server.agent_connected(self)
        self._report_again()

    def fail(self) -> None:
        if self.alive:
            self.failed_at = self._kernel.now
            self.die()

    def die(self) -> None:
        """The whole process tree goes at once; whoever waited for an answer will not get one."""
        if not self.alive:
            return
        self.alive = False
        for environment in self.environments.values():
            environment.vanish()
        self._server.agent_lost(self)

    def cut(self, seconds: float) -> None:
        """Nothing gets through for a while. Work goes on, until the agent fences itself."""
        if not self.link_up:
            return
        self.link_up = False
        self.failed_at = self._kernel.now
        self._cut_at = self._kernel.now
        self._server.agent_lost(self)
        self._kernel.after(FENCE_SECONDS, self._fence)
        self._kernel.after(seconds, self._mend)

    def _fence(self) -> None:
        if not self.link_up and self._kernel.now - self._cut_at >= FENCE_SECONDS:
            self.fail()

    def _mend(self) -> None:
        self.link_up = True
        if self.connected:
            self._server.agent_connected(self)

    # From the server

    def configure(self, configuration: Configuration) -> None:
        if configuration.generation < self.generation:
            self.refused_generations += 1
            return
        if configuration.generation == self.generation:
            self.contradictions += self._contents is not None and configuration != self._contents
            return
        wanted = {each.environment_id: each for each in configuration.environments}
        for environment_id, environment in list(self.environments.items()):
            if environment_id not in wanted:
                environment.stop()
                del self.environments[environment_id]
        for environment_id, assignment in wanted.items():
            self._keep(environment_id, assignment)
        # Only now: a report made half way must not say of the new generation that it lacks what is still to be started.
        self.generation = configuration.generation
        self._contents = configuration
        self.report()

    def _keep(self, environment_id: EnvironmentId, assignment: EnvironmentAssignment) -> None:
        known = self.environments.get(environment_id)
        if known is None:
            behaviour = self._server.behaviour_of(assignment)
            known = SimulatedEnvironment(assignment, behaviour, self._kernel, self)
            self.environments[environment_id] = known
        if assignment.draining:
            known.drain()

    def invoke(self, environment_id: EnvironmentId, invocation: SimulatedInvocation) -> bool:
        environment = self.environments.get(environment_id)
        return environment is not None and environment.invoke(invocation)

    # To the server

    def report(self) -> None:
        if not self.connected:
            return
        states = tuple(environment.state() for environment in self.environments.values())
        report = AgentReport(self.instance_id, self.generation, states)
        if self.report_delay == 0:
            self._server.agent_reported(report)
            return
        # One connection: what is late makes everything behind it late, but nothing overtakes.
        self._delivered_at = max(self._delivered_at, self._kernel.now + self.report_delay)
        self._kernel.after(self._delivered_at - self._kernel.now, lambda: self._deliver(report))

    def _deliver(self, report: AgentReport) -> None:
        if self.connected:
            self._server.agent_reported(report)

    def _report_again(self) -> None:
        if self.alive:
            self.report()
            self._kernel.after(REPORT_SECONDS, self._report_again)

    def answered(
        self, environment: SimulatedEnvironment, invocation: SimulatedInvocation, outcome: Outcome, *, slot_held: bool
    ) -> None:
        if self.connected:
            self._server.answered(environment.environment_id, invocation, outcome, slot_held=slot_held)

    def slot_released(self, environment: SimulatedEnvironment, invocation: SimulatedInvocation) -> None:
        if self.connected:
            self._server.slot_released(environment.environment_id, invocation)

    def changed(self, environment: SimulatedEnvironment) -> None:
        if environment.phase in (EnvironmentPhase.READY, EnvironmentPhase.DRAINING, EnvironmentPhase.ENDED):
            self.report()


class LaunchFault:
    """Makes launches fail: those that `applies` says. `hangs`: accepted, but no agent ever comes."""

    def __init__(self, applies: Callable[[LaunchInstance], bool], *, hangs: bool) -> None:
        self.applies = applies
        self.hangs = hangs


class SimulatedLauncher:
    """Keeps the launchers' contract: a known id is the same instance, `instances` is the truth."""

    def __init__(self, kernel: Kernel, server: Server, launch_seconds: tuple[float, float]) -> None:
        self.instances: dict[InstanceId, SimulatedInstance] = {}
        self.faults: list[LaunchFault] = []
        self.zones_down: dict[AvailabilityZone, bool] = {}
        self.launches = 0
        self._kernel = kernel
        self._server = server
        self._launch_seconds = launch_seconds

    def launch(
        self,
        launch: LaunchInstance,
        provider: CapacityProviderName,
        refused: Callable[[InstanceId, StateReasonCode, str], None],
    ) -> None:
        if launch.instance_id in self.instances:
            return
        fault = next((each for each in self.faults if each.applies(launch)), None)
        if self.zones_down.get(launch.zone) or (fault is not None and not fault.hangs):
            text = f"no {launch.instance_type.name} in {launch.zone}"
            self._kernel.after(1.0, lambda: refused(launch.instance_id, StateReasonCode.INSUFFICIENT_CAPACITY, text))
            return
        self.launches += 1
        instance = SimulatedInstance(launch, provider, self._kernel, self._server)
        self.instances[launch.instance_id] = instance
        if fault is None:
            self._kernel.after(self._kernel.dice.uniform(*self._launch_seconds), instance.boot)

    def terminate(self, instance_id: InstanceId, gone: Callable[[InstanceId], None]) -> None:
        """Unknown ids are already ended."""

        def end() -> None:
            instance = self.instances.get(instance_id)
            if instance is not None:
                instance.die()
            gone(instance_id)

        self._kernel.after(self._kernel.dice.uniform(0.5, 4.0), end)

    def living(self) -> list[SimulatedInstance]:
        return [each for each in self.instances.values() if each.alive]
