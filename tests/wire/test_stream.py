import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.wire.frames import MAX_CHUNK_BYTES, MAX_FRAME_BYTES, MORE, FrameKind, pack_head
from paddock.wire.stream import Frame, FrameError, FrameReader, frames_of

MESSAGES = st.lists(
    st.tuples(st.sampled_from(FrameKind), st.integers(0, 2**64 - 1), st.binary(max_size=40), st.binary(max_size=200)),
    max_size=8,
)


def joined(pieces: list[bytes]) -> bytes:
    return b"".join(bytes(piece) for piece in pieces)


@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 50), min_size=1))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    messages: list[tuple[FrameKind, int, bytes, bytes]], cuts: list[int]
) -> None:
    data = b"".join(joined(frames_of(kind, call, header, payload)) for kind, call, header, payload in messages)
    reader = FrameReader()
    frames: list[Frame] = []
    at, turn = 0, 0
    while at < len(data):
        step = cuts[turn % len(cuts)]
        frames += reader.feed(data[at : at + step])
        at, turn = at + step, turn + 1

    assert frames == [Frame(kind, False, call, header, payload) for kind, call, header, payload in messages]


@pytest.mark.parametrize("size", [0, 1, MAX_CHUNK_BYTES])
def test_a_payload_that_fits_is_one_frame(size: int) -> None:
    frames = list(FrameReader().feed(joined(frames_of(FrameKind.RESULT, 7, b"head", b"x" * size))))

    assert frames == [Frame(FrameKind.RESULT, False, 7, b"head", b"x" * size)]


@pytest.mark.parametrize("size", [MAX_CHUNK_BYTES + 1, 3 * MAX_CHUNK_BYTES, 3 * MAX_CHUNK_BYTES + 5])
def test_a_large_payload_is_cut_and_only_its_last_piece_has_no_more(size: int) -> None:
    payload = bytes(number % 251 for number in range(size))
    first, *rest = FrameReader().feed(joined(frames_of(FrameKind.INVOKE, 7, b"head", payload)))

    assert first == Frame(FrameKind.INVOKE, True, 7, b"head", b"")
    assert b"".join(frame.payload for frame in rest) == payload
    assert all(len(frame.payload) <= MAX_CHUNK_BYTES and frame.kind is FrameKind.DATA for frame in rest)
    assert [frame.more for frame in rest] == [True] * (len(rest) - 1) + [False]


def test_a_large_payload_is_not_copied() -> None:
    payload = b"x" * (3 * MAX_CHUNK_BYTES)
    pieces: list[object] = [*frames_of(FrameKind.INVOKE, 7, b"", payload)]
    views = [piece for piece in pieces if isinstance(piece, memoryview)]

    assert len(views) == 3
    assert all(view.obj is payload for view in views)


@pytest.mark.parametrize(
    "data",
    [
        pack_head(FrameKind.CONTROL, 0, MAX_FRAME_BYTES + 1),
        pack_head(FrameKind.CONTROL, 0, 3, header_bytes=4),
        b"\x00\x00\x00\x00\x63\x00\x00\x00" + bytes(8),
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        list(FrameReader().feed(data))


def test_frames_before_one_that_is_broken_are_not_lost() -> None:
    whole = joined(frames_of(FrameKind.RESULT, 7, b"head", b"x")) + joined(frames_of(FrameKind.RESULT, 8, b"", b"y"))
    frames = iter(FrameReader().feed(whole + b"\xff" * 16))

    assert [next(frames).call, next(frames).call] == [7, 8]
    with pytest.raises(FrameError):
        next(frames)


def test_more_is_read_from_the_flags() -> None:
    (frame,) = FrameReader().feed(pack_head(FrameKind.DATA, 1, 1, flags=MORE) + b"x")

    assert frame.more


@given(data=st.binary(max_size=300))
def test_any_bytes_are_frames_or_refused(data: bytes) -> None:
    try:
        frames = list(FrameReader().feed(data))
    except FrameError:
        return
    assert all(isinstance(frame.kind, FrameKind) for frame in frames)
