"""Runtimes that are played: they speak the Runtime API to the real agent, and no process is ever started.

They keep the truth that the checker looks at: which of them live, what each runs, who was given which invocation.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, cast

import msgspec

from paddock.agent.runtime_commands import PreparedRuntime, RuntimeInvitation
from paddock.agent.runtime_process import ProcessCommand
from paddock.launchers.cgroups import Cgroup, MemoryUse
from paddock.ports.clock import Dice
from paddock.wire.agent import EnvironmentSpec

POLL = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
CPU_SHARE = 0.2
EXIT_STATUS = 1
SPARE_POLLS = 0.5
"""Share of the managed environments whose runtime polls once more than it has slots: it is the agent that counts."""
PIECE_BYTES, PIECE_SECONDS = 32 * 1024, 0.01
"""Of an answer that is streamed."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the played handler is asked: it answers with `call`, followed by so many bytes. `tenant`: who asks."""

    call: str
    answer_bytes: int = 0
    stream: bool = False
    padding: str = ""
    tenant: str = ""


@dataclass
class Behaviour:
    """Of all functions. `hangs` and `crashes` are shares of the invocations; times in seconds, a pair is a range."""

    init: tuple[float, float] = (0.1, 1.5)
    duration: tuple[float, float] = (0.02, 1.5)
    init_fails: float = 0.0
    hangs: float = 0.0
    crashes: float = 0.0


@dataclass
class Truth:
    """`runtimes` are those that live now; `given` counts how often a runtime got each call; `served` has the tenants of
    all that an environment ever got, as their callers and as the platform named them; `failures` when environments of
    each function failed.
    """

    dice: Dice
    behaviour: Behaviour = field(default_factory=Behaviour)
    specs: dict[str, EnvironmentSpec] = field(default_factory=dict)
    runtimes: dict[str, PlayedRuntime] = field(default_factory=dict)
    given: Counter[str] = field(default_factory=Counter)
    served: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    failed_at: dict[str, float] = field(default_factory=dict)
    """When a runtime last ended by itself, of each function."""
    failures: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: set[str] = field(default_factory=set)
    changes: int = 0
    pids: Any = field(default_factory=lambda: itertools.count(1000))

    def environment_failed(self, function: str, environment_id: str) -> None:
        """However often it is told."""
        if environment_id not in self.failed:
            self.failed.add(environment_id)
            self.failures[function].append(asyncio.get_running_loop().time())


class PlayedCgroup:
    """Counts the CPU time that a played runtime says it used."""

    directories: tuple[Path, ...] = ()
    join_files: tuple[Path, ...] = ()
    weighs_cpu = False
    sockets: Path | None = None

    def __init__(self) -> None:
        self.used_seconds = 0.0

    def child(self, name: str, *_: Any, **__: Any) -> Cgroup:
        return PlayedCgroup()

    def cpu_seconds(self) -> float:
        return self.used_seconds

    def memory(self) -> MemoryUse:
        return MemoryUse(1, 1)

    @property
    def is_peak_sampled(self) -> bool:
        return False

    def sample_peak(self) -> None:
        """Nothing is held here that could be looked at."""

    def out_of_memory_kills(self) -> int:
        return 0

    def pids(self) -> list[int]:
        return []

    def kill(self) -> None:
        """The runtime is told by its own `kill`."""

    def remove(self) -> None:
        """Nothing is on any disk."""


