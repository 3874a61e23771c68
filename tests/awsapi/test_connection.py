"""A connection without sockets: however its bytes are cut, and whatever they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from paddock.awsapi.connection import NEVER, Connection
from paddock.awsapi.limits import DIRECT_BODY_BYTES, HttpLimits
from paddock.awsapi.listening import Listening, refuse_plainly
from paddock.awsapi.messages import Request, Responder
from paddock.ports.clock import SystemClock

LIMITS = HttpLimits(head_bytes=2000, pipelined_requests=100)
LARGE = b"l" * (DIRECT_BODY_BYTES + 7)


class Recorder(asyncio.Transport):
    """Keeps what is written and what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.reading = True

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        assert not self.closed
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Conversation:
    """A connection whose requests are answered at once, or later if so wished."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.requests: list[Request] = []
        self.waiting: list[Responder] = []
        self.transport = Recorder()
        self._at_once = at_once
        self.listening = Listening(self._handle, refuse_plainly, lambda _m, _p, _h: 10**6, LIMITS, SystemClock())
        self.connection = Connection(self.listening)
        self.connection.connection_made(self.transport)

    def feed(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            if not self.transport.closed:
                self.connection.data_received(piece)
            self.answer_waiting()

    def answer_waiting(self) -> None:
        while self.waiting:
            self.waiting.pop(0).send(200, (), self.requests[-1].body)

    def _handle(self, request: Request, responder: Responder) -> None:
        self.requests.append(request)
        if self._at_once:
            responder.send(200, (), request.body)
        else:
            self.waiting.append(responder)


def sweep_until_over(conversation: Conversation) -> None:
    """Whatever state a connection is in, time alone ends it."""
    for _ in range(3 * LIMITS.idle_timeout_seconds):
        conversation.listening.sweep()


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[start:end] for start, end in pairwise(places)]


def with_length(path: str, body: bytes) -> bytes:
    return f"POST /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def expecting(path: str, body: bytes) -> bytes:
    head = f"PUT /{path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def in_chunks(path: str, body: bytes) -> bytes:
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut(body, (3, 11, 4000)) if piece]
    return (
        f"POST /{path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + b"".join(chunks)
        + b"0\r\n\r\n"
    )


bodies = st.one_of(st.binary(max_size=40), st.just(LARGE))
kinds = st.sampled_from([with_length, expecting, in_chunks])
sent = st.lists(st.tuples(kinds, st.from_regex(r"[a-z]{0,5}", fullmatch=True), bodies), min_size=1, max_size=5)
places = st.lists(st.integers(0, 10**6), max_size=12)


@given(sent, places, st.booleans())
def test_requests_are_the_same_however_their_bytes_are_cut(
    sent: list[tuple[Callable[[str, bytes], bytes], str, bytes]], places: list[int], at_once: bool
) -> None:
    conversation = Conversation(at_once=at_once)

    conversation.feed(cut(b"".join(kind(path, body) for kind, path, body in sent), places))

    assert [(one.path, one.body) for one in conversation.requests] == [(f"/{path}", body) for _, path, body in sent]
    assert conversation.transport.written.count(b"HTTP/1.1 200 OK\r\n") == len(sent)
    assert conversation.listening.arriving_bytes == 0
    assert conversation.transport.reading
    assert not conversation.transport.closed


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_no_bytes_make_it_fail(pieces: list[bytes]) -> None:
    conversation = Conversation()
    conversation.feed(pieces)
    assert conversation.connection.deadline < NEVER
    sweep_until_over(conversation)
    assert conversation.transport.closed


PARTS = (
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"POST /a HTTP/1.1\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"Host: x\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Connection: close\r\n",
    b"A: " + b"x" * 1500 + b"\r\n",
    b"\r\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"0\r\n",
    b"fffffffffffffffff\r\n",
    b" ",
    b"\x00",
)


@given(st.lists(st.sampled_from(PARTS), max_size=14), places)
def test_no_mixture_of_right_parts_makes_it_fail(parts: list[bytes], places: list[int]) -> None:
    conversation = Conversation()
    conversation.feed(cut(b"".join(parts), places))
    assert conversation.connection.deadline < NEVER
    sweep_until_over(conversation)
    assert conversation.transport.closed
    conversation.connection.connection_lost(None)
    assert conversation.listening.arriving_bytes == 0
    assert not conversation.listening.connections
