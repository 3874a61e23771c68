"""A whole control plane on virtual time, with a fake launcher, played agents and a record of what routers are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from paddock.awsapi.operations import Operations
from paddock.controlplane.control_plane import ControlPlane, ControlPlanePorts
from paddock.controlplane.settings import ControlPlaneSettings
from paddock.model.capacity_provider import Architecture
from paddock.model.function import FunctionVersion
from paddock.model.ids import FunctionName, FunctionVersionKey, VersionName
from paddock.model.instance_types import InstanceType
from paddock.model.network import default_network
from paddock.ports.clock import SeededIds
from paddock.ports.invoker import InvokeRequest, InvokeResult
from paddock.ports.objects import SourceDirectories
from paddock.stores.code import MemoryCodeStore
from paddock.stores.memory import MemoryStore
from paddock.stores.memory_logs import MemoryLogStore
from paddock.stores.metrics import MemoryMetricStore
from paddock.wire.routes import (
    EnvironmentRoute,
    EnvironmentRouteRemoved,
    EnvironmentStartFailed,
    FunctionRoute,
    FunctionRouteRemoved,
    InstanceRoute,
    InstanceRouteRemoved,
    RoutesReplaced,
)
from tests.controlplane.fakes import Behaviour, FakeLauncher, PlayedAgent
from tests.controlplane.harness import PLACE, ROLE, STEADY, Call, FakeRuntimes, PlayedBuckets, zipped
from tests.controlplane.virtual_time import LoopClock, run_virtually

TYPES = (InstanceType("m7i.xlarge", 4, 16.0, Architecture.X86_64),)
PUBLISHED = "$LATEST.PUBLISHED"


@dataclass
class RecordedRoutes:
    """What a router would know; refuses what no router should be told."""

    functions: dict[str, FunctionRoute] = field(default_factory=dict)
    instances: dict[str, InstanceRoute] = field(default_factory=dict)
    environments: dict[str, EnvironmentRoute] = field(default_factory=dict)
    history: list[object] = field(default_factory=list)
    told: Callable[[object], None] = lambda update: None
    """Hears of every update before it is recorded, as a router that acts on it would."""

    def apply(self, update: object) -> None:
        self.told(update)
        self.history.append(update)
        match update:
            case RoutesReplaced():
                self.functions = {route.function_name: route for route in update.functions}
                self.instances = {route.instance_id: route for route in update.instances}
                self.environments = {route.environment_id: route for route in update.environments}
            case FunctionRoute():
                self.functions[update.function_name] = update
            case FunctionRouteRemoved():
                del self.functions[update.function_name]
            case InstanceRoute():
                self.instances[update.instance_id] = update
            case InstanceRouteRemoved():
                del self.instances[update.instance_id]
                assert not [each for each in self.environments.values() if each.instance_id == update.instance_id]
            case EnvironmentRoute():
                assert update.instance_id in self.instances, "an environment of an instance nobody knows"
                self.environments[update.environment_id] = update
            case EnvironmentRouteRemoved():
                del self.environments[update.environment_id]
            case EnvironmentStartFailed():
                pass
            case _:
                raise AssertionError(f"unknown update {update!r}")

    def serving(self, name: str = "thumbnail", version: str = PUBLISHED) -> list[EnvironmentRoute]:
        """The environments an invoke of the version may go to now."""
        found = [each for each in self.functions[name].versions if each.version == version]
        if not found or found[0].refusal is not None:
            return []
        return [
            each
            for each in self.environments.values()
            if (each.function_name, each.version, each.revision, each.draining)
            == (name, version, found[0].revision, False)
        ]

    def refusal(self, name: str = "thumbnail", version: str = PUBLISHED) -> str | None:
        found = next(each for each in self.functions[name].versions if each.version == version)
        return None if found.refusal is None else found.refusal[0]


@dataclass
class ScriptedInvoker:
    """Answers with what the test's script says; counts."""

    script: Callable[[InvokeRequest], InvokeResult] = lambda request: InvokeResult(200, b"", "1")
    requests: list[InvokeRequest] = field(default_factory=list)
    seconds: float = 0.01

    async def invoke(self, request: InvokeRequest) -> InvokeResult:
        self.requests.append(request)
        await asyncio.sleep(self.seconds)
        return self.script(request)


