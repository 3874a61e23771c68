"""A world of namespaces for each test, where this machine allows it; else a reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paddock.model.ids import Region
from paddock.model.network import Network, default_network
from paddock.networks import namespaces
from paddock.networks.vpc import VpcNetwork
from tests.networks.world import Driven, World, a_world

OpenNetwork = Callable[..., Driven]


@pytest.fixture(scope="session")
def _possible(tmp_path_factory: pytest.TempPathFactory) -> None:
    if shutil.which("nft") is None and os.environ.get("CI") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False, timeout=300)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "nftables"]
        subprocess.run(install, check=False, timeout=600)
    network = VpcNetwork(default_network(Region("us-east-1")), installation=tmp_path_factory.mktemp("probe"))
    reason = network.unavailable_because()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def world(_possible: None) -> Iterator[World]:
    with a_world(f"pdtest-{os.getpid()}") as made:
        yield made


@pytest.fixture
def open_network(world: World, tmp_path: Path) -> Iterator[OpenNetwork]:
    """A VPC of the world's machine: `open_network(network)`; with a name, of another installation."""
    opened: list[Driven] = []

    def make(network: Network, name: str = "one") -> Driven:
        opened.append(Driven(world.machine, network, tmp_path / name))
        return opened[-1]

    yield make
    for each in opened:
        each.remove_all()
        left = [path.name for path in namespaces.NAMED.iterdir() if path.name.startswith(each.names.router)]
        assert left == []
