"""Memory that a function held for a tenth of a second: gone long before anybody looks, and seen all the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import cast

import pytest

from paddock.agent.limits import MEMORY_CHECK_SECONDS
from paddock.agent.runtime_commands import RuntimeInvitation
from paddock.launchers.cgroups import Cgroup, CpuShare, MemoryShare, open_cgroups_here
from tests.agent.instances import played_instance
from tests.agent.server_side import environment_spec

MIB = 1024 * 1024
HELD = 200 * MIB
SHORTLY = 0.1
BOOTSTRAP = f"""
import http.client, os, time
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    connection.request("GET", "/2018-06-01/runtime/invocation/next")
    response = connection.getresponse()
    response.read()
    held = bytearray({HELD})
    for at in range(0, len(held), 4096):
        held[at] = 1
    time.sleep({SHORTLY})
    del held
    request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
    connection.request("POST", "/2018-06-01/runtime/invocation/" + request_id + "/response", b"null")
    connection.getresponse().read()
"""


def own_cgroup() -> Cgroup | None:
    name = f"paddock-test-peaks-{os.getpid()}"
    return open_cgroups_here(name, CpuShare(1.0, strict=False))


@pytest.fixture(params=["cgroup", "processes"])
def cgroup(request: pytest.FixtureRequest) -> Iterator[Cgroup | None]:
    if request.param == "processes":
        yield None
        return
    made = own_cgroup()
    if made is None:
        pytest.skip("this process may make no control groups")
    yield made
    made.kill()
    made.remove()


class Looked:
    """A real group of a kernel that does not remember, which counts how often it was looked at."""

    is_peak_sampled = True

    def __init__(self, group: Cgroup, children: list[Looked]) -> None:
        self._group = group
        self._children = children
        self.looks = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._group, name)

    def child(self, name: str, cpu: CpuShare, memory: MemoryShare, max_processes: int) -> Looked:
        made = Looked(self._group.child(name, cpu, memory, max_processes), self._children)
        self._children.append(made)
        return made

    def sample_peak(self) -> None:
        self.looks += 1


def shortly_large(invitation: RuntimeInvitation) -> tuple[str, ...]:
    return (sys.executable, str(invitation.task_root / "bootstrap"))


async def test_memory_held_for_a_tenth_of_a_second_is_seen(cgroup: Cgroup | None) -> None:
    assert SHORTLY < MEMORY_CHECK_SECONDS
    async with played_instance(shortly_large, cgroup=cgroup) as instance:
        server = instance.server
        spec = environment_spec(server.package({"bootstrap": BOOTSTRAP}))
        server.configure(spec)
        await server.phase(spec, "ready")
        name = spec.environment_id
        # A second report: the first one's peak is that of the interpreter's start.
        first = await server.until(lambda: server.memory_peaks.get(name, 0) > 0)
        assert first
        assert server.memory_peaks[name] < HELD

        header, _ = await server.invoke(spec).result()

        assert header.outcome == "ok"
        assert await server.until(lambda: server.memory_peaks[name] >= HELD)
        assert server.memory_peaks[name] < 2 * HELD
        assert await server.until(lambda: server.reports[name].peak_memory_bytes < HELD), "a peak is told once"
        assert server.reports[name].memory_bytes < HELD


async def test_where_the_kernel_does_not_remember_environments_are_looked_at_between_reports() -> None:
    made = own_cgroup()
    if made is None:
        pytest.skip("this process may make no control groups")
    children: list[Looked] = []
    try:
        async with played_instance(shortly_large, cgroup=cast("Cgroup", Looked(made, children))) as instance:
            server = instance.server
            spec = environment_spec(server.package({"bootstrap": BOOTSTRAP}))
            server.configure(spec)
            await server.phase(spec, "ready")
            (child,) = children

            assert await server.until(lambda: child.looks >= 3)
    finally:
        made.kill()
        made.remove()
