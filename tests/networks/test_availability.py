"""Where there can be no VPC, one line says what is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paddock.model.ids import Region
from paddock.model.network import default_network
from paddock.networks import namespaces
from paddock.networks.vpc import VpcNetwork
from tests.networks.conftest import OpenNetwork
from tests.networks.world import World

NETWORK = default_network(Region("us-east-1"))
ASK = """
import sys
from pathlib import Path
from paddock.model.network import default_network
from paddock.networks.vpc import VpcNetwork
print(VpcNetwork(default_network("us-east-1"), installation=Path(sys.argv[1])).unavailable_because())
"""


@pytest.fixture
def network(tmp_path: Path) -> VpcNetwork:
    return VpcNetwork(NETWORK, installation=tmp_path)


def test_it_takes_linux(network: VpcNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert network.unavailable_because() == "it takes Linux: there are no network namespaces elsewhere"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere that is what is said first")
def test_it_takes_nftables(network: VpcNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert network.unavailable_because() == "nft is not installed: apt install nftables"


def test_it_takes_the_right_to_make_namespaces(world: World, tmp_path: Path) -> None:
    """Found out by trying: being root is not enough."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv: apt-get install util-linux")
    without = ["setpriv", "--bounding-set", "-sys_admin,-net_admin"]
    asked = [sys.executable, "-P", "-c", ASK, str(tmp_path)]
    said = subprocess.run([*without, *asked], capture_output=True, text=True, timeout=60, check=True).stdout

    assert said.startswith("no network can be made here (")
    assert said.endswith("): it takes root with CAP_SYS_ADMIN and CAP_NET_ADMIN\n")


def test_where_all_is_there_nothing_is_said_and_nothing_stays(world: World, open_network: OpenNetwork) -> None:
    network = open_network(NETWORK)
    before = world.traces()

    assert network.unavailable_because() is None
    assert world.traces() == before
    assert [each for each in namespaces.NAMED.iterdir() if network.names.digest in each.name] == []
