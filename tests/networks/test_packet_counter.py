"""Counting by real control groups: datagrams of known length, over a cable between two namespaces and a loopback."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from paddock.launchers.cgroups import Cgroup, CpuShare, open_cgroups_here
from paddock.networks.packet_counter import CannotCount, PacketCounter
from paddock.ports.instance_network import NOT_COUNTED, NetworkUse
from tests.agent.network_namespaces import a_namespace
from tests.networks.kernel_programs import attached_programs, is_loaded, wait_until_unloaded

HERE, THERE = "198.51.100.1", "198.51.100.2"
"""Of TEST-NET-2, which is nobody's."""
HEADERS = 20 + 8
PATIENCE_SECONDS = 60
ONE_CORE = CpuShare(1.0, strict=False)
_names = itertools.count()
ANSWERS = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as answering:
    answering.bind((sys.argv[1], 0))
    print(answering.getsockname()[1], flush=True)
    while True:
        asked, by = answering.recvfrom(1 << 16)
        answering.sendto(bytes(500), by)
"""
ASKS = """
import socket, sys
address, port, times, *join = sys.argv[1:]
for path in join:
    open(path, "w").write("0")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(60)
    for _ in range(int(times)):
        asking.sendto(bytes(1000), (address, int(port)))
        assert len(asking.recv(1 << 16)) == 500
"""


@pytest.fixture
def group() -> Iterator[Cgroup]:
    made = open_cgroups_here(f"paddock-test-packets-{os.getpid()}-{next(_names)}", ONE_CORE)
    if made is None:
        pytest.skip("this process may not make control groups")
    try:
        yield made
    finally:
        made.remove()
    assert not any(directory.exists() for directory in made.directories)


@pytest.fixture
def counter(group: Cgroup) -> Iterator[PacketCounter]:
    made = counter_of(group)
    yield made
    made.close()


def counter_of(group: Cgroup) -> PacketCounter:
    try:
        return PacketCounter(group.sockets)
    except CannotCount as reason:
        pytest.skip(str(reason))


@dataclass(frozen=True)
class Cable:
    """Between a namespace and another, in which datagrams of 500 bytes are answered."""

    near: Path
    port: int

    def within(self, *command: str) -> list[str]:
        return ["nsenter", f"--net={self.near}", *command]

    def ask(self, times: int, address: str, port: int, group: Cgroup | None) -> None:
        """By a process of the group, with 1000 bytes."""
        join = () if group is None else map(str, group.join_files)
        command = [sys.executable, "-c", ASKS, address, str(port), str(times), *join]
        subprocess.run(self.within(*command), timeout=PATIENCE_SECONDS, check=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    if shutil.which("nsenter") is None:
        pytest.skip("needs nsenter: apt-get install util-linux")
    with ExitStack() as stack:
        near, far = (stack.enter_context(a_namespace()) for _ in range(2))
        set_up(near, f"ip link add cable type veth peer name cable netns {far.parts[2]}")
        for namespace, address in ((near, HERE), (far, THERE)):
            set_up(namespace, f"ip addr add {address}/30 dev cable")
            set_up(namespace, "ip link set cable up")
        yield Cable(near, stack.enter_context(answering(far, THERE)))


def set_up(namespace: Path, command: str) -> None:
    subprocess.run(["nsenter", f"--net={namespace}", *command.split()], timeout=PATIENCE_SECONDS, check=True)


class answering:  # noqa: N801  # used as a context, by its port
    def __init__(self, namespace: Path, address: str) -> None:
        self._command = ["nsenter", f"--net={namespace}", sys.executable, "-c", ANSWERS, address]

    def __enter__(self) -> int:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def test_what_processes_of_a_group_send_and_receive_is_counted_to_the_byte(
    group: Cgroup, counter: PacketCounter, cable: Cable
) -> None:
    assert counter.used() == NetworkUse(0, 0)
    cable.ask(8, THERE, cable.port, group)
    assert counter.used() == NetworkUse(8 * (HEADERS + 500), 8 * (HEADERS + 1000))


def test_groups_inside_count_as_well(group: Cgroup, counter: PacketCounter, cable: Cable) -> None:
    environment = group.child("env", ONE_CORE, None)
    cable.ask(2, THERE, cable.port, environment)
    environment.remove()
    assert counter.used() == NetworkUse(2 * (HEADERS + 500), 2 * (HEADERS + 1000))


@pytest.mark.parametrize("address", ["127.0.0.1", HERE])
def test_what_stays_on_the_machine_does_not_count(
    address: str, group: Cgroup, counter: PacketCounter, cable: Cable
) -> None:
    with answering(cable.near, address) as port:
        cable.ask(8, address, port, group)
    assert counter.used() == NetworkUse(0, 0)


def test_what_others_move_does_not_count(group: Cgroup, counter: PacketCounter, cable: Cable) -> None:
    cable.ask(8, THERE, cable.port, None)
    assert counter.used() == NetworkUse(0, 0)


def test_programs_of_others_count_on_beside_ours(group: Cgroup, counter: PacketCounter, cable: Cable) -> None:
    later = counter_of(group)
    cable.ask(1, THERE, cable.port, group)
    assert counter.used() == later.used() == NetworkUse(HEADERS + 500, HEADERS + 1000)
    later.close()
    assert later.used() is NOT_COUNTED


def test_nothing_is_left_in_the_kernel_when_the_group_is_gone(group: Cgroup, counter: PacketCounter) -> None:
    assert group.sockets is not None
    programs = attached_programs(group.sockets)
    assert len(programs) == 2
    counter.close()
    assert all(map(is_loaded, programs)), "the group holds them, and no process"
    group.remove()
    wait_until_unloaded(programs)


def test_without_a_group_there_is_nothing_to_count_by(tmp_path: Path) -> None:
    with pytest.raises(CannotCount, match=r"Linux|no control group of version 2"):
        PacketCounter(None)
    with pytest.raises(CannotCount):
        PacketCounter(tmp_path)
    with pytest.raises(CannotCount):
        PacketCounter(tmp_path / "gone")


def test_it_takes_the_right_to_load_programs_and_to_attach_them(group: Cgroup, counter: PacketCounter) -> None:
    """Found out by trying: being root is not enough."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv: apt-get install util-linux")
    script = (
        "import sys, pathlib\n"
        "from paddock.networks.packet_counter import CannotCount, PacketCounter\n"
        "try:\n"
        "    PacketCounter(pathlib.Path(sys.argv[1]))\n"
        "except CannotCount as reason:\n"
        "    print(reason)\n"
    )
    without = ["setpriv", "--bounding-set", "-sys_admin,-net_admin,-bpf"]
    asked = [*without, sys.executable, "-P", "-c", script, str(group.sockets)]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True).stdout
    assert said.endswith("(Operation not permitted): it takes root, or CAP_BPF and CAP_NET_ADMIN\n")
