from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from paddock.controlplane.downloads import DOWNLOAD_SECONDS, send_package
from paddock.ports.code import CodeMissingError
from tests.controlplane.virtual_time import run_virtually


class PlayedReader:
    """Responder and stream in one; it takes `room` pieces, then says that it is behind."""

    def __init__(self, room: int = 1_000) -> None:
        self.closed = False
        self.ended = ""
        self.taken: list[bytes] = []
        self._room = room
        self._pause: Callable[[], None] = lambda: None
        self._resume: Callable[[], None] = lambda: None
        self._gone: Callable[[], None] = lambda: None

    @property
    def paused(self) -> bool:
        return len(self.taken) >= self._room

    def send(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self._close(f"{status}")

    def send_lines(self, status: int, lines: str, body: bytes) -> None:
        self._close(f"{status}")

    @property
    def peer(self) -> str:
        return ""

    def start(self, status: int, headers: Sequence[tuple[str, str]]) -> PlayedReader:
        assert status == 200
        return self

    def write(self, chunk: bytes) -> None:
        assert len(self.taken) < self._room, "more was written than there was room for"
        self.taken.append(chunk)
        if len(self.taken) == self._room:
            self._pause()

    def end(self) -> None:
        self._close("whole")

    def abort(self) -> None:
        self._close("cut")

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        self._gone = callback

    def _close(self, how: str) -> None:
        if not self.closed:
            self.closed, self.ended = True, how

    def take(self, room: int) -> None:
        self._room = room
        self._resume()

    def leave(self) -> None:
        self.closed = True
        self._gone()


class Package:
    """Pieces of a package, some of which may be missing; counts what was read and sees that it is closed."""

    def __init__(self, pieces: int, missing: int | None = None) -> None:
        self.read = 0
        self.is_closed = False
        self._pieces = pieces
        self._missing = missing

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self._pieces):
                if number == self._missing:
                    raise CodeMissingError("damaged")
                self.read += 1
                yield b"%d" % number
        finally:
            self.is_closed = True


def test_a_package_is_sent_piece_by_piece() -> None:
    async def scenario() -> None:
        package, reader = Package(3), PlayedReader()
        await send_package(package.chunks(), reader)
        assert (reader.taken, reader.ended, package.is_closed) == ([b"0", b"1", b"2"], "whole", True)

    run_virtually(scenario())


def test_no_more_is_read_than_a_slow_reader_takes() -> None:
    async def scenario() -> None:
        package, reader = Package(9), PlayedReader(room=2)
        async with asyncio.TaskGroup() as group:
            group.create_task(send_package(package.chunks(), reader))
            await asyncio.sleep(1)
            assert package.read == 3
            reader.take(100)
        assert (len(reader.taken), reader.ended) == (9, "whole")

    run_virtually(scenario())


def test_a_reader_that_leaves_or_sleeps_ends_the_reading() -> None:
    async def scenario() -> None:
        for leaves in (True, False):
            package, reader = Package(9), PlayedReader(room=1)
            async with asyncio.TaskGroup() as group:
                group.create_task(send_package(package.chunks(), reader))
                await asyncio.sleep(1)
                if leaves:
                    reader.leave()
                else:
                    await asyncio.sleep(DOWNLOAD_SECONDS)
            assert package.is_closed
            assert reader.ended == ("" if leaves else "cut")

    run_virtually(scenario())


def test_what_is_missing_is_said_and_what_is_damaged_is_cut() -> None:
    async def scenario() -> None:
        for missing, ended in ((0, "404"), (2, "cut")):
            reader = PlayedReader()
            await send_package(Package(5, missing).chunks(), reader)
            assert reader.ended == ended

    run_virtually(scenario())
