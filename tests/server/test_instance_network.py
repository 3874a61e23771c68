"""Following the ways out of a machine."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from paddock.launchers.attachments import Attachments
from paddock.networks.vpc import VpcNetwork
from paddock.ports.instance_network import NetworkError
from paddock.server import instance_network
from paddock.server.instance_network import InstanceNetworks, found_networks
from paddock.server.settings import Settings

PATIENCE_SECONDS = 30


class Counting:
    """Stands for a VPC: refuses the first refresh."""

    def __init__(self) -> None:
        self.tries: asyncio.Queue[None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._refuses = True

    def refresh(self) -> None:
        self._loop.call_soon_threadsafe(self.tries.put_nowait, None)
        if self._refuses:
            self._refuses = False
            raise NetworkError("the kernel is busy")


async def test_a_change_of_routes_is_followed_and_tried_again_until_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_network, "LOOK_SECONDS", 0.01)
    routes, vpc = tmp_path / "route", Counting()
    routes.write_text("eth0 00000000\n")
    networks = InstanceNetworks(Attachments(), cast("VpcNetwork", vpc))
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        following = group.create_task(networks.follow_ways_out(routes))
        await asyncio.sleep(0.05)
        assert vpc.tries.empty(), "nothing changed"
        await asyncio.to_thread(routes.write_text, "wlan0 00000000\n")
        await vpc.tries.get()
        await vpc.tries.get()
        await asyncio.sleep(0.05)
        assert vpc.tries.empty(), "it was followed"
        following.cancel()


async def test_without_a_vpc_there_is_nothing_to_follow() -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await InstanceNetworks(Attachments()).follow_ways_out()


@pytest.mark.parametrize("reason", [None, "it takes root"])
def test_why_instances_in_the_machines_network_are_not_counted_is_said_once(
    reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(instance_network, "uncounted_because", lambda: reason)
    said: list[str] = []
    assert found_networks(Settings(data_dir=tmp_path), said.append).attachments.name == "host"
    assert caplog.messages == ([] if reason is None else [f"NetworkIn and NetworkOut are no data: {reason}"])
    assert said == []
