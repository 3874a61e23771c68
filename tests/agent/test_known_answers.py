"""A post that is recognised is treated as the parser would have treated it, and what is not recognised is parsed."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddock.agent.known_answers import known_head
from paddock.agent.runtime_api import RuntimeConnection
from paddock.core.environment import InvocationPhase, Rejection

POST = (
    b"POST /2018-06-01/runtime/invocation/%b/response HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nAccept: */*\r\n"
    b"content-type: application/json\r\nUser-Agent: aws-lambda-python/3.13.0\r\n"
    b"lambda-runtime-invocation-id: %b\r\ncontent-length: %d\r\n\r\n%b"
)
POLL = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n\r\n"


def post(
    invocation_id: bytes = b"6f0c5d5e-1111-4222-8333-444444444444", nonce: bytes = b"ab12-1f", body: bytes = b"{}"
) -> bytes:
    return POST % (invocation_id, nonce, len(body), body)


def test_the_next_answer_is_read_by_the_head_of_the_last() -> None:
    head = known_head(post(), "application/json")
    assert head is not None
    other = post(b"another-id", b"ab12-20", b"[1, 2, 3]")
    read = head.read(other)
    assert read is not None
    assert (read.invocation_id, read.nonce, other[read.body_at :]) == ("another-id", "ab12-20", b"[1, 2, 3]")
    assert read.end == len(other)


def test_a_body_that_is_still_to_come_is_known_by_its_length() -> None:
    head = known_head(post(), "application/json")
    assert head is not None
    whole = post(body=b"x" * 100)
    read = head.read(whole[:-100])
    assert read is not None
    assert read.end == len(whole)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"/response", b"/error"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Accept: */*", b"Expect: 100-continue"),
        (b"Accept: */*", b"Connection: close"),
        (b"Accept: */*", b"Transfer-Encoding: chunked"),
        (b"Accept: */*", b"Lambda-Runtime-Function-Response-Mode: streaming"),
        (b"Accept: */*", b"Lambda-Runtime-Function-Error-Type: Runtime.Unknown"),
        (b"Accept: */*", b"X-Amzn-Trace-Id: Root=1-2-3"),
        (b"Accept: */*", b"Content-Length: 2"),
        (b"content-length: 2\r\n", b""),
        (b"\r\n\r\n", b"\r\n"),
    ],
)
def test_a_post_that_asks_for_more_is_not_learnt(old: bytes, new: bytes) -> None:
    assert known_head(post().replace(old, new), "application/json") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Accept: */*", b"Accept: */x"),
        (b"content-type: application/json", b"content-type: application/jsom"),
        (b"content-length: 2", b"content-length: 2, 3"),
        (b"content-length: 2", b"content-length: +2"),
        (b"content-length: 2\r\n", b"content-length: 2\r\nExpect: 100-continue\r\n"),
        (b"6f0c", b"6f/c"),
    ],
)
def test_a_post_that_differs_in_anything_else_is_not_recognised(old: bytes, new: bytes) -> None:
    head = known_head(post(), "application/json")
    assert head is not None
    assert head.read(post().replace(old, new)) is None


class Recorder:
    """An environment in which every invocation runs until it is answered; keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def tell(*arguments: Any, **_named: Any) -> Any:
            told = [b"".join(one) if isinstance(one, list) else one for one in arguments if isinstance(one, str | list)]
            self.told.append((name, *told))
            if name == "begin_response" and arguments[1] == "late":
                return Rejection(410, "InvokeTimeout", "Invoke timeout")
            if name.startswith("begin_"):
                return Begun()
            return {"admits": True, "polled": None, "disconnected": None}.get(name, name.encode())

        return tell

    def respond_at_once(self, invocation: Delivered, content_type: str, body: bytes) -> bytes | None:
        if invocation.nonce == "late":
            return None
        self.begin_response(invocation.invocation_id, invocation.nonce, streaming=False)
        answer = self.respond(invocation, content_type, [body])
        assert isinstance(answer, bytes)
        return answer


class Delivered(NamedTuple):
    invocation_id: str
    nonce: str


class Begun:
    phase = InvocationPhase.RESPONDING


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1)

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    abort = close