class PlayedRuntimes:
    """A `RuntimeCommandSource`: the command names the environment, and `PlayedRuntime` finds the rest by it."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def prepare(self, invitation: RuntimeInvitation) -> PreparedRuntime:
        spec = invitation.spec
        self._truth.specs[spec.environment_id] = spec
        argv = (spec.environment_id, invitation.runtime_api)
        command = ProcessCommand(argv, {}, PurePath("/"), b"", cast("Any", None))
        return PreparedRuntime(command, "played", "arn:played", "")


class PlayedRuntime:
    """Stands where `RuntimeProcess` does: as many connections as slots, one invocation on each."""

    def __init__(self, truth: Truth, command: ProcessCommand, cgroup: Cgroup | None) -> None:
        environment_id, self.runtime_api = command.argv
        self.pid = next(truth.pids)
        self.spec = truth.specs[environment_id]
        self.running: set[str] = set()
        self.truth = truth
        self.alive = True
        self._cgroup = cast("PlayedCgroup", cgroup)
        self._told: Callable[[int], None] | None = None
        self._connections: list[_RuntimeConnection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        truth.runtimes[environment_id] = self
        truth.changes += 1
        dice = truth.dice
        fails = dice.random() < truth.behaviour.init_fails
        asyncio.get_running_loop().call_later(
            dice.uniform(*truth.behaviour.init), self.crash if fails else self._connect
        )

    def _connect(self) -> None:
        if not self.alive:
            return
        host, _, port = self.runtime_api.partition(":")
        loop = asyncio.get_running_loop()
        several = self.spec.max_concurrency > 1
        spare = int(several and self.truth.dice.random() < SPARE_POLLS)
        for _ in range(self.spec.max_concurrency + spare):
            connecting = loop.create_task(self._connect_one(host, int(port)))
            self._tasks.add(connecting)
            connecting.add_done_callback(self._tasks.discard)

    async def _connect_one(self, host: str, port: int) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _RuntimeConnection(self), host, port
            )
        except OSError:
            return
        self._connections.append(connection)

    def used(self, seconds: float) -> None:
        self._cgroup.used_seconds += CPU_SHARE * seconds

    def crash(self) -> None:
        """The process ends by itself."""
        if self.alive:
            self.truth.failed_at[self.spec.function_name] = asyncio.get_running_loop().time()
            self._end()
            if self._told is not None:
                asyncio.get_running_loop().call_soon(self._told, EXIT_STATUS)

    def _end(self) -> None:
        self.alive = False
        self.truth.changes += 1
        self.truth.runtimes.pop(self.spec.environment_id, None)
        self.running.clear()
        for connection in self._connections:
            connection.close()

    # What the agent asks of a process

    def wait_executed(self) -> None:
        """It runs at once."""

    def on_exit(self, told: Callable[[int], None]) -> None:
        self._told = told

    def next_pipe(self) -> None:
        """It writes nothing."""

    def own(self, stats: Any) -> list[Any]:
        return []

    def kill(self) -> bool:
        if self.alive:
            self._end()
        return True

    def forget(self) -> None:
        self._told = None


class _RuntimeConnection(asyncio.Protocol):
    """One connection: asks for an event, takes its time, answers, asks again."""

    def __init__(self, runtime: PlayedRuntime) -> None:
        self._runtime = runtime
        self._transport = cast("asyncio.Transport", None)
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._runtime.alive:
            self._transport.write(POLL)
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(headers[b"Content-Length"])
        if len(rest) < length:
            return
        self._received = rest[length:]
        name = headers.get(b"Lambda-Runtime-Aws-Request-Id")
        if name is None:
            self._transport.write(POLL)
        else:
            tenant = headers.get(b"Lambda-Runtime-Aws-Tenant-Id", b"").decode()
            self._run(name.decode(), msgspec.json.decode(rest[:length], type=Event), tenant)

    def _run(self, invocation_id: str, event: Event, tenant: str) -> None:
        runtime = self._runtime
        behaviour, dice = runtime.truth.behaviour, runtime.truth.dice
        runtime.truth.given[event.call] += 1
        runtime.truth.served[runtime.spec.environment_id].update((event.tenant, tenant))
        runtime.truth.changes += 1
        runtime.running.add(invocation_id)
        fate, seconds = dice.random(), dice.uniform(*behaviour.duration)
        loop = asyncio.get_running_loop()
        if fate < behaviour.crashes:
            loop.call_later(seconds, runtime.crash)
        elif fate >= behaviour.crashes + behaviour.hangs:
            loop.call_later(seconds, self._answer, invocation_id, event, seconds)

    def _answer(self, invocation_id: str, event: Event, seconds: float) -> None:
        if not self._runtime.alive:
            return
        self._runtime.used(seconds)
        head = f"POST /2018-06-01/runtime/invocation/{invocation_id}/response HTTP/1.1\r\nHost: runtime\r\n"
        body = event.call.encode() + b"." * event.answer_bytes
        if event.stream:
            head += "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n"
            self._transport.write(head.encode())
            self._stream(invocation_id, body)
        else:
            self._runtime.running.discard(invocation_id)
            self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _stream(self, invocation_id: str, rest: bytes) -> None:
        if not self._runtime.alive:
            return
        piece, rest = rest[:PIECE_BYTES], rest[PIECE_BYTES:]
        self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if rest:
            asyncio.get_running_loop().call_later(PIECE_SECONDS, self._stream, invocation_id, rest)
        else:
            self._runtime.running.discard(invocation_id)
            self._transport.write(b"0\r\n\r\n")

    def close(self) -> None:
        self._transport.close()
