"""Hot reload in virtual time: what is updated, what is published, and when nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from paddock.ports.objects import HOT_RELOAD_BUCKET
from tests.controlplane.harness import ROLE, zipped
from tests.controlplane.virtual_time import run_virtually
from tests.controlplane.world import PUBLISHED, World

DIRECTORY = "/code/thumbnail"
CODE = {"S3Bucket": HOT_RELOAD_BUCKET, "S3Key": DIRECTORY}
LATEST = "$LATEST"
LONG_ENOUGH_SECONDS = 5
"""For several looks and a publish; in virtual time."""


@dataclass
class PlayedDirectory:
    """One directory, whose contents are what the test says, and how often they were looked at."""

    world: World
    fingerprint_of_it: str = "one"
    looks: list[str] = field(default_factory=list)

    async def fingerprint(self, directory: str) -> str:
        assert directory == DIRECTORY
        self.looks.append(self.fingerprint_of_it)
        return self.fingerprint_of_it

    async def looked_at(self) -> None:
        """Once more."""
        looks = len(self.looks)
        await self.world.until(lambda: len(self.looks) > looks)

    def write(self, text: str) -> None:
        self.fingerprint_of_it = text
        self.world.buckets.objects[HOT_RELOAD_BUCKET, DIRECTORY] = zipped({"app.py": text})


Scenario = Callable[[World, PlayedDirectory], Coroutine[Any, Any, None]]


def run(scenario: Scenario) -> None:
    """With a provider, and a function on it whose code is the directory."""

    async def within() -> None:
        world, directory = played()
        async with world.server():
            await follow(world)
            await scenario(world, directory)

    run_virtually(within())


def played() -> tuple[World, PlayedDirectory]:
    world = World()
    directory = PlayedDirectory(world)
    world.directories = directory
    directory.write("one")
    return world, directory


async def follow(world: World) -> None:
    await world.create_provider()
    await world.create_function()
    await world.call("UpdateFunctionCode", FunctionName="thumbnail", **CODE)


async def sha(world: World, version: str = LATEST, name: str = "thumbnail") -> str:
    return (await world.version(name, version)).configuration.code.sha256


async def status(world: World) -> dict[str, Any]:
    assert world.control_plane is not None
    return await world.control_plane.status()


async def until_code_changed(world: World, before: str, version: str = LATEST, name: str = "thumbnail") -> None:
    async def changed() -> bool:
        return await sha(world, version, name) != before

    await world.until(changed)


def test_a_change_updates_latest_and_publishes_what_was_made_of_the_directory() -> None:
    async def scenario(world: World, directory: PlayedDirectory) -> None:
        await world.publish()
        await world.until_state("Active")
        before = await sha(world)
        directory.write("two")
        await until_code_changed(world, before, PUBLISHED)
        assert await sha(world) == await sha(world, PUBLISHED)
        assert (await world.version()).configuration.code.hot_reload_directory == DIRECTORY

    run(scenario)


def test_nothing_is_published_that_was_not_before() -> None:
    async def scenario(world: World, directory: PlayedDirectory) -> None:
        before = await sha(world)
        directory.write("two")
        await until_code_changed(world, before)
        await asyncio.sleep(LONG_ENOUGH_SECONDS)
        assert [each.version for each in await world.store.read(lambda tx: tx.versions.select())] == [LATEST]

    run(scenario)


def test_a_numbered_version_stays_what_it_is() -> None:
    async def scenario(world: World, directory: PlayedDirectory) -> None:
        await world.call("PublishVersion", FunctionName="thumbnail")
        before = await sha(world)
        directory.write("two")
        await until_code_changed(world, before)
        await asyncio.sleep(LONG_ENOUGH_SECONDS)
        assert await sha(world, "1") == before

    run(scenario)


def test_a_change_that_does_not_come_to_rest_is_waited_for() -> None:
    async def scenario(world: World, directory: PlayedDirectory) -> None:
        before = await sha(world)
        for number in range(20):
            directory.fingerprint_of_it = f"writing {number}"
            await directory.looked_at()
        assert await sha(world) == before

    run(scenario)


def test_changes_during_a_publish_are_published_after_it() -> None:
    async def scenario(world: World, directory: PlayedDirectory) -> None:
        await world.publish()
        directory.write("two")
        await asyncio.sleep(0.05)
        directory.write("three")
        await world.until_state("Active")
        wanted = world.code.name_of(zipped({"app.py": "three"}))

        async def published() -> bool:
            return await sha(world, PUBLISHED) == wanted

        await world.until(published)

    run(scenario)


def test_a_directory_that_cannot_be_packaged_changes_nothing_until_it_can() -> None:
    async def scenario(world: World, directory: PlayedDirectory) -> None:
        before = await sha(world)
        directory.fingerprint_of_it = "broken"
        world.buckets.objects[HOT_RELOAD_BUCKET, DIRECTORY] = b"no package"
        await asyncio.sleep(LONG_ENOUGH_SECONDS)
        assert await sha(world) == before
        (said,) = (await status(world))["hot_reload"]
        assert said.startswith(f"thumbnail follows {DIRECTORY}; not reloaded: Could not unzip")
        directory.write("mended")
        await until_code_changed(world, before)
        await world.until(lambda: directory.looks[-1] == "mended")
        assert (await status(world))["hot_reload"] == [f"thumbnail follows {DIRECTORY}"]

    run(scenario)


def test_other_code_ends_it() -> None:
    async def scenario(world: World, directory: PlayedDirectory) -> None:
        await world.call("UpdateFunctionCode", FunctionName="thumbnail", ZipFile=zipped({"app.py": "uploaded"}))
        uploaded = await sha(world)
        directory.write("two")
        await asyncio.sleep(LONG_ENOUGH_SECONDS)
        assert await sha(world) == uploaded

    run(scenario)


def test_default_lambda_gets_a_new_revision() -> None:
    async def scenario(world: World, directory: PlayedDirectory) -> None:
        await world.call(
            "CreateFunction",
            FunctionName="on-demand",
            Role=ROLE,
            Runtime="python3.13",
            Handler="app.handler",
            Code=CODE,
        )
        await world.until_state("Active", "on-demand", LATEST)
        before = await world.version("on-demand", LATEST)
        directory.write("two")
        await until_code_changed(world, before.configuration.code.sha256, LATEST, "on-demand")
        assert (await world.version("on-demand", LATEST)).revision != before.revision

    run(scenario)


def test_what_changed_while_no_server_ran_is_reloaded_when_one_runs_again() -> None:
    async def within() -> None:
        world, directory = played()
        async with world.server():
            await follow(world)
        before = await sha(world)
        directory.write("two")
        async with world.server():
            await until_code_changed(world, before)

    run_virtually(within())


def test_a_server_without_hot_reload_leaves_the_code_that_there_is() -> None:
    async def within() -> None:
        world, directory = played()
        async with world.server():
            await follow(world)
        before = await sha(world)
        directory.write("two")
        world.directories = None
        async with world.server():
            await asyncio.sleep(LONG_ENOUGH_SECONDS)
        assert await sha(world) == before

    run_virtually(within())
