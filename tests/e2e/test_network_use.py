"""What a function moves over the machine's own network is in CloudWatch. All in namespaces of the test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from paddock.server.instance_network import uncounted_because
from tests.e2e.conftest import eventually, start_server
from tests.e2e.far_network import LISTENER, far_network
from tests.e2e.test_network import DOWN, NETWORK, UP, World, connect, connect_soon, made_provider

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    reason = uncounted_because()
    if reason is not None:
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("network-use")
    network_file = directory / "network.yaml"
    network_file.write_text(NETWORK)
    flags = ("--network", "host", "--network-file", str(network_file))
    with far_network(directory) as far:
        server = start_server(directory / "data", *flags, within=far.within)
        world = World(far, server, flags)
        try:
            # In the network that tests run in: the one that the server is in leads nowhere.
            assert server.paddock("runtimes", "--install", "python3.13", timeout=600).returncode == 0
            yield world
        finally:
            if world.server.process.poll() is not None:
                world.kill_and_start_again()
            world.server.stop()


@pytest.fixture(scope="module")
def function(world: World) -> str:
    """And its provider."""
    return made_provider(world, "moves", "sg-open")


@contextmanager
def listening_on_the_machine(world: World) -> Iterator[int]:
    command = [*world.far.within, sys.executable, "-c", LISTENER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        try:
            assert listener.stdout is not None
            yield int(listener.stdout.readline())
        finally:
            listener.kill()


def moved(world: World, function: str) -> tuple[float, float]:
    return world.moved("NetworkIn", function), world.moved("NetworkOut", function)


def test_what_leaves_and_enters_the_machine_is_measured_and_what_stays_on_it_is_not(
    world: World, function: str
) -> None:
    assert connect(world, function, up=1, down=1)["received"] == 1
    with listening_on_the_machine(world) as port:
        answer = connect(world, function, address="127.0.0.1", port=port, up=4 * UP, down=4 * DOWN)
    assert answer["received"] == 4 * DOWN
    assert connect(world, function, up=UP, down=DOWN)["received"] == DOWN
    assert eventually(lambda: moved(world, function) >= (DOWN, UP)), moved(world, function)
    received, sent = moved(world, function)
    assert DOWN <= received < 2 * DOWN
    assert UP <= sent < 2 * UP


def test_it_is_measured_on_when_another_server_has_come(world: World, function: str) -> None:
    world.kill_and_start_again()
    assert connect_soon(world, function, up=1, down=1)["received"] == 1
    before = moved(world, function)

    def has_grown() -> bool:
        """Tried again: the first report that a server hears is only what the next one is compared with."""
        connect(world, function, up=UP, down=DOWN)
        received, sent = moved(world, function)
        return received >= before[0] + DOWN and sent >= before[1] + UP

    assert eventually(has_grown), (before, moved(world, function))
