from hypothesis import given
from hypothesis import strategies as st

from paddock.wire.frames import HEAD, HEAD_BYTES, MAX_CHUNK_BYTES, MAX_FRAME_BYTES, MORE, FrameKind, pack_head


@given(
    kind=st.sampled_from(FrameKind),
    call=st.integers(0, 2**64 - 1),
    body_bytes=st.integers(0, 2**32 - 1),
    header_bytes=st.integers(0, 2**16 - 1),
    flags=st.sampled_from([0, MORE]),
)
def test_a_head_says_what_it_was_made_of(
    kind: FrameKind, call: int, body_bytes: int, header_bytes: int, flags: int
) -> None:
    head = pack_head(kind, call, body_bytes, header_bytes=header_bytes, flags=flags)

    assert len(head) == HEAD_BYTES == 16
    assert HEAD.unpack(head) == (body_bytes, kind, flags, header_bytes, call)


def test_kinds_are_numbers_that_never_change() -> None:
    """They are on the wire between processes of different versions."""
    assert {kind.name: int(kind) for kind in FrameKind} == {
        "CONTROL": 1,
        "INVOKE": 2,
        "RESULT": 3,
        "STREAM_HEAD": 4,
        "DATA": 5,
        "STREAM_END": 6,
        "CANCEL": 7,
        "PAUSE": 8,
        "RESUME": 9,
        "SLOT_RELEASED": 10,
    }


def test_a_chunk_fits_a_frame() -> None:
    assert MAX_CHUNK_BYTES < MAX_FRAME_BYTES
