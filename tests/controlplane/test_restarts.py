import asyncio
import json
from dataclasses import replace

import pytest

from paddock.controlplane.control_plane import ControlPlane
from paddock.model.states import InstancePhase
from paddock.ports.logs import LogQuery
from paddock.ports.store import StoreError
from tests.controlplane.world import PUBLISHED, World, agents_of, environments, instances, run_without_server, serving


def test_a_new_server_takes_back_what_runs() -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
            before = environments(world)
            generations = {agent.instance_id: agent.generation for agent in agents_of(world)}
        for agent in agents_of(world):
            agent.disconnect()
        async with world.server():
            await world.until(lambda: len(world.routes.serving()) == 3, 3)
            await asyncio.sleep(30)
            assert environments(world) == before
            assert len(world.launcher.launches) == 3
            assert all(agent.generation >= generations[agent.instance_id] for agent in agents_of(world))

    run_without_server(scenario)


def test_what_runs_is_routed_to_before_anybody_is_answered() -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
        for agent in agents_of(world):
            agent.disconnect()
        async with world.server() as server:
            await server.taken_back()
            assert len(world.routes.serving()) == 3

    run_without_server(scenario)


def test_nobody_waits_long_for_an_agent_that_is_silent() -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
        agents_of(world)[0].silent = True
        async with world.server() as server:
            begun = world.clock.monotonic()
            await server.taken_back()
            assert world.clock.monotonic() - begun == world.settings.lease.stale_seconds
            assert len(world.routes.serving()) == 2

    run_without_server(scenario)


def test_nobody_waits_for_instances_that_are_gone_or_never_were() -> None:
    async def scenario(world: World) -> None:
        async with world.server() as server:
            begun = world.clock.monotonic()
            await server.taken_back()
            assert world.clock.monotonic() == begun
            await serving(world)
        for instance_id in list(world.launcher.agents):
            world.launcher.kill(instance_id)
        async with world.server() as server:
            begun = world.clock.monotonic()
            await server.taken_back()
            assert world.clock.monotonic() - begun < world.settings.lease.stale_seconds

    run_without_server(scenario)


@pytest.mark.parametrize("after_seconds", [0.0, 0.02, 0.1, 0.3, 0.45, 0.6, 1.0])
def test_a_publish_goes_on_whenever_the_server_is_killed(after_seconds: float) -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await world.create_provider()
            await world.create_function()
            await world.publish()
            await asyncio.sleep(after_seconds)
        for agent in agents_of(world):
            agent.disconnect()
        async with world.server():
            await world.until_state("Active", seconds=30)
            await asyncio.sleep(30)
            assert len(world.launcher.agents) == 3
            assert len(environments(world)) == 3
            assert await instances(world) == 3
            assert len(world.routes.serving()) == 3

    run_without_server(scenario)


@pytest.mark.parametrize("after_seconds", [0.0, 0.1, 0.3, 1.0, 2.0])
def test_a_republish_goes_on_whenever_the_server_is_killed(after_seconds: float) -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
            world.behaviour.start_seconds = 0.5
            await world.publish(timeout=9)
            await asyncio.sleep(after_seconds)
        for agent in agents_of(world):
            agent.disconnect()
        async with world.server():

            async def successful() -> bool:
                return (await world.version()).last_update_status.value == "Successful"

            await world.until(successful, 30)
            await world.until(lambda: len(environments(world)) == 3, 30)
            routed = [each for each in world.routes.functions["thumbnail"].versions if each.version == PUBLISHED]
            assert routed[0].timeout_seconds == 9
            await world.until(lambda: len(world.routes.serving()) == 3, 5)

    run_without_server(scenario)


def test_a_new_server_knows_the_addresses_of_instances() -> None:
    async def scenario(world: World) -> None:
        async with world.server() as server:
            await serving(world)
            before = await addresses(server)
        for agent in agents_of(world):
            agent.disconnect()
        async with world.server() as server:

            async def are_known() -> bool:
                return await addresses(server) == before

            await world.until(are_known, 10)
        assert sorted(before.values()) == ["10.231.0.4", "10.231.0.5", "10.231.0.6"]

    run_without_server(scenario)


async def addresses(server: ControlPlane) -> dict[str, str]:
    (provider,) = (await server.status())["providers"]
    return {each["instance_id"]: each["private_ip_address"] for each in provider["instances"]}


def test_instances_that_died_while_no_server_was_there_are_replaced() -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
        for instance_id in list(world.launcher.agents)[:2]:
            world.launcher.kill(instance_id)
        async with world.server():
            await world.until(lambda: len(world.routes.serving()) == 3, 10)
            assert await instances(world) == 3

    run_without_server(scenario)


