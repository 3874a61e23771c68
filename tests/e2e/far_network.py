"""A machine and a far network for tests, both made of network namespaces: no packet of a test leaves this machine.

The server is started inside `machine`, whose default route leads to `far`; there a listener sends and takes what it is
asked for. Whatever the server makes of rules and interfaces, it makes in there.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from paddock.model.ids import Region
from paddock.model.network import default_network
from paddock.networks.vpc import VpcNetwork

MACHINE_ADDRESS = "198.51.100.1"
FAR_ADDRESS = "198.51.100.2"
"""Of TEST-NET-2, which is nobody's."""
_CLONE_NEWNET = 0x40000000
_Found = TypeVar("_Found")
LISTENER = """
import socket, struct, threading
def serve(connection):
    with connection:
        up, down = struct.unpack("!II", connection.recv(8, socket.MSG_WAITALL))
        while up:
            up -= len(connection.recv(min(up, 1 << 16)) or bytes(up))
        connection.sendall(bytes(down))
with socket.create_server(("0.0.0.0", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


@dataclass(frozen=True)
class FarNetwork:
    """`port` is where the listener in the far network is."""

    machine: Path
    port: int

    @property
    def within(self) -> tuple[str, ...]:
        return ("nsenter", f"--net={self.machine}")

    def inside(self, work: Callable[[], _Found]) -> _Found:
        """In a thread of its own, whose sockets are the machine's."""

        def enter_and_work() -> _Found:
            descriptor = os.open(self.machine, os.O_RDONLY | os.O_CLOEXEC)
            try:
                assert ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) == 0
            finally:
                os.close(descriptor)
            return work()

        with ThreadPoolExecutor(1) as alone:
            return alone.submit(enter_and_work).result()

    def said_by(self, *command: str) -> str:
        return subprocess.run(
            [*self.within, *command], capture_output=True, text=True, timeout=60, check=True
        ).stdout.strip()

    def links(self) -> set[str]:
        return {line.split()[0].partition("@")[0] for line in self.said_by("ip", "-brief", "link").splitlines()}


class Inside:
    """A client whose calls, and those of its waiters, are made in the machine's namespace."""

    def __init__(self, client: Any, far: FarNetwork) -> None:
        self._client = client
        self._far = far

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name == "get_waiter":
            return lambda *arguments: Inside(found(*arguments), self._far)
        return (lambda *a, **k: self._far.inside(lambda: found(*a, **k))) if callable(found) else found


@contextmanager
def far_network(scratch: Path) -> Iterator[FarNetwork]:
    """Skips where no network can be made."""
    reason = VpcNetwork(default_network(Region("us-east-1")), installation=scratch).unavailable_because()
    if reason is None and not (shutil.which("ip") and shutil.which("nsenter")):
        reason = "needs ip and nsenter: apt-get install iproute2 util-linux"
    if reason is not None:
        pytest.skip(reason)
    name = f"test-{uuid.uuid4().hex[:8]}"
    machine, far = f"{name}-machine", f"{name}-far"
    try:
        _ip(f"netns add {machine}")
        _ip(f"netns add {far}")
        _ip(f"-n {machine} link add near type veth peer name near netns {far}")
        for namespace, address in ((machine, MACHINE_ADDRESS), (far, FAR_ADDRESS)):
            _ip(f"-n {namespace} link set lo up")
            _ip(f"-n {namespace} addr add {address}/30 dev near")
            _ip(f"-n {namespace} link set near up")
        _ip(f"-n {machine} route add default via {FAR_ADDRESS}")
        command = ["nsenter", f"--net=/run/netns/{far}", sys.executable, "-c", LISTENER]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
            try:
                assert listener.stdout is not None
                yield FarNetwork(Path(f"/run/netns/{machine}"), int(listener.stdout.readline()))
            finally:
                listener.kill()
    finally:
        for namespace in (machine, far):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, timeout=60, check=False)


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], capture_output=True, timeout=60, check=True)
