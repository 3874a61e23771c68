"""Counting what passes an instance's interface, from the kernel's table and from a real one. By control groups:
`tests/networks/test_packet_counter.py`.
"""

import subprocess
import sys

import pytest

from paddock.agent.network_meter import InterfaceMeter, network_meter, use_of
from paddock.ports.instance_network import NOT_COUNTED, NetworkUse
from tests.agent.network_namespaces import a_namespace

TABLE = (
    b"Inter-|   Receive                            |  Transmit\n"
    b" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier\n"
    b"    lo:  500   5    0    0    0     0          0         0      500       5    0    0    0     0      0    0\n"
    b"  eth0: 1048576  700   1    2    3     4          5         6    2097152    800   7    8    9    10      11  12\n"
)


def test_the_line_of_the_interface_is_taken_and_no_other() -> None:
    assert use_of("eth0", TABLE) == NetworkUse(1048576, 2097152)
    assert use_of("lo", TABLE) == NetworkUse(500, 500)


@pytest.mark.parametrize("table", [b"", TABLE[:180], b"eth0:\n", b"eth0: 12 x\n", b"eth0: 1 2 3\n", b"eth0 1 2 3\n"])
def test_what_the_kernel_does_not_tell_is_not_counted(table: bytes) -> None:
    assert use_of("eth0", table) is NOT_COUNTED


def test_an_interface_that_is_gone_is_not_counted() -> None:
    assert InterfaceMeter("gone").used() is NOT_COUNTED


def test_an_instance_of_the_machines_network_without_a_control_group_is_not_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    assert network_meter(None, None) is None
    (said,) = caplog.messages
    assert said.startswith("what passes the network is not counted: ")


def test_what_a_process_sends_and_receives_in_a_namespace_is_counted() -> None:
    script = (
        "import pathlib, socket, sys\n"
        "from paddock.agent.network_meter import InterfaceMeter\n"
        "from paddock.agent.network_namespace import enter\n"
        "enter(pathlib.Path(sys.argv[1]))\n"
        "before = InterfaceMeter('lo').used()\n"
        "here, there = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))\n"
        "there.bind(('127.0.0.1', 0))\n"
        "for _ in range(8):\n"
        "    here.sendto(bytes(1000), there.getsockname()); there.recv(2000)\n"
        "after = InterfaceMeter('lo').used()\n"
        "print(after.in_bytes - before.in_bytes, after.out_bytes - before.out_bytes)\n"
    )
    with a_namespace() as namespace:
        command = [sys.executable, "-c", script, str(namespace)]
        counted = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    assert [8000 <= int(count) <= 8 * 1100 for count in counted] == [True, True]