def test_an_agent_that_stays_silent_after_a_restart_is_replaced() -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
        agents_of(world)[0].silent = True
        async with world.server():
            await world.until(lambda: len(world.routes.serving()) == 2, 5)
            await world.until(lambda: len(world.routes.serving()) == 3, 30)
            await world.until(lambda: len(world.launcher.agents) == 3, 30)

    run_without_server(scenario)


def test_an_instance_that_came_up_while_the_disk_was_full_is_kept_as_running_later() -> None:
    async def full(_work: object) -> None:
        raise StoreError("the disk is full")

    async def scenario(world: World) -> None:
        async with world.server():
            await world.create_provider()
            await world.create_function()
            await world.publish()
            await world.until(lambda: len(world.launcher.launches) == 3, 5)
            with pytest.MonkeyPatch.context() as disk:
                disk.setattr(world.store, "write", full)
                await asyncio.sleep(10)
            await world.until(lambda: len(world.routes.serving()) == 3, 30)
            intents = await world.store.read(lambda tx: tx.instances.select())
            assert [intent.phase for intent in intents] == [InstancePhase.RUNNING] * 3

    run_without_server(scenario)


def test_a_termination_that_was_asked_for_is_carried_out_by_the_next_server() -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
        victim = next(iter(world.launcher.agents))

        def stopping(tx: object) -> None:
            records = tx.instances  # type: ignore[attr-defined]
            records.put(replace(records.get(victim), phase=InstancePhase.STOPPING))

        await world.store.write(stopping)
        async with world.server():
            await world.until(lambda: victim not in world.launcher.agents, 10)
            await world.until(lambda: len(world.routes.serving()) == 3, 20)

    run_without_server(scenario)


def test_a_clean_end_can_stop_all_instances_and_the_next_start_brings_them_back() -> None:
    async def scenario(world: World) -> None:
        told: list[tuple[int, int]] = []
        async with world.server() as control_plane:
            await serving(world)
        assert len(world.launcher.agents) == 3
        assert await control_plane.stop_instances(lambda ended, total: told.append((ended, total))) == 0
        assert world.launcher.agents == {}
        assert await instances(world) == 0
        assert told[-1] == (3, 3)
        page = await world.logs.forward("/aws/lambda/capacity-provider/steady", LogQuery(), from_position=0, limit=100)
        said = [json.loads(event.message)["operation"] for event in page.events]
        assert said == ["Launching"] * 3 + ["Launched"] * 3 + ["Terminating"] * 3 + ["Terminated"] * 3
        async with world.server():
            await world.until(lambda: len(world.routes.serving()) == 3, 20)

    run_without_server(scenario)


def test_instances_that_a_clean_end_stopped_are_shown_as_ended_by_the_next_server() -> None:
    async def scenario(world: World) -> None:
        async with world.server() as control_plane:
            await serving(world)
        stopped = set(world.launcher.agents)
        assert await control_plane.stop_instances() == 0
        async with world.server() as control_plane:
            await world.until(lambda: len(world.routes.serving()) == 3, 20)
            shown = {each.instance_id: each for each in control_plane._sightings.look()}
            ended = {each for each, seen in shown.items() if seen.phase is InstancePhase.TERMINATED}
            assert ended == stopped
            assert {shown[each].intent.stop_reason for each in ended} == {"the server was stopped"}
            assert len(shown) == 6

    run_without_server(scenario)


def test_packages_nobody_needs_are_removed_at_the_next_start() -> None:
    async def scenario(world: World) -> None:
        async with world.server():
            await serving(world)
            await world.code.put(b"left by a create that failed")
            assert len(await world.code.list()) == 2
        async with world.server():
            await asyncio.sleep(1)
            version = await world.version()
            assert await world.code.list() == (version.configuration.code.sha256,)

    run_without_server(scenario)


def test_an_instance_that_is_being_emptied_goes_on_being_so_after_a_restart() -> None:
    emptied: list[str] = []

    async def draining(world: World) -> list[str]:
        kept = await world.store.read(lambda tx: list(tx.instances.select()))
        emptied[:] = sorted(each.instance_id for each in kept if each.draining)
        return emptied

    async def scenario(world: World) -> None:
        async with world.server() as control_plane:
            await serving(world)
            assert await draining(world) == []
            await control_plane.patch(None)
            await world.until(lambda: draining(world), 60)
        for agent in agents_of(world):
            agent.disconnect()
        async with world.server() as control_plane:
            await asyncio.sleep(1)
            (provider,) = (await control_plane.status())["providers"]
            shown = [each["instance_id"] for each in provider["instances"] if each["draining"]]
            assert sorted(shown) == emptied
            await world.until(lambda: not set(world.launcher.agents) & set(emptied), 300)

    run_without_server(scenario)
