import asyncio

from paddock.agent.outbox import Outbox
from paddock.wire.frames import MAX_CHUNK_BYTES, FrameKind
from paddock.wire.stream import Frame, FrameReader


class Transport(asyncio.WriteTransport):
    """Takes a number of writes, then says that it is full."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.writes: list[bytes] = []
        self.outbox: Outbox | None = None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))
        self.room -= 1
        if self.room == 0 and self.outbox is not None:
            self.outbox.block()

    def writelines(self, pieces: object) -> None:
        self.write(b"".join(bytes(piece) for piece in pieces))  # type: ignore[attr-defined]

    def frames(self) -> list[Frame]:
        return list(FrameReader().feed(b"".join(self.writes)))


def connected(room: int = 1000) -> tuple[Transport, Outbox]:
    transport = Transport(room)
    transport.outbox = Outbox(transport, asyncio.get_running_loop())
    return transport, transport.outbox


async def test_small_frames_of_one_turn_are_one_write() -> None:
    transport, outbox = connected()
    for call in (1, 2, 3):
        outbox.frame(FrameKind.RESULT, call, b"h", b"body")
    assert transport.writes == []
    await asyncio.sleep(0)

    assert len(transport.writes) == 1
    assert [(frame.call, frame.header, frame.payload) for frame in transport.frames()] == [
        (1, b"h", b"body"),
        (2, b"h", b"body"),
        (3, b"h", b"body"),
    ]


async def test_pieces_of_a_small_body_are_one_frame() -> None:
    transport, outbox = connected()
    outbox.body(FrameKind.RESULT, 1, b"h", [b"one", b"two"])
    outbox.body(FrameKind.RESULT, 2, b"h", [])
    outbox.flush()
    assert [(frame.more, frame.payload) for frame in transport.frames()] == [(False, b"onetwo"), (False, b"")]


async def test_a_large_body_waits_in_turn_and_a_small_one_does_not_wait_for_it() -> None:
    transport, outbox = connected(room=2)
    large = [b"a" * (MAX_CHUNK_BYTES + 1), b"b" * MAX_CHUNK_BYTES]
    outbox.body(FrameKind.RESULT, 1, b"large", large)
    assert outbox.blocked
    outbox.frame(FrameKind.RESULT, 2, b"small")
    outbox.flush()
    assert [frame.call for frame in transport.frames()] == [1, 1, 2]

    transport.room = 1000
    outbox.unblock()
    frames = [frame for frame in transport.frames() if frame.call == 1]
    assert b"".join(frame.payload for frame in frames) == b"".join(large)
    assert [frame.more for frame in frames] == [True] * (len(frames) - 1) + [False]


async def test_large_bodies_take_turns() -> None:
    transport, outbox = connected(room=1)
    for call in (1, 2):
        outbox.body(FrameKind.RESULT, call, b"", [b"x" * (3 * MAX_CHUNK_BYTES)])
    transport.room = 1000
    outbox.unblock()
    data = [frame.call for frame in transport.frames() if frame.kind is FrameKind.DATA]
    assert data == [1, 2, 1, 2, 1, 2]


async def test_a_stream_keeps_its_order_behind_its_head() -> None:
    transport, outbox = connected()
    outbox.frame(FrameKind.STREAM_HEAD, 1, b"head")
    outbox.data(1, b"x" * (MAX_CHUNK_BYTES + 1))
    outbox.frame(FrameKind.STREAM_END, 1, b"end")
    outbox.flush()
    kinds = [frame.kind.name for frame in transport.frames()]
    assert kinds == ["STREAM_HEAD", "DATA", "DATA", "STREAM_END"]


async def test_what_is_cleared_is_not_written() -> None:
    transport, outbox = connected(room=1)
    outbox.body(FrameKind.RESULT, 1, b"", [b"x" * (3 * MAX_CHUNK_BYTES)])
    outbox.clear()
    outbox.unblock()
    assert [frame.kind.name for frame in transport.frames()] == ["RESULT"]
