"""The account's code storage is used up by versions of functions and layers, and given back by their deletion."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from paddock.controlplane.packages import MAX_UNZIPPED_BYTES
from paddock.model.errors import ApiError
from tests.controlplane.harness import zipped
from tests.controlplane.test_default_lambda import create
from tests.controlplane.world import World, run

PACKAGE = len(zipped())
ROOM_FOR_TWO = 2 * PACKAGE


def limited(scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    run(scenario, code_storage_bytes=ROOM_FOR_TWO)


async def used(world: World) -> int:
    shown = await world.call("GetAccountSettings")
    assert shown["AccountLimit"]["TotalCodeSize"] == ROOM_FOR_TWO
    return int(shown["AccountUsage"]["TotalCodeSize"])


async def refused(call: Coroutine[Any, Any, Any]) -> None:
    with pytest.raises(ApiError) as error:
        await call
    assert (error.value.code, error.value.message) == ("CodeStorageExceededException", "Code storage limit exceeded.")


def test_versions_and_layers_count_each_and_what_is_beyond_the_limit_leaves_nothing() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        await world.call("PublishVersion", FunctionName="plain")
        assert await used(world) == ROOM_FOR_TWO
        await refused(create(world, "other"))
        await refused(world.call("PublishLayerVersion", LayerName="l", Content={"ZipFile": zipped()}))
        bigger = zipped({"app.py": "# longer\ndef handler(event, context): return event"})
        await refused(world.call("UpdateFunctionCode", FunctionName="plain", ZipFile=bigger))
        assert await used(world) == ROOM_FOR_TWO
        with pytest.raises(ApiError, match="Function not found"):
            await world.call("GetFunction", FunctionName="other")
        assert (await world.call("ListLayers"))["Layers"] == []

    limited(scenario)


def test_a_version_that_would_be_too_much_is_not_published() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        await world.call("PublishVersion", FunctionName="plain")
        await world.call("UpdateFunctionConfiguration", FunctionName="plain", Timeout=7)
        await world.until_state("Active", "plain", "$LATEST")
        await refused(world.call("PublishVersion", FunctionName="plain"))

    limited(scenario)


def test_what_is_deleted_gives_its_storage_back() -> None:
    async def scenario(world: World) -> None:
        await create(world)
        await create(world, "other")
        await refused(create(world, "third"))
        await world.call("DeleteFunction", FunctionName="other")
        await create(world, "third")

    limited(scenario)


def test_a_limit_above_what_there_is_refuses_nothing() -> None:
    async def scenario(world: World) -> None:
        await create(world, Publish=True)
        await world.call("PublishLayerVersion", LayerName="l", Content={"ZipFile": zipped()})

    run(scenario, code_storage_bytes=3 * MAX_UNZIPPED_BYTES)