def played(
    chunks: list[bytes], delivered: Delivered | None = None, *, learns: bool
) -> tuple[list[tuple[Any, ...]], list[bytes], bool]:
    recorder, wire = Recorder(), Wire()
    connection = RuntimeConnection(cast("Any", recorder))
    if not learns:
        connection._heads_learned = 1 << 30
    connection.connection_made(wire)
    for chunk in [post(), POLL]:
        connection.data_received(chunk)
    if delivered is None:
        connection._polling = False  # as after an event that was delivered elsewhere
    else:
        assert connection.deliver_event(cast("Any", delivered), b"", [b"{}"])
    for chunk in chunks:
        if not wire.closed:
            connection.data_received(chunk)
    if not wire.closed:
        connection.eof_received()
    connection.connection_lost(None)
    return recorder.told, wire.written, wire.closed


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


IDS = st.sampled_from([b"6f0c5d5e-1111-4222-8333-444444444444", b"r-1", b"late", b"a/b", b"", b"x" * 200])
NONCES = st.sampled_from([b"ab12-1f", b"late", b"", b"NOT-HEX", b"a" * 80])
BODIES = st.sampled_from([b"{}", b"", b"x" * 1000, b"\r\n\r\n", POLL])
EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from([b"", b"\r\n", b"0", b"9", b": ", b"Expect: x\r\n"])), max_size=2
)


DELIVERED = st.none() | st.builds(
    Delivered, st.sampled_from(["6f0c5d5e-1111-4222-8333-444444444444", "r-1"]), st.sampled_from(["ab12-1f", "late"])
)


@given(
    IDS, NONCES, BODIES, EDITS, st.integers(-2, 2), st.lists(st.integers(0, 2000), max_size=3), st.booleans(), DELIVERED
)
@settings(max_examples=400, deadline=None)
def test_with_and_without_recognition_the_same_happens(
    invocation_id: bytes,
    nonce: bytes,
    body: bytes,
    edits: list[tuple[int, bytes]],
    missing: int,
    places: list[int],
    polls_at_once: bool,
    delivered: Delivered | None,
) -> None:
    data = POST % (invocation_id, nonce, max(len(body) + missing, 0), body)
    for at, inserted in edits:
        data = data[:at] + inserted + data[at + len(inserted) :]
    chunks = cut(data + (POLL if polls_at_once else b""), places)
    assert played(chunks, delivered, learns=True) == played(chunks, delivered, learns=False)


@pytest.mark.parametrize("head_apart", [False, True])
def test_the_answer_to_what_was_delivered_on_a_connection_is_taken_at_once(head_apart: bool) -> None:
    data = post()
    asked, _, _ = played(
        [data[:-2], data[-2:]] if head_apart else [data],
        Delivered("6f0c5d5e-1111-4222-8333-444444444444", "ab12-1f"),
        learns=True,
    )
    assert ("respond", "application/json", b"{}") in asked[-3:]


@pytest.mark.parametrize(
    "other",
    [
        post(b"6f0c5d5e-1111-4222-8333-444444444445"),
        post(nonce=b"ab12-20"),
        post().replace(b"Accept: */*", b"Accept: */x"),
        post().replace(b"content-length: 2", b"content-length: +2"),
        post().replace(b"content-length: 2", b"content-length: 100000"),
        post().replace(b"content-length: 2\r\n", b"content-length: 2\r\nExpect: 100-continue\r\n"),
        post()[:-4],
    ],
)
def test_anything_else_is_not_the_answer_to_that_delivery(other: bytes) -> None:
    head = known_head(post(), "application/json")
    assert head is not None
    assert head.read_own(other, "6f0c5d5e-1111-4222-8333-444444444444", "ab12-1f") is None


@pytest.mark.parametrize("nonce_line", [b"lambda-runtime-invocation-id: ab12-1f\r\n", b""])
def test_a_client_that_sends_no_nonce_back_is_known_as_well(nonce_line: bytes) -> None:
    data = post().replace(b"lambda-runtime-invocation-id: ab12-1f\r\n", nonce_line)
    head = known_head(data, "application/json")
    assert head is not None
    assert head.read_own(data, "6f0c5d5e-1111-4222-8333-444444444444", "ab12-1f") == (len(data) - 2, len(data))


def test_where_the_length_comes_before_the_nonce_only_the_pattern_knows() -> None:
    data = post().replace(b"content-length: 2\r\n", b"").replace(b"lambda-r", b"content-length: 2\r\nlambda-r")
    head = known_head(data, "application/json")
    assert head is not None
    assert head.read_own(data, "6f0c5d5e-1111-4222-8333-444444444444", "ab12-1f") is None
    read = head.read(data)
    assert read is not None
    assert read.end == len(data)
