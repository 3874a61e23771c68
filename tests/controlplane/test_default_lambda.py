"""Default Lambda on virtual time: what waits is started, what is idle ends, and the API says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from paddock.core.on_demand import OnDemandSettings
from paddock.model.ids import FunctionName, FunctionVersionKey, VersionName
from paddock.wire.agent import EnvironmentFailureReport
from paddock.wire.routes import EnvironmentRoute, EnvironmentStartFailed
from tests.controlplane.harness import ROLE, STEADY, zipped
from tests.controlplane.world import World, agents_of, environments, instances, run, run_without_server

LATEST = "$LATEST"
FAILURE = EnvironmentFailureReport(
    "Runtime.ImportModuleError", "FunctionError.RuntimeInitError", "no such module", True
)


async def create(world: World, name: str = "plain", **members: Any) -> None:
    code = {"ZipFile": zipped()}
    await world.call(
        "CreateFunction",
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role=ROLE,
        Code=code,
        **members,
    )
    await world.until_state("Active", name, LATEST)


def want(world: World, waiting: int) -> None:
    """So many invocations of `plain` wait, until environments come or fail: what a router would say."""
    assert world.control_plane is not None
    control_plane = world.control_plane
    key = FunctionVersionKey(FunctionName("plain"), VersionName(LATEST))
    left = waiting

    def told(update: object) -> None:
        nonlocal left
        came = isinstance(update, EnvironmentRoute) and update.environment_id not in world.routes.environments
        if left and (came or isinstance(update, EnvironmentStartFailed)):
            left -= 1
            control_plane.want(key, left)

    world.routes.told = told
    control_plane.want(key, waiting)


def serving(world: World, name: str = "plain", version: str = LATEST) -> int:
    return len(world.routes.serving(name, version))


def test_a_function_is_active_without_an_environment_and_invocable_by_latest() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        await asyncio.sleep(5)
        assert not environments(world)
        assert world.routes.refusal("plain", LATEST) is None
        route = world.routes.functions["plain"]
        assert (route.default_version, route.versions[0].on_demand) == (LATEST, True)

    run(scenario)


def test_what_waits_gets_an_environment_each_and_no_more() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        want(world, 2)
        await world.until(lambda: serving(world) == 2)
        assert world.control_plane is not None
        shown = (await world.control_plane.status())["default_lambda"]
        assert (shown["name"], len(shown["environments"])) == ("default Lambda", 2)
        assert any("2 invocations wait" in reason["text"] for made in shown["decisions"] for reason in made["reasons"])
        await asyncio.sleep(20)
        assert len(environments(world)) == 2
        spec = next(iter(agents_of(world)[0].environments.values())).spec
        assert (spec.max_concurrency, spec.initialization_type, spec.log_format) == (1, "on-demand", "Text")

    run(scenario)


def test_idle_environments_end_and_busy_ones_stay() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        world.behaviour.in_flight = 1
        want(world, 1)
        await world.until(lambda: serving(world) == 1)
        await asyncio.sleep(120)
        assert serving(world) == 1
        world.behaviour.in_flight = 0
        await world.until(lambda: serving(world) == 0, 63)

    run(scenario, on_demand=OnDemandSettings(idle=timedelta(minutes=1)))


def test_a_failed_init_is_passed_on_once_for_each_that_waits() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        world.behaviour.init_failure = FAILURE
        want(world, 1)
        failed = EnvironmentStartFailed("plain", LATEST, "Runtime.ImportModuleError", "no such module")
        await world.until(lambda: failed in world.routes.history)
        await asyncio.sleep(30)
        assert world.routes.history.count(failed) == 1

    run(scenario)


def test_an_update_serves_at_once_and_the_old_environments_end() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        want(world, 1)
        await world.until(lambda: serving(world) == 1)
        await world.call("UpdateFunctionConfiguration", FunctionName="plain", Timeout=7)
        await world.until(lambda: not environments(world))
        assert (await world.version("plain", LATEST)).last_update_status.value == "Successful"
        assert world.routes.functions["plain"].versions[0].timeout_seconds == 7

    run(scenario)


def test_provisioned_environments_are_ready_on_an_alias_and_end_with_their_config() -> None:
    async def scenario(world: World) -> None:
        await create(world, Publish=True)
        await world.until_state("Active", "plain", "1")
        await world.call("CreateAlias", FunctionName="plain", Name="live", FunctionVersion="1")
        config = {"FunctionName": "plain", "Qualifier": "live"}
        put = await world.call("PutProvisionedConcurrencyConfig", ProvisionedConcurrentExecutions=2, **config)
        assert put["Status"] == "IN_PROGRESS"
        await world.until(lambda: serving(world, version="1") == 2)
        shown = await world.call("GetProvisionedConcurrencyConfig", **config)
        assert (shown["Status"], shown["AvailableProvisionedConcurrentExecutions"]) == ("READY", 2)
        await asyncio.sleep(3600)
        assert serving(world, version="1") == 2
        await world.call("DeleteProvisionedConcurrencyConfig", **config)
        await world.until(lambda: not environments(world))

    run(scenario)


def test_provisioned_environments_that_cannot_begin_are_shown_as_failed() -> None:
    async def scenario(world: World) -> None:
        await create(world, Publish=True)
        await world.until_state("Active", "plain", "1")
        world.behaviour.init_failure = FAILURE
        config = {"FunctionName": "plain", "Qualifier": "1"}
        await world.call("PutProvisionedConcurrencyConfig", ProvisionedConcurrentExecutions=1, **config)
        await asyncio.sleep(5)
        shown = await world.call("GetProvisionedConcurrencyConfig", **config)
        assert (shown["Status"], shown["StatusReason"]) == ("FAILED", "no such module")

    run(scenario)


def test_its_instance_is_its_own_and_nobody_elses() -> None:
    async def scenario(world: World) -> None:
        await world.create_provider()
        await world.create_function()
        await world.publish()
        await world.until_state("Active")
        await create(world)
        want(world, 1)
        await world.until(lambda: serving(world) == 1)
        by_provider: dict[str, set[str]] = {}
        for agent in agents_of(world):
            found = by_provider.setdefault(agent.request.provider, set())
            found |= {each.spec.function_name for each in agent.environments.values()}
        assert by_provider == {"steady": {"thumbnail"}, "$default": {"plain"}}
        listed = await world.call("ListCapacityProviders")
        assert [each["CapacityProviderArn"] for each in listed["CapacityProviders"]] == [STEADY]

    run(scenario)


def test_its_instance_goes_when_the_last_function_has_been_gone_for_the_idle_time() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        want(world, 1)
        await world.until(lambda: serving(world) == 1)
        deleted = await world.call("DeleteFunction", FunctionName="plain")
        assert deleted["StatusCode"] == 204
        await world.until(lambda: not world.launcher.agents, 90)

        async def forgotten() -> bool:
            return await instances(world) == 0

        await world.until(forgotten)

    run(scenario, on_demand=OnDemandSettings(idle=timedelta(minutes=1)))


def test_an_instance_that_is_gone_is_replaced_for_those_who_wait() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        want(world, 1)
        await world.until(lambda: serving(world) == 1)
        world.launcher.kill(agents_of(world)[0].request.instance_id)
        await world.until(lambda: serving(world) == 0)
        want(world, 1)
        await world.until(lambda: serving(world) == 1)

    run(scenario)


def test_a_new_server_takes_the_environments_back() -> None:
    async def scenario(world: World) -> None:
        world.settings = replace(world.settings, on_demand=OnDemandSettings(idle=timedelta(hours=1)))
        async with world.server():
            await create(world)
            want(world, 1)
            await world.until(lambda: serving(world) == 1)
            before = environments(world)
        async with world.server():
            await world.until(lambda: serving(world) == 1)
            assert environments(world) == before

    run_without_server(scenario)