class World:
    """Everything that outlives a server: the stores, the instances. `server` begins one."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.ids = SeededIds(7)
        self.store = MemoryStore()
        self.code = MemoryCodeStore()
        self.buckets = PlayedBuckets()
        self.directories: SourceDirectories | None = None
        self.logs = MemoryLogStore(self.clock)
        self.metrics = MemoryMetricStore()
        self.behaviour = Behaviour()
        self.launcher = FakeLauncher(self.clock, self.behaviour)
        self.routes = RecordedRoutes()
        self.invoker = ScriptedInvoker()
        self.throttles: dict[FunctionVersionKey, int] = {}
        self.settings = ControlPlaneSettings(
            place=PLACE,
            network=default_network(PLACE.region),
            offered_types=TYPES,
            machine_cores=2.0,
            endpoint=lambda: "http://127.0.0.1:4600",
            server_id="server-1",
        )
        self.control_plane: ControlPlane | None = None
        self._operations = Operations()

    def throttle_counts(self) -> Mapping[FunctionVersionKey, int]:
        return self.throttles

    def invocation_counts(self) -> Mapping[FunctionVersionKey, int]:
        return {}

    def take_peaks(self, keys: AbstractSet[FunctionVersionKey]) -> Mapping[FunctionVersionKey, int]:
        return {}

    @asynccontextmanager
    async def server(self) -> AsyncIterator[ControlPlane]:
        ports = ControlPlanePorts(
            clock=self.clock,
            ids=self.ids,
            store=self.store,
            code_store=self.code,
            objects=self.buckets,
            directories=self.directories,
            log_store=self.logs,
            launcher=self.launcher,
            runtimes=FakeRuntimes(),
            routes=self.routes,
            invoker=self.invoker,
            metrics=self.metrics,
            throttles=self,
            connector=self.launcher,
        )
        async with ControlPlane(self.settings, ports) as control_plane:
            self._operations = Operations()
            control_plane.register(self._operations)
            self.control_plane = control_plane
            ticking = asyncio.TaskGroup()
            async with ticking:
                ticks = ticking.create_task(self.launcher.tick_for_ever())
                try:
                    yield control_plane
                finally:
                    ticks.cancel()

    async def call(self, operation: str, **params: Any) -> Any:
        handler: Any = self._operations.find("lambda", operation)
        return await handler(Call(params, self.clock.now()))

    async def create_provider(self, name: str = "steady", **members: Any) -> None:
        members.setdefault("VpcConfig", {"SubnetIds": ["subnet-a", "subnet-b", "subnet-c"], "SecurityGroupIds": []})
        permissions = {"CapacityProviderOperatorRoleArn": ROLE}
        await self.call("CreateCapacityProvider", CapacityProviderName=name, PermissionsConfig=permissions, **members)

    async def create_function(self, name: str = "thumbnail", *, provider: str = "steady", **members: Any) -> None:
        arn = STEADY.replace("steady", provider)
        managed = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": arn}}
        members = {"Runtime": "python3.13", "Handler": "app.handler", "CapacityProviderConfig": managed, **members}
        await self.call("CreateFunction", FunctionName=name, Role=ROLE, Code={"ZipFile": zipped()}, **members)

    async def publish(self, name: str = "thumbnail", *, timeout: int | None = None) -> None:
        if timeout is not None:
            await self.call("UpdateFunctionConfiguration", FunctionName=name, Timeout=timeout)
        await self.call("PublishVersion", FunctionName=name, PublishTo="LATEST_PUBLISHED")

    async def version(self, name: str = "thumbnail", version: str = PUBLISHED) -> FunctionVersion:
        key = FunctionVersionKey(FunctionName(name), VersionName(version))
        found = await self.store.read(lambda tx: tx.versions.get(key))
        assert found is not None
        return found

    async def state(self, name: str = "thumbnail", version: str = PUBLISHED) -> str:
        return (await self.version(name, version)).state.value

    async def until(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Wait in virtual time; `condition` may be a coroutine function."""
        async with asyncio.timeout(seconds):
            while True:
                holds = condition()
                if asyncio.iscoroutine(holds):
                    holds = await holds
                if holds:
                    return
                await asyncio.sleep(0.02)

    async def until_state(
        self, state: str, name: str = "thumbnail", version: str = PUBLISHED, seconds: float = 60
    ) -> None:
        async def reached() -> bool:
            return await self.state(name, version) == state

        await self.until(reached, seconds)


def run(scenario: Callable[[World], Coroutine[Any, Any, None]], **settings: Any) -> None:
    """The scenario with a server that runs from beginning to end."""

    async def within() -> None:
        world = World()
        world.settings = replace(world.settings, **settings)
        async with world.server():
            await scenario(world)

    run_virtually(within())


def run_without_server(scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """The scenario begins and ends servers itself."""
    run_virtually(scenario(World()))


async def serving(world: World) -> None:
    """A provider, a function, and its `$LATEST.PUBLISHED` Active."""
    await world.create_provider()
    await world.create_function()
    await world.publish()
    await world.until_state("Active")


async def instances(world: World) -> int:
    return await world.store.read(lambda tx: tx.instances.count())


def agents_of(world: World) -> list[PlayedAgent]:
    return list(world.launcher.agents.values())


def environments(world: World) -> set[str]:
    """Those that are ready or on their way, as the agents have them."""
    return {
        environment_id
        for agent in agents_of(world)
        for environment_id, environment in agent.environments.items()
        if environment.phase in {"starting", "ready"} and not environment.spec.draining
    }
