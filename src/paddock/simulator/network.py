"""An asyncio event loop with a network of its own, in memory: no socket, no thread, and a seed replays exactly.

Whoever listens and connects through the loop does so as ever. Bytes arrive in order, after a delay that the dice say;
work for threads is done at once. `every_turn` is called after each turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, cast

from paddock.ports.clock import Dice
from paddock.simulator.kernel import VirtualClock
from paddock.simulator.loop import VirtualTimeLoop

ResultT = TypeVar("ResultT")
ProtocolFactory = Callable[[], asyncio.BaseProtocol]

FIRST_PORT = 20_000
SHORTEST_SECONDS, LONGEST_SECONDS = 0.0002, 0.004
"""Of what is written on its way, where nothing is wrong."""


class MemoryTransport(asyncio.Transport):
    """One end of a connection. `delay_seconds` comes on top of what the dice say."""

    def __init__(self, loop: MemoryNetworkLoop, port: int) -> None:
        super().__init__({"peername": ("127.0.0.1", port)})
        self.peer: MemoryTransport = self
        self.delay_seconds = 0.0
        self._loop = loop
        self._protocol = cast("asyncio.Protocol", None)
        self._arrives_at = 0.0
        self._closing = False
        self._lost = False
        self._reading = True
        self._unread: list[bytes] = []
        self._on_the_way: deque[tuple[Callable[..., None], tuple[bytes, ...]]] = deque()

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)
        protocol.connection_made(self)

    # What a protocol asks of its transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._carry(self.peer.receive, bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._carry(self.peer.abort)
            self._loop.call_soon(self._lose)

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
        unread, self._unread = self._unread, []
        for data in unread:
            self._loop.call_soon(self.receive, data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is always room."""

    def get_write_buffer_size(self) -> int:
        return 0

    # Inside

    def _carry(self, arrive: Callable[..., None], *arguments: bytes) -> None:
        """Nothing overtakes what was written before."""
        loop = self._loop
        after = loop.dice.uniform(SHORTEST_SECONDS, LONGEST_SECONDS) + self.delay_seconds
        self._arrives_at = max(self._arrives_at, loop.time() + after)
        # Timers of the same moment come in no order: each brings what is next, whichever it was made for.
        self._on_the_way.append((arrive, arguments))
        loop.call_at(self._arrives_at, self._arrive)

    def _arrive(self) -> None:
        arrive, arguments = self._on_the_way.popleft()
        arrive(*arguments)

    def receive(self, data: bytes) -> None:
        if self._closing:
            return
        if self._reading:
            self._protocol.data_received(data)
        else:
            self._unread.append(data)

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

    @property
    def sockets(self) -> tuple[MemoryServer, ...]:
        return (self,)

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", self._port)

    def accept(self, theirs: MemoryTransport) -> None:
        self.accepted = [each for each in self.accepted if not each.is_closing()]
        ours = MemoryTransport(self._loop, self._port)
        ours.peer, theirs.peer = theirs, ours
        self.accepted.append(ours)
        ours.begin(self._factory())

    def close(self) -> None:
        if self._loop.listening.get(self.address) is self:
            del self._loop.listening[self.address]

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


class MemoryNetworkLoop(VirtualTimeLoop):
    def __init__(self, clock: VirtualClock, dice: Dice) -> None:
        super().__init__(clock, real_wait_seconds=0.0)
        self.dice = dice
        self.listening: dict[str, MemoryServer] = {}
        self.unreachable: set[str] = set()
        """Addresses that cannot be connected to just now."""
        self.every_turn: Callable[[], None] = lambda: None
        self._port = FIRST_PORT

    def _run_once(self) -> None:
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
        server = self.listening[address] = MemoryServer(self, address, self._port, factory)
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
        server = self.listening.get(address)
        if server is None or address in self.unreachable:
            raise ConnectionRefusedError(f"nobody listens at {address}")
        self._port += 1
        transport = MemoryTransport(self, self._port)
        protocol = factory()
        server.accept(transport)
        transport.begin(protocol)
        return transport, protocol


def run_in_memory(main: Coroutine[Any, Any, ResultT], clock: VirtualClock, dice: Dice) -> ResultT:
    """`asyncio.run` on virtual time and a network in memory."""
    with asyncio.Runner(loop_factory=lambda: MemoryNetworkLoop(clock, dice)) as runner:
        return runner.run(main)
