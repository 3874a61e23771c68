import base64

from hypothesis import given
from hypothesis import strategies as st

from paddock.agent.log_tail import TAIL_BYTES, LogTail


@given(st.lists(st.binary(max_size=3000), max_size=12))
def test_it_is_the_end_of_all_lines(lines: list[bytes]) -> None:
    tail = LogTail()
    for line in lines:
        tail.add(line)
    whole = b"".join(line + b"\n" for line in lines)
    assert base64.b64decode(tail.text()) == whole[-TAIL_BYTES:]


def test_it_begins_anew() -> None:
    tail = LogTail()
    tail.add(b"before")
    tail.clear()
    tail.add(b"after")
    assert base64.b64decode(tail.text()) == b"after\n"
