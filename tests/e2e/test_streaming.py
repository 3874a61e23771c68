"""Streamed answers of the real Node.js client, read with boto3 through router and agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.conftest import create_function, invoke, package

pytestmark = [pytest.mark.e2e, pytest.mark.toolchain]
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def streaming(api: Any, provider: str) -> str:
    create_function(
        api,
        provider,
        "streaming",
        Runtime="nodejs22.x",
        Handler="stream.handler",
        Code={"ZipFile": package("stream.mjs")},
        Timeout=60,
    )
    return "streaming"


def events(api: Any, function: str, event: object) -> Iterator[dict[str, Any]]:
    answer = api.invoke_with_response_stream(FunctionName=function, Payload=json.dumps(event).encode())
    assert answer["StatusCode"] == 200
    yield from answer["EventStream"]


def pieces(found: list[dict[str, Any]]) -> bytes:
    return b"".join(one["PayloadChunk"]["Payload"] for one in found if "PayloadChunk" in one)


def test_the_first_piece_arrives_while_the_handler_still_runs(api: Any, streaming: str) -> None:
    """The handler goes on only after another invocation, which is made once the first piece is here, has ended."""
    stream = events(api, streaming, {"wait": 3})
    first = next(stream)
    assert first["PayloadChunk"]["Payload"] == b"first,"
    assert pieces(list(events(api, streaming, {}))) == b"first,last"
    rest = list(stream)
    assert pieces(rest) == b"last"
    assert rest[-1] == {"InvokeComplete": {}}


def test_a_stream_larger_than_a_whole_answer_arrives_complete(api: Any, streaming: str) -> None:
    found = list(events(api, streaming, {"kilobytes": 8 * 1024}))
    body = pieces(found)
    assert (len(body), body[:6], body[-4:]) == (8 * MEBIBYTE + 10, b"first,", b"last")
    assert set(body[6:-4]) == {ord("x")}
    assert found[-1] == {"InvokeComplete": {}}


def test_an_error_in_the_middle_is_told_at_the_end(api: Any, streaming: str) -> None:
    found = list(events(api, streaming, {"fail": "no more"}))
    assert pieces(found) == b"first,"
    complete = found[-1]["InvokeComplete"]
    assert complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "no more"


def test_a_worker_that_ends_in_the_middle_truncates_its_stream(api: Any, streaming: str) -> None:
    found = list(events(api, streaming, {"leave": True, "wait": 0.2}))
    assert pieces(found) == b"first,"
    assert found[-1]["InvokeComplete"]["ErrorCode"] == "Unhandled"


def test_whoever_wants_it_whole_gets_it_whole(api: Any, streaming: str) -> None:
    answer = api.invoke(FunctionName=streaming, Payload=b"{}")
    assert "FunctionError" not in answer
    assert answer["Payload"].read() == b"first,last"


def test_a_whole_answer_larger_than_six_megabytes_is_a_function_error(api: Any, streaming: str) -> None:
    answer = api.invoke(FunctionName=streaming, Payload=b'{"kilobytes": 7168}')
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_reader_that_stops_reading_holds_up_nobody_else(api: Any, streaming: str, function: str) -> None:
    """Another function on the same instances; in one thread of its own the client sends streams one after the other."""
    slow = events(api, streaming, {"kilobytes": 12 * 1024})
    next(slow)
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(invoke, api, function, {"n": n}) for n in range(40)]
        assert [other.result()["event"] for other in others] == [{"n": n} for n in range(40)]
    rest = list(slow)
    assert rest[-1] == {"InvokeComplete": {}}
    assert len(pieces(rest)) == 12 * MEBIBYTE + 4
