from hypothesis import given
from hypothesis import strategies as st

from paddock.agent.limits import MAX_LINE_BYTES
from paddock.agent.log_lines import LineCutter


@given(text=st.binary(max_size=300), cuts=st.lists(st.integers(1, 20), min_size=1))
def test_lines_are_the_same_however_the_stream_is_cut(text: bytes, cuts: list[int]) -> None:
    cutter = LineCutter()
    lines = []
    at, turn = 0, 0
    while at < len(text):
        step = cuts[turn % len(cuts)]
        lines += cutter.feed(text[at : at + step])
        at, turn = at + step, turn + 1
    lines += cutter.flush()

    assert lines == [line for line in text.split(b"\n") if line]


def test_a_line_that_is_too_long_goes_on_as_the_next() -> None:
    cutter = LineCutter()
    whole = cutter.feed(b"x" * (2 * MAX_LINE_BYTES + 5) + b"\nshort\n")
    assert [len(line) for line in whole] == [MAX_LINE_BYTES, MAX_LINE_BYTES, 5, 5]

    endless = [line for _ in range(10) for line in cutter.feed(b"y" * 100_000)]
    assert all(len(line) == MAX_LINE_BYTES for line in endless)
    assert len(cutter.flush()[0]) < MAX_LINE_BYTES
    assert cutter.flush() == []
