"""An asyncio event loop with a network of its own, in memory: no socket, no thread, and a seed replays exactly.

Whoever listens and connects through the loop does so as ever. Bytes arrive in order, after a delay that the dice say;
work for threads is done at once. `every_turn` is called after each turn of the loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Self, TypeVar, cast

from paddock.ports.clock import Dice
from paddock.simulator.kernel import VirtualClock
from paddock.simulator.loop import VirtualTimeLoop

ResultT = TypeVar("ResultT")
ProtocolFactory = Callable[[], asyncio.BaseProtocol]

FIRST_PORT = 20_000
SHORTEST_SECONDS, LONGEST_SECONDS = 0.0002, 0.004
"""Of what is written on its way, where nothing is wrong."""
WINDOW_BYTES = 128 * 1024
"""What a kernel takes of a connection before its writer must keep the rest."""
HIGH_WATER_BYTES = 64 * 1024
"""asyncio's: with so much kept, a protocol is asked to pause."""
MAX_TURNS = 20_000_000
"""A simulation that goes on for longer than this runs in circles."""


class MemoryProcess:
    """What one simulated process has of the network: all of it goes with it, at once and without a word."""

    def __init__(self) -> None:
        self.dead = False
        self._servers: list[MemoryServer] = []
        self._transports: list[MemoryTransport] = []

    def has(self, transport: MemoryTransport) -> None:
        self._transports = [each for each in self._transports if not each.is_closing()]
        self._transports.append(transport)

    def listens(self, server: MemoryServer) -> None:
        self._servers.append(server)

    def die(self) -> None:
        self.dead = True
        for server in self._servers:
            server.close()
        for transport in self._transports:
            transport.abort()


_process: ContextVar[MemoryProcess | None] = ContextVar("process", default=None)


def belong_to(process: MemoryProcess) -> None:
    """What this task and those it starts have of the network is the process's."""
    _process.set(process)


class MemoryTransport(asyncio.Transport):
    """One end of a connection. `delay_seconds` comes on top of what the dice say."""

    def __init__(self, loop: MemoryNetworkLoop, port: int, context: Context) -> None:
        super().__init__({"peername": ("127.0.0.1", port)})
        self.peer: MemoryTransport = self
        # What its protocol does is done as whoever has this end, not as who wrote.
        self.context = context
        self.delay_seconds = 0.0
        self._loop = loop
        self._protocol = cast("asyncio.Protocol", None)
        self._arrives_at = 0.0
        self._closing = False
        self._lost = False
        self._reading = True
        self._ended = False
        self._unread: deque[bytes] = deque()
        self._on_the_way: deque[tuple[Callable[..., None], tuple[bytes, ...]]] = deque()
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4
        self._written = 0
        self._paused = False
        process = context.get(_process)
        if process is not None:
            process.has(self)

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)
        protocol.connection_made(self)

    # What a protocol asks of its transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._written += len(data)
            self._carry(self.peer.receive, bytes(data))
            if not self._paused and self.get_write_buffer_size() > self._high:
                self._paused = True
                self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._carry(self.peer.end)
            self._loop.call_soon(self._lose, context=self.context)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        if self._unread or self._ended:
            self._loop.call_soon(self._read, context=self.context)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_WATER_BYTES if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return max(0, self._written - WINDOW_BYTES)

    def can_write_eof(self) -> bool:
        return False

    # Inside

    def _carry(self, arrive: Callable[..., None], *arguments: bytes) -> None:
        """Nothing overtakes what was written before."""
        loop = self._loop
        after = loop.dice.uniform(SHORTEST_SECONDS, LONGEST_SECONDS) + self.delay_seconds
        self._arrives_at = max(self._arrives_at, loop.time() + after)
        # Timers of the same moment come in no order: each brings what is next, whichever it was made for.
        self._on_the_way.append((arrive, arguments))
        loop.call_at(self._arrives_at, self._arrive, context=self.peer.context)

    def _arrive(self) -> None:
        arrive, arguments = self._on_the_way.popleft()
        arrive(*arguments)

    def receive(self, data: bytes) -> None:
        if self._closing:
            return
        if self._reading and not self._unread:
            self._take(data)
        else:
            self._unread.append(data)

    def end(self) -> None:
        """The other side is gone; what it wrote before is read first."""
        self._ended = True
        if not self._unread:
            self.close()

    def _read(self) -> None:
        while self._unread and self._reading and not self._closing:
            self._take(self._unread.popleft())
        if self._ended and not self._unread:
            self.close()

    def _take(self, data: bytes) -> None:
        self.peer.taken(len(data))
        self._protocol.data_received(data)

    def taken(self, size: int) -> None:
        """The other side has read so much."""
        self._written -= size
        if self._paused and not self._closing and self.get_write_buffer_size() <= self._low:
            self._paused = False
            self._loop.call_soon(self._resume, context=self.context)

    def _resume(self) -> None:
        if not self._closing and not self._paused:
            self._protocol.resume_writing()

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(None)


