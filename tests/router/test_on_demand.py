"""Default Lambda at the router: who waits, who is throttled, and what those who wait are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from paddock.core.on_demand import Concurrency
from paddock.model.ids import NO_TENANT, FunctionName, FunctionVersionKey, InvocationId, TenantId
from paddock.ports.clock import SeededIds, SystemClock
from paddock.ports.invoker import InvokeRequest, InvokeResult
from paddock.router.on_demand import OnDemandTerms
from paddock.router.router import Router
from paddock.router.settings import DEFAULT_ROUTER_SETTINGS, RouterSettings
from paddock.wire.routes import (
    EnvironmentRoute,
    EnvironmentRouteRemoved,
    EnvironmentStartFailed,
    FunctionRoute,
    FunctionRouteRemoved,
    VersionRoute,
)
from tests.router.driving import ARN, LAMBDA, PLACE, StoredEvents, instance_route, until
from tests.router.scripted_agent import Script, ScriptedAgent, answer, keep, refuse, scripted_agent

ROUTE = FunctionRoute("f", ARN, "$LATEST", (VersionRoute("$LATEST", "r1", 3, on_demand=True),))


@dataclass
class HeardDemand:
    waiting: list[int] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)

    def want(self, key: FunctionVersionKey, waiting: int, tenant_id: TenantId = NO_TENANT) -> None:
        assert key == ("f", "$LATEST")
        self.waiting.append(waiting)
        self.tenants.append(tenant_id)


@dataclass
class Setting:
    router: Router
    demand: HeardDemand
    agent: ScriptedAgent
    group: asyncio.TaskGroup
    ids: SeededIds = field(default_factory=lambda: SeededIds(2))

    def invoke(self) -> asyncio.Task[InvokeResult]:
        request = InvokeRequest(FunctionName("f"), None, InvocationId(self.ids.uuid()), b"{}")
        return self.group.create_task(self.router.invoke(request))

    def place(self, name: str, revision: str = "r1") -> None:
        self.router.apply(EnvironmentRoute(name, self.agent.instance_id, "f", "$LATEST", revision, 1))


@asynccontextmanager
async def setting(
    directory: Path, script: Script = answer, settings: RouterSettings = DEFAULT_ROUTER_SETTINGS, **limits: int
) -> AsyncIterator[Setting]:
    demand = HeardDemand()
    router = Router(
        PLACE,
        clock=SystemClock(),
        ids=SeededIds(1),
        queue=StoredEvents(),
        error_reply=LAMBDA.serialise_error,
        server_id="s-1",
        on_demand=OnDemandTerms(Concurrency(**({"account_limit": 10} | limits)), demand),
        settings=settings,
    )
    async with scripted_agent("i-1", directory, script) as agent, asyncio.TaskGroup() as group:
        running = group.create_task(router.run())
        router.apply(instance_route(agent))
        router.apply(ROUTE)
        await until(lambda: router.reachable_instances == 1)
        yield Setting(router, demand, agent, group)
        running.cancel()


async def test_one_that_finds_no_environment_waits_for_the_first_that_comes(tmp_path: Path) -> None:
    async with setting(tmp_path) as world:
        waiting = world.invoke()
        await until(lambda: world.demand.waiting)
        world.place("e1")
        assert (await waiting).payload == b'"done"'
        assert world.demand.waiting == [1, 0]


async def test_a_used_environment_serves_who_waits_before_a_new_one_comes(tmp_path: Path) -> None:
    async with setting(tmp_path, keep) as world:
        world.place("e1")
        first = world.invoke()
        await until(lambda: world.agent.invocations)
        second = world.invoke()
        await until(lambda: world.demand.waiting == [1])
        world.agent.invocations[0].answer()
        await until(lambda: len(world.agent.invocations) == 2)
        world.agent.invocations[1].answer()
        assert {(await first).status, (await second).status} == {200}
        assert world.demand.waiting == [1, 0]


async def test_a_failed_start_is_the_answer_of_the_one_that_waited_longest(tmp_path: Path) -> None:
    async with setting(tmp_path) as world:
        first = world.invoke()
        second = world.invoke()
        await until(lambda: world.demand.waiting == [1, 2])
        world.router.apply(EnvironmentStartFailed("f", "$LATEST", "Runtime.ImportModuleError", "no such module"))
        result = await first
        assert result.function_error == "Runtime.ImportModuleError"
        assert json.loads(result.payload)["errorMessage"] == "no such module"
        assert not second.done()
        world.place("e1")
        assert (await second).function_error is None


async def test_the_platform_s_own_words_name_the_request(tmp_path: Path) -> None:
    async with setting(tmp_path) as world:
        waiting = world.invoke()
        await until(lambda: world.demand.waiting)
        world.router.apply(EnvironmentStartFailed("f", "$LATEST", "Runtime.ExitError", "Runtime exited"))
        assert json.loads((await waiting).payload)["errorMessage"].endswith(" Error: Runtime exited")


async def test_what_waits_goes_to_the_revision_that_serves_by_then(tmp_path: Path) -> None:
    async with setting(tmp_path) as world:
        waiting = world.invoke()
        await until(lambda: world.demand.waiting)
        newer = VersionRoute("$LATEST", "r2", 3, on_demand=True)
        world.router.apply(msgspec.structs.replace(ROUTE, versions=(newer,)))
        world.place("old", "r1")
        world.place("new", "r2")
        assert (await waiting).status == 200
        assert [one.header.environment_id for one in world.agent.invocations] == ["new"]


async def test_beyond_what_is_reserved_there_is_a_throttle_with_its_reason(tmp_path: Path) -> None:
    async with setting(tmp_path, keep) as world:
        world.router.apply(msgspec.structs.replace(ROUTE, reserved_concurrency=1))
        first = world.invoke()
        await until(lambda: world.demand.waiting)
        refused = await world.invoke()
        assert (refused.status, refused.error_code) == (429, "TooManyRequestsException")
        world.place("e1")
        await until(lambda: world.agent.invocations)
        world.agent.invocations[0].answer()
        assert (await first).status == 200
        [statistics] = world.router.statistics()
        assert statistics.counts.throttled == 1


async def test_an_agent_that_refuses_makes_it_wait_for_another_environment(tmp_path: Path) -> None:
    async with setting(tmp_path, refuse) as world:
        world.place("e1")
        waiting = world.invoke()
        await until(lambda: world.demand.waiting == [1])
        world.router.apply(EnvironmentRouteRemoved("e1"))
        world.agent.script = answer
        world.place("e2")
        assert (await waiting).status == 200


async def test_a_function_that_is_deleted_leaves_nobody_waiting(tmp_path: Path) -> None:
    async with setting(tmp_path) as world:
        waiting = world.invoke()
        await until(lambda: world.demand.waiting)
        world.router.apply(FunctionRouteRemoved("f"))
        assert (await waiting).status == 500
        assert world.demand.waiting == [1, 0]


async def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    async with setting(tmp_path, settings=RouterSettings(longest_wait_seconds=0.01), account_limit=1) as world:
        late = await world.invoke()
        assert (late.status, late.error_code) == (500, "ServiceException")
        world.place("e1")
        assert (await world.invoke()).status == 200
