"""Requests that are taken apart by their lines are those that the parser would have made of the same bytes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from paddock.awsapi.known_lines import LINES_REMEMBERED, KnownLines
from tests.awsapi.test_connection import Conversation

START = b"POST /2015-03-31/functions/f/invocations?Qualifier=1 HTTP/1.1"
PLAIN = (START, b"Host: x", b"X-Amz-Date: 20261123T165659Z", b"Authorization: AWS4-HMAC-SHA256 Signature=0")

TAUGHT = b"\r\n".join(
    [
        START,
        b"Host: x",
        b"Authorization: AWS4-HMAC-SHA256 Signature=" + b"0" * 64,
        b"amz-sdk-invocation-id: x" + b"0" * 36,
        b"X-Amz-Content-SHA256: u" + b"0" * 64,
        b"",
        b"",
    ]
)
"""What comes after it is taken apart with what was remembered of it."""

starts = st.sampled_from(
    (
        START,
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET  / HTTP/1.1",
        b"get / HTTP/1.1",
        b"GET /\xc3\xa4 HTTP/1.1",
        b"GET /a#b HTTP/1.1",
        b"GET http://x/a HTTP/1.1",
        b"CONNECT x:1 HTTP/1.1",
        b"HEAD /a?b?c HTTP/1.1",
        b"POST /a HTTP/1.1 ",
        b"HTTP/1.1 200 OK",
        b"",
    )
)
names = st.sampled_from(
    (
        b"Host", b"host", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection", b"Expect", b"TE",
        b"Upgrade", b"Authorization", b"authorization", b"X-Amz-Date", b"x-amzn-trace-id", b"Na me", b"\xc3\xa4", b"",
        b"A_b",
    )
)  # fmt: skip
separators = st.sampled_from((b": ", b":", b" : ", b":  ", b":\t", b" "))
values = st.one_of(
    st.sampled_from(
        (b"x", b"0", b"5", b"05", b"+5", b"-1", b"5, 5", b"chunked", b"close", b"100-continue", b"h2c", b"Keep-Alive")
    ),
    st.binary(max_size=6),
    st.text(alphabet="a \t\n\r\0\x7f", max_size=4).map(str.encode),
)
headers = st.tuples(names, separators, values).map(b"".join)
beginnings = st.sampled_from(
    (b"Authorization: AWS4-HMAC-SHA256 Signature=", b"amz-sdk-invocation-id: ", b"X-Amz-Content-SHA256: u")
)
ends = st.one_of(
    st.sampled_from((b"0" * 64, b"f" * 36, b"2a3b4c5d-0000-4000-8000-1234567890ab", b"-" * 36)),
    st.sampled_from((b" ", b"\n", b"\r", b"\0", b"\t", b"\x7f", b"\xe4", b"=")).map(lambda odd: b"0" * 63 + odd),
    st.sampled_from((b" ", b"\n", b"\r", b"\0", b"\t", b"\x7f", b"\xe4", b"=")).map(lambda odd: odd + b"0" * 35),
)
signed_headers = st.tuples(beginnings, ends).map(b"".join)
plain_headers = st.sampled_from((*PLAIN[1:], b"Content-Length: 5", b"Content-Length: 0"))
lines = st.lists(st.one_of(plain_headers, signed_headers, headers), max_size=6)
bodies = st.sampled_from((b"", b"hello", b"hello!", b"5\r\nhello\r\n0\r\n\r\n"))


def as_parsed(data: bytes) -> Conversation:
    """Of bytes that come in two pieces no request is whole."""
    conversation = Conversation()
    conversation.feed([data[:1], data[1:]])
    return conversation


def shown(conversation: Conversation) -> tuple[object, ...]:
    """All that a client or a handler sees of it."""
    requests = [
        (one.method, one.target, one.path, one.query, list(one.headers.items()), one.body, one.http_10, one.body_sha256)
        for one in conversation.requests
    ]
    written = [line for line in conversation.transport.written.split(b"\r\n") if not line.startswith(b"Date: ")]
    return requests, written, conversation.transport.closed


@given(starts, lines, bodies)
@example(START, [*PLAIN[1:], b"Content-Length: 5"], b"hello")
@example(START, [*PLAIN[1:], b"Host: x"], b"")
@example(START, [*PLAIN[1:], b"Connection: close"], b"")
@example(START, [*PLAIN[1:], b"Connection: keep-alive"], b"")
@example(START, [*PLAIN[1:], b"Connection: keep-alive, close"], b"")
def test_a_request_is_the_same_whoever_takes_it_apart(start: bytes, lines: list[bytes], body: bytes) -> None:
    data = b"\r\n".join([start, *lines, b"", body])
    whole = Conversation()
    whole.listening.known_lines.request(TAUGHT)
    whole.feed([data])

    assert shown(whole) == shown(as_parsed(data))


@given(starts, lines, bodies)
def test_what_the_lines_give_is_what_the_parser_gives(start: bytes, lines: list[bytes], body: bytes) -> None:
    data = b"\r\n".join([start, *lines, b"", body])
    known = KnownLines()
    known.request(TAUGHT)
    known.request(data)
    found = known.request(data)

    if found is not None:
        (parsed,) = as_parsed(data).requests
        assert (found.method, found.target, found.path, found.query) == (
            parsed.method, parsed.target, parsed.path, parsed.query,
        )  # fmt: skip
        assert (found.headers, found.body, found.http_10) == (parsed.headers, parsed.body, parsed.http_10)


def test_a_signed_request_with_a_body_needs_no_parser() -> None:
    data = b"\r\n".join([*PLAIN, b"Content-Length: 5", b"", b"hello"])
    found = KnownLines().request(data)

    assert found is not None
    assert (found.path, found.query) == ("/2015-03-31/functions/f/invocations", "Qualifier=1")
    assert found.headers[b"authorization"] == b"AWS4-HMAC-SHA256 Signature=0"
    assert found.body == b"hello"


def test_a_client_that_says_that_it_keeps_its_connection_is_plain() -> None:
    lines = KnownLines()

    assert lines.request(b"\r\n".join([*PLAIN, b"Connection: keep-alive", b"", b""])) is not None
    assert lines.request(b"\r\n".join([*PLAIN, b"Connection: close", b"", b""])) is None


def test_part_of_a_request_or_more_than_one_is_left_to_the_parser() -> None:
    data = b"\r\n".join([*PLAIN, b"Content-Length: 5", b"", b"hello"])
    lines = KnownLines()

    assert lines.request(data[:-1]) is None
    assert lines.request(data + b"G") is None
    assert lines.request(data[: data.index(b"\r\n\r\n")]) is None


def test_clients_that_never_repeat_themselves_fill_no_memory() -> None:
    lines = KnownLines()
    for number in range(3 * LINES_REMEMBERED):
        found = lines.request(b"GET /%d HTTP/1.1\r\nHost: x\r\nX-Number: %d\r\n\r\n" % (number, number))
        assert found is not None
        assert found.headers[b"x-number"] == b"%d" % number
    assert lines.remembered <= 2 * LINES_REMEMBERED


def test_of_a_signature_only_the_end_is_new() -> None:
    known = KnownLines()
    assert known.request(TAUGHT) is not None
    remembered = known.remembered
    again = known.request(TAUGHT.replace(b"0" * 36, b"1" * 36))

    assert again is not None
    assert again.headers[b"authorization"].endswith(b"1" * 36 + b"0" * 28)
    assert known.remembered == remembered


def test_requests_after_one_another_are_taken_apart_alike_in_any_order() -> None:
    plain = b"\r\n".join([*PLAIN, b"Content-Length: 5", b"", b"hello"])
    chunked = b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    conversation = Conversation()
    conversation.feed([plain, chunked[:20], chunked[20:], plain, plain + chunked, plain])

    assert [one.body for one in conversation.requests] == [b"hello"] * 6
    assert conversation.transport.written.count(b"HTTP/1.1 200 OK\r\n") == 6
