"""The log of a capacity provider: which operations at which level, with what in them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from paddock.controlplane.system_logs import Operation
from paddock.ports.logs import LogQuery
from tests.controlplane.world import World, agents_of, run, serving

GROUP = "/aws/lambda/capacity-provider/steady"
FAILED = {"LaunchFailed", "TerminateFailed", "HealthCheckFailed"}


async def records(world: World, group: str = GROUP) -> list[dict[str, Any]]:
    page = await world.logs.forward(group, LogQuery(), from_position=0, limit=1000)
    return [json.loads(each.message) for each in page.events]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARN"])
@pytest.mark.parametrize("operation", list(Operation))
def test_failures_are_logged_at_every_level_and_the_rest_at_debug_and_info(operation: Operation, level: str) -> None:
    async def scenario(world: World) -> None:
        await world.create_provider(TelemetryConfig={"LoggingConfig": {"SystemLogLevel": level, "LogGroup": "mine"}})
        await world.create_function()
        await world.publish()
        await world.until_state("Active")
        assert world.control_plane is not None
        provider = (await world.store.read(lambda tx: list(tx.capacity_providers.select())))[0]
        intent = (await world.store.read(lambda tx: list(tx.instances.select())))[0]
        intent = replace(intent, instance_id=type(intent.instance_id)("i-99999999999999999"))

        world.control_plane._system_log.record(provider, operation, intent, "")
        await asyncio.sleep(1)

        found = [each for each in await records(world, "mine") if each["metadata"]["instanceId"] == intent.instance_id]
        assert [each["operation"] for each in found] == (
            [operation.value] if operation in FAILED or level != "WARN" else []
        )
        for each in found:
            assert set(each) == {"timestamp", "level", "operation", "message", "metadata"}
            assert each["level"] == ("WARN" if operation in FAILED else "INFO")
            assert each["metadata"] == {
                "instanceId": intent.instance_id,
                "availabilityZones": [intent.zone],
                "instanceTypes": [intent.instance_type.name],
                "capacityProviderArn": provider.arn,
            }

    run(scenario)


def test_an_instances_whole_life_is_in_the_log() -> None:
    async def scenario(world: World) -> None:
        await serving(world)
        first = agents_of(world)[0].instance_id
        assert world.control_plane is not None
        await world.control_plane.patch(None)
        await world.until(lambda: first not in world.launcher.agents, 900)
        await asyncio.sleep(5)
        said = [each["operation"] for each in await records(world) if each["metadata"]["instanceId"] == first]
        assert said == ["Launching", "Launched", "Terminating", "Terminated"]

    run(scenario)
