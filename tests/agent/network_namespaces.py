"""Network namespaces for tests, each as long as a process sleeps in it: nothing is left behind whatever happens."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paddock.ports.instance_network import RESOLVER_ADDRESS

SECONDS = 120


@contextmanager
def a_namespace() -> Iterator[Path]:
    """With a loopback that is up, has the resolver's address, and nothing else. Skips where the user may make none."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip: apt-get install util-linux iproute2")
    script = f"ip link set lo up && ip address add {RESOLVER_ADDRESS}/32 dev lo && echo ready && exec sleep {SECONDS}"
    process = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != "ready\n":
            pytest.skip(f"no network namespace can be made here: {process.stderr.read().strip()}")
        yield Path(f"/proc/{process.pid}/ns/net")
    finally:
        process.kill()
        process.communicate()
