"""Functions with tenant isolation on virtual time: what is chosen with them, and whose environments are started."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paddock.core.on_demand import OnDemandSettings
from paddock.model.errors import ApiError
from paddock.model.ids import FunctionName, FunctionVersionKey, TenantId, VersionName
from paddock.wire.routes import EnvironmentRoute, EnvironmentStartFailed
from tests.controlplane.harness import ROLE, STEADY, zipped
from tests.controlplane.test_default_lambda import FAILURE, LATEST, create
from tests.controlplane.world import World, environments, run, run_without_server

PER_TENANT = {"TenantIsolationMode": "PER_TENANT"}
BLUE, GREEN = TenantId("blue"), TenantId("green")


def want(world: World, *tenants: TenantId) -> None:
    """One invocation of each waits until an environment of its own comes, or fails: what a router would say."""
    assert world.control_plane is not None
    control_plane = world.control_plane
    key = FunctionVersionKey(FunctionName("plain"), VersionName(LATEST))
    left = Counter(tenants)

    def told(update: object) -> None:
        if not isinstance(update, EnvironmentRoute | EnvironmentStartFailed):
            return
        tenant_id = TenantId(update.tenant_id)
        known = isinstance(update, EnvironmentRoute) and update.environment_id in world.routes.environments
        if left[tenant_id] and not known:
            left[tenant_id] -= 1
            control_plane.want(key, left[tenant_id], tenant_id)

    world.routes.told = told
    for tenant_id, waiting in left.items():
        control_plane.want(key, waiting, tenant_id)


def tenants_served(world: World) -> Counter[str]:
    return Counter(route.tenant_id for route in world.routes.serving("plain", LATEST))


def test_the_mode_is_shown_and_the_routers_hear_of_it() -> None:
    async def scenario(world: World) -> None:
        await create(world, TenancyConfig=PER_TENANT)
        for operation in ("GetFunctionConfiguration", "GetFunction"):
            shown = await world.call(operation, FunctionName="plain")
            assert shown.get("Configuration", shown)["TenancyConfig"] == PER_TENANT
        assert world.routes.functions["plain"].versions[0].per_tenant
        await world.call("UpdateFunctionConfiguration", FunctionName="plain", Timeout=7)
        await world.until_state("Active", "plain", LATEST)
        published = await world.call("PublishVersion", FunctionName="plain")
        assert published["TenancyConfig"] == PER_TENANT

    run(scenario)


def test_a_function_without_tenants_says_nothing_of_them() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        assert "TenancyConfig" not in await world.call("GetFunctionConfiguration", FunctionName="plain")

    run(scenario)


def test_each_tenant_has_environments_of_its_own_until_nobody_invokes_them() -> None:
    async def scenario(world: World) -> None:
        await create(world, TenancyConfig=PER_TENANT)
        want(world, BLUE, GREEN, GREEN)
        await world.until(lambda: tenants_served(world) == {BLUE: 1, GREEN: 2})
        assert world.control_plane is not None
        shown = (await world.control_plane.status())["default_lambda"]
        assert Counter(each["tenant_id"] for each in shown["environments"]) == {BLUE: 1, GREEN: 2}
        reasons = [reason["text"] for made in shown["decisions"] for reason in made["reasons"]]
        assert any("invocations of tenant green wait" in text for text in reasons)
        await world.until(lambda: not environments(world), 75)

    run(scenario, on_demand=OnDemandSettings(idle=timedelta(minutes=1)))


def test_environments_keep_their_tenants_when_the_server_starts_anew() -> None:
    async def scenario(world: World) -> None:
        world.settings = replace(world.settings, on_demand=OnDemandSettings(idle=timedelta(hours=1)))
        async with world.server():
            await create(world, TenancyConfig=PER_TENANT)
            want(world, BLUE, GREEN)
            await world.until(lambda: tenants_served(world) == {BLUE: 1, GREEN: 1})
        async with world.server():
            await world.until(lambda: tenants_served(world) == {BLUE: 1, GREEN: 1})
            await asyncio.sleep(30)
            assert tenants_served(world) == {BLUE: 1, GREEN: 1}

    run_without_server(scenario)


def test_a_failed_init_is_told_to_the_tenant_that_waited() -> None:
    async def scenario(world: World) -> None:
        await create(world, TenancyConfig=PER_TENANT)
        world.behaviour.init_failure = FAILURE
        want(world, GREEN)
        failed = EnvironmentStartFailed("plain", LATEST, "Runtime.ImportModuleError", "no such module", "green")
        await world.until(lambda: failed in world.routes.history)

    run(scenario)


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "SnapStart is not supported for functions with tenant"),
        (
            {"CapacityProviderConfig": "test"},
            "Tenant isolation is not supported for functions configured with capacity provider",
        ),
    ],
)
def test_what_tenants_cannot_be_had_with_is_refused(members: dict[str, Any], text: str) -> None:
    async def scenario(world: World) -> None:
        more = dict(members)
        if "CapacityProviderConfig" in more:
            await world.create_provider()
            managed = {"CapacityProviderArn": STEADY}
            more["CapacityProviderConfig"] = {"LambdaManagedInstancesCapacityProviderConfig": managed}
        with pytest.raises(ApiError) as refused:
            await world.call(
                "CreateFunction", FunctionName="plain", Runtime="python3.13", Handler="app.handler", Role=ROLE,
                Code={"ZipFile": zipped()}, TenancyConfig=PER_TENANT, **more,
            )  # fmt: skip
        assert refused.value.code == "InvalidParameterValueException"
        assert text in refused.value.message

    run(scenario)


def test_provisioned_concurrency_is_refused() -> None:
    async def scenario(world: World) -> None:
        await create(world, TenancyConfig=PER_TENANT, Publish=True)
        await world.until_state("Active", "plain", "1")
        with pytest.raises(ApiError) as refused:
            await world.call(
                "PutProvisionedConcurrencyConfig",
                FunctionName="plain",
                Qualifier="1",
                ProvisionedConcurrentExecutions=1,
            )
        assert refused.value.message.startswith("Provisioned Concurrency is not supported for functions with tenant")

    run(scenario)


def test_a_function_url_is_refused() -> None:
    async def scenario(world: World) -> None:
        await create(world, TenancyConfig=PER_TENANT)
        with pytest.raises(ApiError) as refused:
            await world.call("CreateFunctionUrlConfig", FunctionName="plain", AuthType="NONE")
        assert refused.value.code == "InvalidParameterValueException"
        assert refused.value.message == "A function URL is not supported for functions with tenant isolation."

    run(scenario)
