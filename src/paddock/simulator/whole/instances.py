"""A launcher whose instances are real agents on a network in memory."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from paddock.agent.instance_agent import InstanceAgent
from paddock.agent.link import Link
from paddock.agent.runtime_process import ProcessCommand, RuntimeProcess
from paddock.isolation.ladder import Isolation, Way
from paddock.isolation.launch import as_process
from paddock.isolation.view import Rung
from paddock.launchers.cgroups import Cgroup
from paddock.model.ids import AvailabilityZone, InstanceId
from paddock.model.states import InstancePhase, StateReasonCode
from paddock.ports.clock import Clock, Dice, IdSource
from paddock.ports.launcher import LauncherCapabilities, LaunchError, LaunchRequest, ObservedInstance
from paddock.simulator.network import MemoryNetworkLoop, MemoryProcess, MemoryServer, belong_to
from paddock.simulator.whole.runtimes import PlayedCgroup, PlayedRuntime, PlayedRuntimes, Truth
from paddock.wire.agent import EnvironmentReport, ServerHello
from paddock.wire.bootstrap import AgentBootstrap

ISOLATION = Isolation(Way(Rung.PROCESS, ("played",), as_process(landlock=0, filtered=False), frozenset()))
FENCE_SECONDS = 15.0
BOOT_SECONDS = (0.3, 3.0)
KNOWN_SECONDS = 15.0
"""So long after its first greeting a server has written down that the instance is up, also one that began meanwhile."""


class ToldAgent(InstanceAgent):
    """The real one; whoever looks at the truth is told when something has changed."""

    truth: Truth
    greeted_at = math.inf

    def hello(self, link: Link, message: ServerHello) -> bool:
        taken = super().hello(link, message)
        if taken and link in self._controls:
            self.greeted_at = min(self.greeted_at, asyncio.get_running_loop().time())
        return taken

    def _environment_changed(self, environment: EnvironmentReport) -> None:
        self.truth.changes += 1
        if environment.failure is not None:
            spec = self.environments[environment.environment_id].spec
            self.truth.environment_failed(spec.function_name, spec.environment_id)
        super()._environment_changed(environment)

    def _reconcile(self) -> None:
        self.truth.changes += 1
        super()._reconcile()


@dataclass
class RunningInstance:
    """An agent and its runtimes: a process of its own, which outlives the server that launched it."""

    request: LaunchRequest
    agent: ToldAgent
    process: MemoryProcess = field(default_factory=MemoryProcess)
    server: MemoryServer | None = None
    task: asyncio.Task[None] | None = None
    stopping: bool = False

    @property
    def late_seconds(self) -> float:
        return 0.0 if self.server is None else self.server.late_seconds


@dataclass
class AgentLauncher:
    """`refuses` and `hangs` are shares of the launches; `zones_down` have no capacity. `failures` has, for each
    provider, when its launches failed; those that hang fail when `hang_seconds` are over.
    """

    clock: Clock
    ids: IdSource
    dice: Dice
    truth: Truth
    directory: Path
    group: asyncio.TaskGroup
    hang_seconds: float
    refuses: float = 0.0
    hangs: float = 0.0
    zones_down: set[AvailabilityZone] = field(default_factory=set)
    living: dict[InstanceId, RunningInstance] = field(default_factory=dict)
    ended: dict[InstanceId, LaunchRequest] = field(default_factory=dict)
    failures: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def network(self) -> MemoryNetworkLoop:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MemoryNetworkLoop)
        return loop

    async def launch(self, request: LaunchRequest) -> None:
        await asyncio.sleep(self.dice.uniform(0.001, 0.05))
        if request.instance_id in self.ended:
            raise LaunchError(StateReasonCode.INTERNAL_ERROR, "an id never runs twice", transient=False)
        if request.instance_id in self.living:
            return
        if request.zone in self.zones_down or self.dice.random() < self.refuses:
            self._failed(request)
            raise LaunchError(StateReasonCode.INSUFFICIENT_CAPACITY, "none left", transient=True)
        bootstrap = self._bootstrap(request)
        agent = ToldAgent(
            bootstrap,
            PlayedRuntimes(self.truth),
            PlayedCgroup(),
            ISOLATION,
            Path(bootstrap.directory),
            self.clock,
            self.ids,
            self._start,
        )
        agent.truth = self.truth
        instance = self.living[request.instance_id] = RunningInstance(request, agent)
        self.truth.changes += 1
        if self.dice.random() >= self.hangs:
            instance.task = self.group.create_task(self._run(instance, bootstrap.address.removeprefix("unix:")))
        else:
            self._failed(request, self.hang_seconds)

    def _failed(self, request: LaunchRequest, after_seconds: float = 0.0) -> None:
        self.failures[request.provider].append(self.clock.monotonic() + after_seconds)

    def _start(self, command: ProcessCommand, cgroup: Cgroup | None, _: Isolation) -> RuntimeProcess:
        return cast("RuntimeProcess", PlayedRuntime(self.truth, command, cgroup))

    def _bootstrap(self, request: LaunchRequest) -> AgentBootstrap:
        directory = self.directory / request.instance_id
        directory.mkdir(exist_ok=True)
        return AgentBootstrap(
            instance_id=request.instance_id,
            provider=request.provider,
            zone=request.zone,
            subnet_id=request.subnet_id,
            address=f"unix:/{request.instance_id}",
            token=request.token,
            directory=str(directory),
            data_dir=str(directory),
            entitled_cores=request.entitled_cores,
            strict_cpu=request.strict_cpu,
            vcpu=request.instance_type.vcpu,
            memory_mb=int(request.instance_type.memory_gib * 1024),
            region="us-east-1",
            account_id="123456789012",
            fence_after_seconds=FENCE_SECONDS,
        )

    async def _run(self, instance: RunningInstance, path: str) -> None:
        belong_to(instance.process)
        try:
            await asyncio.sleep(self.dice.uniform(*BOOT_SECONDS))
            instance.server = self.network.listen(path, instance.agent.connection)
            await instance.agent.run()
        finally:
            self._gone(instance)

    def _gone(self, instance: RunningInstance) -> None:
        instance_id = instance.request.instance_id
        if self.living.pop(instance_id, None) is None:
            return
        self.ended[instance_id] = instance.request
        self.truth.changes += 1
        if self.clock.monotonic() - instance.agent.greeted_at < KNOWN_SECONDS and not instance.stopping:
            self._failed(instance.request)  # perhaps no server has heard of it
        for environment_id in list(instance.agent.environments):
            runtime = self.truth.runtimes.get(environment_id)
            if runtime is not None:
                runtime.kill()
        instance.process.die()

    def kill(self, instance: RunningInstance) -> None:
        """SIGKILL: all of it is gone at once, and nobody says a word."""
        self._gone(instance)
        if instance.task is not None:
            instance.task.cancel()

    async def terminate(self, instance_id: InstanceId, grace_seconds: float) -> None:
        await asyncio.sleep(self.dice.uniform(0.001, 0.05))
        instance = self.living.get(instance_id)
        if instance is None or instance.stopping:
            return
        instance.stopping = True
        self.group.create_task(self._stop(instance, grace_seconds))

    async def _stop(self, instance: RunningInstance, grace_seconds: float) -> None:
        instance.agent.shut_down(grace_seconds)
        if instance.task is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds + 2):
                    while instance.request.instance_id in self.living:  # noqa: ASYNC110  # bounded
                        await asyncio.sleep(0.1)
        self.kill(instance)

    async def list(self) -> tuple[ObservedInstance, ...]:
        await asyncio.sleep(0.001)
        living = [_observed(each.request, _phase(each)) for each in self.living.values()]
        ended = [_observed(request, InstancePhase.TERMINATED) for request in self.ended.values()]
        return (*living, *ended)

    def capabilities(self) -> LauncherCapabilities:
        return LauncherCapabilities(
            "played", cpu_enforced=False, memory_enforced=False, network="none", isolation="none"
        )


def _phase(instance: RunningInstance) -> InstancePhase:
    if instance.stopping:
        return InstancePhase.STOPPING
    return InstancePhase.PENDING if instance.server is None else InstancePhase.RUNNING


def _observed(request: LaunchRequest, phase: InstancePhase) -> ObservedInstance:
    over = phase is InstancePhase.TERMINATED
    address, token = (None, None) if over else (f"unix:/{request.instance_id}", request.token)
    return ObservedInstance(
        request.instance_id, request.provider, phase, request.zone, address, token, None, "it ended" if over else None
    )
