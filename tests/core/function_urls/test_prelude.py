from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.function_urls.answers import AnswerHead, Malformed
from paddock.core.function_urls.prelude import DELIMITER, MOST_BYTES, Begun, PreludeReader

TEAPOT = json.dumps({"statusCode": 418, "headers": {"X-Pot": "tea"}, "cookies": ["a=1"]}).encode()
HEAD = AnswerHead(418, (("X-Pot", "tea"), ("Set-Cookie", "a=1")))


def fed(pieces: Sequence[bytes]) -> tuple[AnswerHead | Malformed | None, bytes]:
    """What became of the prelude, and the body: what came with it and all pieces after."""
    reader = PreludeReader()
    for number, piece in enumerate(pieces):
        found = reader.feed(piece)
        if isinstance(found, Begun):
            return found.head, found.body + b"".join(pieces[number + 1 :])
        if found is not None:
            return found, b""
    return None, b""


def cut(stream: bytes, *places: int) -> list[bytes]:
    bounds = [0, *sorted(places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(bounds)]


@pytest.mark.parametrize("body", [b"", b"body", DELIMITER, b"\0tea\0", b"\0" * 20])
def test_cut_at_any_two_places_it_is_the_same(body: bytes) -> None:
    stream = TEAPOT + DELIMITER + body
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert fed(cut(stream, first, second)) == (HEAD, body)


def test_byte_by_byte_it_is_the_same() -> None:
    stream = TEAPOT + DELIMITER + b"\0body"
    assert fed([bytes([byte]) for byte in stream]) == (HEAD, b"\0body")


@given(
    status=st.integers(200, 599),
    headers=st.dictionaries(st.from_regex(r"x-[a-z]{1,8}", fullmatch=True), st.text("abc \t", max_size=20), max_size=4),
    body=st.binary(max_size=200),
    places=st.lists(st.integers(0, 600), max_size=12),
)
def test_any_prelude_and_any_body_cut_anywhere_come_out_whole(
    status: int, headers: dict[str, str], body: bytes, places: list[int]
) -> None:
    stream = json.dumps({"statusCode": status, "headers": headers}).encode() + DELIMITER + body
    found, rest = fed(cut(stream, *(min(place, len(stream)) for place in places)))
    assert found == AnswerHead(status, tuple(headers.items()))
    assert rest == body


@given(stream=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=8))
def test_whatever_comes_the_cuts_do_not_matter(stream: bytes, places: list[int]) -> None:
    assert fed(cut(stream, *(min(place, len(stream)) for place in places))) == fed([stream])


@pytest.mark.parametrize("missing", range(1, 9))
def test_without_all_eight_bytes_nothing_has_begun(missing: int) -> None:
    assert fed([TEAPOT + DELIMITER[missing:]]) == (None, b"")


@pytest.mark.parametrize(
    "prelude", [b"", b"no json", b"[]", b'"text"', b'{"statusCode":"x"}', b"{\0}", b"\xff", b"[" * 60_000]
)
def test_a_prelude_that_is_none_is_malformed(prelude: bytes) -> None:
    found, _ = fed([prelude + DELIMITER])
    assert isinstance(found, Malformed)


def test_a_prelude_is_bounded_wherever_it_is_cut() -> None:
    filler = MOST_BYTES - len(b'{"x":""}')
    longest = b'{"x":"%b"}' % (b"y" * filler)
    assert fed([longest + DELIMITER]) == (AnswerHead(200, ()), b"")
    assert fed([longest, DELIMITER[:3], DELIMITER[3:], b"z"]) == (AnswerHead(200, ()), b"z")
    too_long = b'{"x":"%b"}' % (b"y" * (filler + 1))
    for pieces in ([too_long + DELIMITER], [too_long, DELIMITER[:7], DELIMITER[7:]], cut(too_long + DELIMITER, 100)):
        found, _ = fed(pieces)
        assert isinstance(found, Malformed)


def test_a_stream_without_an_end_of_its_prelude_is_not_gathered_for_ever() -> None:
    reader = PreludeReader()
    found = None
    for _ in range(MOST_BYTES // 1024 + 1):
        found = reader.feed(b"x" * 1024)
        if found is not None:
            break
    assert isinstance(found, Malformed)
