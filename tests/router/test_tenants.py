"""Functions with tenants at the router: who must be named, and whose environment answers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from paddock.model.ids import NO_TENANT, FunctionName, InvocationId, TenantId
from paddock.ports.invoker import InvokeRequest, InvokeResult
from paddock.wire.routes import EnvironmentRoute, EnvironmentRouteRemoved, EnvironmentStartFailed, VersionRoute
from tests.router.driving import driven, until
from tests.router.scripted_agent import keep, scripted_agent
from tests.router.test_on_demand import ROUTE, Setting, setting

TENANTS = msgspec.structs.replace(ROUTE, versions=(VersionRoute("$LATEST", "r1", 3, on_demand=True, per_tenant=True),))
BLUE, GREEN = TenantId("blue"), TenantId("green")


def invoke(world: Setting, tenant_id: TenantId) -> asyncio.Task[InvokeResult]:
    request = InvokeRequest(FunctionName("f"), None, InvocationId(world.ids.uuid()), b"{}", tenant_id=tenant_id)
    return world.group.create_task(world.router.invoke(request))


def place(world: Setting, name: str, tenant_id: TenantId) -> None:
    world.router.apply(EnvironmentRoute(name, world.agent.instance_id, "f", "$LATEST", "r1", 1, tenant_id=tenant_id))


async def test_a_tenant_waits_for_an_environment_of_its_own(tmp_path: Path) -> None:
    async with setting(tmp_path) as world:
        world.router.apply(TENANTS)
        place(world, "b1", BLUE)
        waiting = invoke(world, GREEN)
        await until(lambda: world.demand.waiting == [1])
        assert (await invoke(world, BLUE)).status == 200
        assert not waiting.done()
        place(world, "g1", GREEN)
        assert (await waiting).status == 200
        assert [one.header.environment_id for one in world.agent.invocations] == ["b1", "g1"]
        assert world.demand.tenants == [GREEN, GREEN]


async def test_what_becomes_free_goes_to_who_waits_of_the_same_tenant(tmp_path: Path) -> None:
    async with setting(tmp_path, keep) as world:
        world.router.apply(TENANTS)
        place(world, "b1", BLUE)
        first = invoke(world, BLUE)
        await until(lambda: world.agent.invocations)
        green, blue = invoke(world, GREEN), invoke(world, BLUE)
        await until(lambda: world.demand.tenants == [GREEN, BLUE])
        world.agent.invocations[0].answer()
        await until(lambda: len(world.agent.invocations) == 2)
        world.agent.invocations[1].answer()
        assert {(await first).status, (await blue).status} == {200}
        assert not green.done()
        world.router.apply(EnvironmentRouteRemoved("b1"))
        place(world, "g1", GREEN)
        await until(lambda: len(world.agent.invocations) == 3)
        world.agent.invocations[2].answer()
        assert (await green).status == 200
        assert [one.header.environment_id for one in world.agent.invocations] == ["b1", "b1", "g1"]


async def test_a_failed_start_is_told_to_the_tenant_that_it_was_for(tmp_path: Path) -> None:
    async with setting(tmp_path) as world:
        world.router.apply(TENANTS)
        blue, green = invoke(world, BLUE), invoke(world, GREEN)
        await until(lambda: len(world.demand.waiting) == 2)
        world.router.apply(EnvironmentStartFailed("f", "$LATEST", "Runtime.ImportModuleError", "no such module", GREEN))
        assert (await green).function_error == "Runtime.ImportModuleError"
        assert not blue.done()
        place(world, "b1", BLUE)
        assert (await blue).function_error is None


async def test_idle_environments_of_other_tenants_count_toward_the_limit(tmp_path: Path) -> None:
    async with setting(tmp_path, account_limit=2) as world:
        world.router.apply(TENANTS)
        for number in range(5):
            place(world, f"e{number}", TenantId(f"tenant-{number}"))
        refused = await invoke(world, BLUE)
        assert (refused.status, refused.error_code) == (429, "TooManyRequestsException")
        assert (await invoke(world, TenantId("tenant-3"))).status == 200
        world.router.apply(EnvironmentRouteRemoved("e0"))
        waiting = invoke(world, BLUE)
        await until(lambda: world.demand.waiting == [1])
        place(world, "b1", BLUE)
        assert (await waiting).status == 200


@pytest.mark.parametrize(
    ("tenant_id", "with_tenants", "code"),
    [(NO_TENANT, True, "InvalidParameterValueException"), (BLUE, False, "InvalidParameterValueException")],
)
async def test_an_inner_caller_hears_of_a_missing_or_needless_tenant(
    tmp_path: Path, tenant_id: TenantId, with_tenants: bool, code: str
) -> None:
    async with setting(tmp_path) as world:
        if with_tenants:
            world.router.apply(TENANTS)
        result = await invoke(world, tenant_id)
        assert (result.status, result.error_code) == (400, code)


@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun", "stream"])
async def test_every_kind_of_invoke_needs_the_tenant_and_no_other_function_takes_one(tmp_path: Path, kind: str) -> None:
    streaming = kind == "stream"
    headers = {} if streaming else {"X-Amz-Invocation-Type": kind}
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        needless = await service.invoke(headers=headers | {"X-Amz-Tenant-Id": "blue"}, streaming=streaming)
        service.router.apply(TENANTS)
        missing = await service.invoke(headers=headers, streaming=streaming)
        malformed = await service.invoke(headers=headers | {"X-Amz-Tenant-Id": "a,b"}, streaming=streaming)

    assert {needless.status, missing.status, malformed.status} == {400}
    assert "not enabled with tenancy configuration" in needless.body.decode()
    text = "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request"
    assert json.loads(missing.body)["message"].startswith(text)
    assert malformed.headers["x-amzn-errortype"] == "ValidationException"
    assert agent.invocations == []


async def test_an_event_is_stored_with_its_tenant(tmp_path: Path) -> None:
    headers = {"X-Amz-Invocation-Type": "Event", "X-Amz-Tenant-Id": "blue"}
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        service.router.apply(TENANTS)
        answer = await service.invoke(headers=headers)

    assert answer.status == 202
    assert [event.tenant_id for event in service.stored.events] == ["blue"]
