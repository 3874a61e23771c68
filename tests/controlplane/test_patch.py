from __future__ import annotations

import asyncio

import pytest

from paddock.model.errors import ApiError
from paddock.model.ids import CapacityProviderName
from paddock.ports.store import StoreError
from tests.controlplane.world import World, agents_of, run, run_without_server, serving


async def patch(world: World, provider: CapacityProviderName | None = None) -> set[str]:
    """The instances it was asked of."""
    assert world.control_plane is not None
    begun = await world.control_plane.patch(provider)
    return {instance_id for ids in begun["instances"].values() for instance_id in ids}


def test_a_patch_replaces_every_instance_and_something_always_serves() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        first = set(world.launcher.agents)
        assert await patch(world) == first
        started = world.clock.monotonic()
        while set(world.launcher.agents) & first:
            await asyncio.sleep(0.5)
            assert len(world.routes.serving()) >= 3
            assert world.clock.monotonic() - started < 900
        await asyncio.sleep(60)
        assert len(world.launcher.launches) == 6

    run(scenario)


def test_a_second_patch_is_refused_while_one_is_under_way() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        await patch(world)
        with pytest.raises(ApiError, match="is under way"):
            await patch(world)

    run(scenario)


def test_an_unknown_provider_is_refused() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        with pytest.raises(ApiError, match="Capacity provider not found"):
            await patch(world, CapacityProviderName("nowhere"))

    run(scenario)


def test_a_patch_goes_on_after_a_restart_of_the_server() -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
            first = set(world.launcher.agents)
            await patch(world)
        for agent in agents_of(world):
            agent.disconnect()
        async with world.server():
            await world.until(lambda: not set(world.launcher.agents) & first, 900)
            await world.until(lambda: len(world.routes.serving()) == 3, 60)

    run_without_server(scenario)


def test_agents_of_another_version_are_replaced_after_an_upgrade_of_the_server() -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
            first = set(world.launcher.agents)
        for agent in agents_of(world):
            agent.agent_version = "0.0.0-older"
            agent.disconnect()
        async with world.server():
            await world.until(lambda: not set(world.launcher.agents) & first, 900)
            await asyncio.sleep(60)
            assert len(world.launcher.launches) == 6

    run_without_server(scenario)


def test_a_patch_that_cannot_be_stored_is_not_begun() -> None:
    async def full(_work: object) -> None:
        raise StoreError("the disk is full")

    async def scenario(world: World) -> None:
        await serving(world)
        with pytest.MonkeyPatch.context() as disk:
            disk.setattr(world.store, "write", full)
            with pytest.raises(StoreError):
                await patch(world)
        assert await patch(world) == set(world.launcher.agents)

    run(scenario)