class MemoryServer:
    """Somebody who listens. `accepted` are its ends of the connections it has had."""

    def __init__(self, loop: MemoryNetworkLoop, address: str, port: int, factory: ProtocolFactory) -> None:
        self.accepted: list[MemoryTransport] = []
        self.address = address
        self._loop = loop
        self._port = port
        self._factory = factory
        self._context = copy_context()
        process = _process.get()
        if process is not None:
            process.listens(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    @property
    def sockets(self) -> tuple[MemoryServer, ...]:
        return (self,)

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", self._port)

    def accept(self, theirs: MemoryTransport) -> None:
        self.accepted = [each for each in self.accepted if not each.is_closing()]
        ours = MemoryTransport(self._loop, self._port, self._context.copy())
        ours.peer, theirs.peer = theirs, ours
        self.accepted.append(ours)
        self._context.run(lambda: ours.begin(self._factory()))

    def close(self) -> None:
        listening = self._loop.listening.get(self.address, [])
        if self in listening:
            listening.remove(self)

    @property
    def late_seconds(self) -> float:
        """By how much the latest of today's connections is."""
        return max((each.delay_seconds for each in self.accepted), default=0.0)

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def cut(self) -> None:
        """Every connection breaks off."""
        for each in self.accepted:
            each.abort()

    def delay(self, seconds: float) -> None:
        """What goes either way on today's connections is late by so much."""
        for each in self.accepted:
            each.delay_seconds = each.peer.delay_seconds = seconds


class _NumberedTask(asyncio.Task[Any]):
    """Groups cancel their tasks in the order of a set: by these numbers, and not by where a task lies in memory."""

    def __init__(self, *given: Any, number: int, **named: Any) -> None:
        self._number = number  # before the loop puts it into any set
        super().__init__(*given, **named)

    def __hash__(self) -> int:
        return self._number


class MemoryNetworkLoop(VirtualTimeLoop):
    def __init__(self, clock: VirtualClock, dice: Dice) -> None:
        super().__init__(clock, real_wait_seconds=0.0)
        self.dice = dice
        self.listening: dict[str, list[MemoryServer]] = {}
        """Several may share an address: a connection comes to any of them."""
        self.unreachable: set[str] = set()
        """Addresses that cannot be connected to just now."""
        self.every_turn: Callable[[], None] = lambda: None
        self.turns = 0
        self._port = FIRST_PORT
        self._tasks = itertools.count()
        self.set_task_factory(self._number_task)

    def _number_task(self, _: asyncio.AbstractEventLoop, coroutine: Any, **named: Any) -> asyncio.Task[Any]:
        return _NumberedTask(coroutine, loop=self, number=next(self._tasks), **named)

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns > MAX_TURNS:
            raise RuntimeError(f"more than {MAX_TURNS} turns: the simulation runs in circles")
        super()._run_once()  # type: ignore[misc]  # asyncio's own name for a turn
        self.every_turn()

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., ResultT], *args: Any
    ) -> asyncio.Future[ResultT]:
        """At once: time does not pass for the loop while a thread works."""
        done: asyncio.Future[ResultT] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits
            done.set_exception(error)
        return done

    def listen(self, address: str, factory: ProtocolFactory) -> MemoryServer:
        self._port += 1
        server = MemoryServer(self, address, self._port, factory)
        self.listening.setdefault(address, []).append(server)
        return server

    async def create_unix_server(self, protocol_factory: Any, path: Any = None, **_: Any) -> Any:
        return self.listen(str(path), protocol_factory)

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        return self.listen(f"{host}:{port or self._port + 1}", protocol_factory)

    async def create_unix_connection(self, protocol_factory: Any, path: Any = None, **_: Any) -> Any:
        return await self._connect(str(path), protocol_factory)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        return await self._connect(f"{host}:{port}", protocol_factory)

    async def _connect(self, address: str, factory: ProtocolFactory) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        await asyncio.sleep(self.dice.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
        listening, process = self.listening.get(address), _process.get()
        if not listening or address in self.unreachable or (process is not None and process.dead):
            raise ConnectionRefusedError(f"nobody listens at {address}")
        server = listening[0] if len(listening) == 1 else self.dice.choice(listening)
        self._port += 1
        transport = MemoryTransport(self, self._port, copy_context())
        protocol = factory()
        server.accept(transport)
        transport.begin(protocol)
        return transport, protocol


def run_in_memory(main: Coroutine[Any, Any, ResultT], clock: VirtualClock, dice: Dice) -> ResultT:
    """`asyncio.run` on virtual time and a network in memory."""
    with asyncio.Runner(loop_factory=lambda: MemoryNetworkLoop(clock, dice)) as runner:
        return runner.run(main)
