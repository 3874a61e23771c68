"""A launcher and agents that a test plays with: no processes, no sockets, knobs for what can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from paddock import __version__
from paddock.model.ids import InstanceId
from paddock.model.states import InstancePhase, StateReasonCode
from paddock.ports.clock import Clock
from paddock.ports.launcher import LauncherCapabilities, LaunchError, LaunchRequest, ObservedInstance
from paddock.wire.agent import (
    AgentHello,
    AgentMessage,
    CodeChunk,
    ConfigurationAccepted,
    ConfigurationRefused,
    Configure,
    EnvironmentChanged,
    EnvironmentFailureReport,
    EnvironmentReport,
    EnvironmentSpec,
    FetchCode,
    LogBatch,
    Report,
    ServerHello,
    ServerMessage,
)


@dataclass
class Behaviour:
    """What environments on the agents do."""

    start_seconds: float = 0.2
    init_failure: EnvironmentFailureReport | None = None
    in_flight: int = 0
    cores_used: float = 0.0


@dataclass
class PlayedEnvironment:
    spec: EnvironmentSpec
    phase: str = "starting"
    in_flight: int = 0
    failure: EnvironmentFailureReport | None = None
    cpu_seconds: float = 0.0

    def report(self) -> EnvironmentReport:
        return EnvironmentReport(
            environment_id=self.spec.environment_id,
            phase=self.phase,
            in_flight=self.in_flight,
            peak_in_flight=self.in_flight,
            slots=self.spec.max_concurrency,
            cpu_seconds=self.cpu_seconds,
            failure=self.failure,
        )


class PlayedAgent:
    """Takes configurations as the real one does, and says what the real one would say."""

    def __init__(self, request: LaunchRequest, behaviour: Behaviour, clock: Clock) -> None:
        self.request = request
        self.environments: dict[str, PlayedEnvironment] = {}
        self.generation = 0
        self.configured: tuple[EnvironmentSpec, ...] = ()
        self.received: list[ServerMessage] = []
        self.silent = False
        self.agent_version = __version__
        self._behaviour = behaviour
        self._clock = clock
        self._channels: list[PlayedChannel] = []

    @property
    def instance_id(self) -> str:
        return self.request.instance_id

    def connect(self, receive: Callable[[AgentMessage], None]) -> PlayedChannel:
        channel = PlayedChannel(self, receive)
        self._channels.append(channel)
        return channel

    def disconnect(self) -> None:
        for channel in tuple(self._channels):
            channel.close()

    def closed(self, channel: PlayedChannel) -> None:
        if channel in self._channels:
            self._channels.remove(channel)

    def take(self, channel: PlayedChannel, message: ServerMessage) -> None:
        self.received.append(message)
        match message:
            case ServerHello():
                assert message.token == self.request.token
                channel.say(self._hello())
                channel.say(self.make_report())
            case Configure(configuration):
                if configuration.generation < self.generation:
                    channel.say(ConfigurationRefused(configuration.generation, self.generation, "older"))
                    return
                same = configuration.environments == self.configured
                assert configuration.generation > self.generation or same, "the same generation with other contents"
                self.generation = configuration.generation
                self.configured = configuration.environments
                channel.say(ConfigurationAccepted(configuration.generation))
                self._reconcile()
            case _:
                pass

    def say(self, message: AgentMessage) -> None:
        if not self.silent:
            for channel in tuple(self._channels):
                channel.say(message)

    def make_report(self) -> Report:
        return Report(
            instance_id=self.instance_id,
            generation=self.generation,
            at=self._clock.monotonic(),
            cpu_seconds=0.0,
            entitled_cores=self.request.entitled_cores,
            memory_bytes=1,
            environments=tuple(environment.report() for environment in self.environments.values()),
        )

    def tick(self) -> None:
        """One second has passed."""
        for environment in self.environments.values():
            if environment.phase == "ready":
                environment.in_flight = self._behaviour.in_flight
                environment.cpu_seconds += self._behaviour.cores_used
        self.say(self.make_report())

    def fail(self, environment_id: str, failure: EnvironmentFailureReport) -> None:
        environment = self.environments[environment_id]
        environment.phase, environment.failure = "ended", failure
        self.say(EnvironmentChanged(environment.report()))

    def _hello(self) -> AgentHello:
        return AgentHello(self.instance_id, self.agent_version, 1, self.generation, self.configured, "played")

    def _reconcile(self) -> None:
        wanted = {spec.environment_id: spec for spec in self.configured}
        for environment_id in self.environments.keys() - wanted.keys():
            del self.environments[environment_id]
        for environment_id, spec in wanted.items():
            known = self.environments.get(environment_id)
            if known is None and not spec.draining:
                self.environments[environment_id] = PlayedEnvironment(spec)
                asyncio.get_running_loop().call_later(self._behaviour.start_seconds, self._started, environment_id)
            elif known is not None and spec.draining and known.phase != "ended":
                known.phase = "ended" if known.in_flight == 0 else "draining"
                self.say(EnvironmentChanged(known.report()))

    def _started(self, environment_id: str) -> None:
        environment = self.environments.get(environment_id)
        if environment is None or environment.phase != "starting":
            return
        if self._behaviour.init_failure is not None:
            self.fail(environment_id, self._behaviour.init_failure)
            return
        environment.phase = "ready"
        self.say(EnvironmentChanged(environment.report()))


class PlayedChannel:
    """One connection; messages go through their encoding, as on the wire."""

    def __init__(self, agent: PlayedAgent, receive: Callable[[AgentMessage], None]) -> None:
        self._agent = agent
        self._receive = receive
        self._closed = asyncio.Event()

    def send(self, message: ServerMessage) -> None:
        if not self._closed.is_set():
            decoded = msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=type(message))
            asyncio.get_running_loop().call_soon(self._agent.take, self, decoded)

    def say(self, message: AgentMessage) -> None:
        if not self._closed.is_set() and not self._agent.silent:
            decoded = msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=type(message))
            asyncio.get_running_loop().call_soon(self._heard, decoded)

    def _heard(self, message: AgentMessage) -> None:
        if not self._closed.is_set():
            self._receive(message)

    async def drained(self) -> None:
        await asyncio.sleep(0)

    async def wait_closed(self) -> None:
        await self._closed.wait()

    def close(self) -> None:
        self._closed.set()
        self._agent.closed(self)


@dataclass
class FakeLauncher:
    """`refuse`: the next launches end with these errors. `boot_seconds`: until an agent can be connected to."""

    clock: Clock
    behaviour: Behaviour = field(default_factory=Behaviour)
    refuse: list[LaunchError] = field(default_factory=list)
    boot_seconds: float = 0.3
    launches: list[LaunchRequest] = field(default_factory=list)
    terminated: list[InstanceId] = field(default_factory=list)
    agents: dict[InstanceId, PlayedAgent] = field(default_factory=dict)
    ended: dict[InstanceId, str] = field(default_factory=dict)
    _booted_at: dict[InstanceId, float] = field(default_factory=dict)
    _stopping: set[InstanceId] = field(default_factory=set)

    async def launch(self, request: LaunchRequest) -> None:
        await asyncio.sleep(0.01)
        if self.refuse:
            raise self.refuse.pop(0)
        if request.instance_id in self.ended:
            raise LaunchError(StateReasonCode.INTERNAL_ERROR, "an id never runs twice", transient=False)
        if request.instance_id not in self.agents:
            self.launches.append(request)
            self.agents[request.instance_id] = PlayedAgent(request, self.behaviour, self.clock)
            self._booted_at[request.instance_id] = self.clock.monotonic() + self.boot_seconds

    async def terminate(self, instance_id: InstanceId, grace_seconds: float) -> None:
        await asyncio.sleep(0.01)
        if instance_id in self.agents:
            self.terminated.append(instance_id)
            self._stopping.add(instance_id)
            asyncio.get_running_loop().call_later(0.1, self.kill, instance_id)

    def kill(self, instance_id: InstanceId, why: str = "it ended") -> None:
        agent = self.agents.pop(instance_id, None)
        if agent is not None:
            self.ended[instance_id] = why
            agent.disconnect()

    async def list(self) -> tuple[ObservedInstance, ...]:
        await asyncio.sleep(0.001)
        alive = [self._observed(agent) for agent in self.agents.values()]
        ended = [
            ObservedInstance(
                instance_id, alive[0].provider, InstancePhase.TERMINATED, alive[0].zone, None, None, None, why
            )
            for instance_id, why in self.ended.items()
            if alive
        ]
        return (*alive, *ended)

    def _observed(self, agent: PlayedAgent) -> ObservedInstance:
        request = agent.request
        up = self.clock.monotonic() >= self._booted_at[request.instance_id]
        phase = InstancePhase.RUNNING if up else InstancePhase.PENDING
        if request.instance_id in self._stopping:
            phase = InstancePhase.STOPPING
        address = f"unix:/{request.instance_id}"
        return ObservedInstance(
            request.instance_id,
            request.provider,
            phase,
            request.zone,
            address,
            request.token,
            None,
            private_ip_address=f"10.231.0.{4 + self.launches.index(request)}",
        )

    def capabilities(self) -> LauncherCapabilities:
        return LauncherCapabilities("fake", cpu_enforced=False, memory_enforced=False, network="none", isolation="none")

    # AgentConnector

    async def connect(self, address: str, receive: Callable[[AgentMessage], None]) -> PlayedChannel:
        instance_id = InstanceId(address.removeprefix("unix:/"))
        agent = self.agents.get(instance_id)
        if agent is None or self.clock.monotonic() < self._booted_at[instance_id]:
            raise ConnectionRefusedError
        return agent.connect(receive)

    async def tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(1)
            for agent in tuple(self.agents.values()):
                agent.tick()


__all__ = ["Behaviour", "CodeChunk", "FakeLauncher", "FetchCode", "LogBatch", "PlayedAgent"]
