"""Function URLs over real sockets: a client on one side, an agent that does as told on the other."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from paddock.core.function_urls.prelude import CONTENT_TYPE, DELIMITER
from paddock.router.function_url_metrics import url_exposition
from paddock.wire.agent import ResultHeader
from paddock.wire.frames import FrameKind
from paddock.wire.routes import FunctionRouteRemoved
from tests.awsapi.signing import KEY_ID
from tests.router.driving import function_route, until
from tests.router.scripted_agent import Invocation, Script, keep, refuse
from tests.router.visiting import ALIASED, CROSS, NOTHING, OPEN, PAGE, SIGNED, STREAMED, URLS, signature, visited

MIB = 1024 * 1024
FORBIDDEN = b'{"Message":"Forbidden"}'
INTERNAL = b"Internal Server Error"
TEAPOT = json.dumps({"statusCode": 418, "headers": {"X-Pot": "tea"}, "cookies": ["a=1", "b=2"]}).encode()


def answering(value: Any) -> Script:
    return lambda invocation: invocation.answer(json.dumps(value).encode())


def event_of(invocation: Invocation) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(invocation.payload)
    return event


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_request_is_an_event_and_its_answer_an_http_answer(tmp_path: Path) -> None:
    answered = {"statusCode": 201, "headers": {"X-Made": "yes"}, "cookies": ["a=1", "b=2"], "body": "made"}
    async with visited(tmp_path, answering(answered)) as place:
        headers = {"X-Own": "1", "Cookie": "c=3", "Content-Type": "text/plain", "User-Agent": "test"}
        seen = await place.visit(OPEN, "POST /a%2Fb?x=1&x=2&y=", headers, b"text")
        [invocation] = place.agent.invocations

    assert (seen.status, seen.body) == (201, b"made")
    assert [value for name, value in seen.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert (seen.header("x-made"), seen.header("content-type")) == ("yes", "application/json")
    assert seen.header("x-amzn-requestid") == invocation.header.invocation_id
    event = event_of(invocation)
    assert (event["rawPath"], event["rawQueryString"]) == ("/a%2Fb", "x=1&x=2&y=")
    assert event["queryStringParameters"] == {"x": "1,2", "y": ""}
    assert (event["cookies"], event["body"], event["isBase64Encoded"]) == (["c=3"], "text", False)
    assert event["headers"]["x-own"] == "1"
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["requestId"] == invocation.header.invocation_id
    assert not invocation.header.streaming


async def test_the_url_of_an_alias_invokes_the_alias(tmp_path: Path) -> None:
    async with visited(tmp_path, answering({})) as place:
        assert (await place.visit(ALIASED)).status == 200
        assert place.agent.invocations[0].header.invoked_function_arn.endswith(":function:f:live")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (lambda one: one.fail(b'{"errorType":"E"}'), None),
        (lambda one: one.fail(b'{"errorType":"Sandbox.Timedout"}', "Sandbox.Timedout", slot_held=True), None),
        (answering({"statusCode": "soon"}), "statusCode is not a number from 200 to 599"),
        (lambda one: one.answer(b"<html>"), "the function's answer is not JSON"),
    ],
)
@pytest.mark.parametrize("url_id", [OPEN, STREAMED])
async def test_a_function_that_fails_is_a_502(tmp_path: Path, script: Script, reason: str | None, url_id: str) -> None:
    async with visited(tmp_path, script) as place:
        seen = await place.visit(url_id)
    if url_id == STREAMED and reason is not None:
        assert seen.status == 200  # what is streamed is nobody's format
    else:
        assert (seen.status, seen.body, seen.header("x-paddock-reason")) == (502, INTERNAL, reason)


@pytest.mark.parametrize("url_id", [OPEN, STREAMED])
async def test_without_a_slot_it_is_a_429(tmp_path: Path, url_id: str) -> None:
    async with visited(tmp_path, refuse) as place:
        seen = await place.visit(url_id)
    assert (seen.status, seen.body) == (429, b'{"Message":"Rate Exceeded."}')


@pytest.mark.parametrize("url_id", [OPEN, STREAMED])
async def test_an_instance_that_is_lost_is_a_502(tmp_path: Path, url_id: str) -> None:
    async with visited(tmp_path, lambda _: place.agent.drop_connections()) as place:
        seen = await place.visit(url_id)
    assert (seen.status, seen.body) == (502, INTERNAL)


async def test_what_cannot_be_invoked_is_a_502_with_the_reason(tmp_path: Path) -> None:
    async with visited(tmp_path) as place:
        seen = await place.visit(NOTHING)
    assert (seen.status, seen.body) == (502, INTERNAL)
    assert "$LATEST" in (seen.header("x-paddock-reason") or "")


async def test_a_url_that_is_not_there_is_forbidden(tmp_path: Path) -> None:
    async with visited(tmp_path) as place:
        assert (await place.visit("x" * 32)).body == FORBIDDEN
        place.router.apply(FunctionRouteRemoved("f"))
        seen = await place.visit(OPEN)
    assert (seen.status, seen.body) == (403, FORBIDDEN)
    assert place.agent.invocations == []


async def test_a_request_larger_than_an_event_may_be_is_a_413(tmp_path: Path) -> None:
    async with visited(tmp_path) as place:
        seen = await place.visit(OPEN, "POST /", body=b"x" * (5 * MIB))
        assert (seen.status, json.loads(seen.body)) == (413, {"Message": "Request Entity Too Large"})
        seen = await place.visit(OPEN, "POST /", {"Content-Type": "text/plain"}, b"x" * (5 * MIB))
    assert seen.status == 200
    assert len(event_of(place.agent.invocations[0])["body"]) == 5 * MIB


async def test_whoever_signs_is_let_in_and_named_in_the_event(tmp_path: Path) -> None:
    async with visited(tmp_path, answering({})) as place:
        seen = await place.visit(SIGNED, "POST /a", signature("POST /a", b"body", at=now()), b"body")
    assert seen.status == 200
    context = event_of(place.agent.invocations[0])["requestContext"]
    assert context["accountId"] == "123456789012"
    assert context["authorizer"]["iam"]["accessKey"] == KEY_ID
    assert context["authorizer"]["iam"]["userArn"] == "arn:aws:iam::123456789012:root"


@pytest.mark.parametrize(
    ("sign", "said"),
    [
        (dict, {"Message": "Forbidden"}),
        (lambda: signature("GET /other", at=now()), "signature we calculated does not match"),
        (lambda: signature("GET /", at=now(), secret="wrong"), "signature we calculated does not match"),
        (lambda: signature("GET /", at=now(), service="s3"), "correct service"),
        (lambda: signature("GET /", at=now() - timedelta(hours=1)), "Signature expired"),
        (lambda: {"Authorization": "Bearer token"}, "Authorization"),
    ],
)
async def test_who_does_not_sign_rightly_is_not(
    tmp_path: Path, sign: Callable[[], dict[str, str]], said: object
) -> None:
    async with visited(tmp_path) as place:
        seen = await place.visit(SIGNED, headers=sign())
    document = json.loads(seen.body)
    assert seen.status == 403
    assert document == said or str(said) in document["message"]
    assert place.agent.invocations == []


async def test_a_browser_s_question_is_answered_by_the_platform_signed_or_not(tmp_path: Path) -> None:
    async with visited(tmp_path) as place:
        asked = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}
        seen = await place.visit(SIGNED, "OPTIONS /", asked)
        other = await place.visit(SIGNED, "OPTIONS /", asked | {"Origin": "https://other.example"})
        assert place.agent.invocations == []
        await place.visit(OPEN, "OPTIONS /", asked)
        assert len(place.agent.invocations) == 1
    assert (seen.status, seen.body) == (200, b"")
    assert seen.header("access-control-allow-origin") == PAGE
    assert seen.header("access-control-allow-methods") == "PUT"
    assert (other.status, other.header("access-control-allow-origin")) == (200, None)


@pytest.mark.parametrize("script", [answering({}), lambda one: one.fail(b"{}")])
async def test_answers_to_pages_say_that_they_may_be_read(tmp_path: Path, script: Script) -> None:
    async with visited(tmp_path, script) as place:
        seen = await place.visit(CROSS, headers={"Origin": PAGE})
    assert seen.header("access-control-allow-origin") == PAGE
    assert seen.header("access-control-expose-headers") == "x-a"


async def test_a_stream_with_a_prelude_in_pieces_is_an_http_answer_while_the_function_runs(tmp_path: Path) -> None:
    async with visited(tmp_path, keep) as place:
        visitor = await place.connect()
        visitor.send(STREAMED)
        await until(lambda: place.agent.invocations)
        [invocation] = place.agent.invocations
        invocation.start_stream(CONTENT_TYPE)
        for piece in (TEAPOT[:7], TEAPOT[7:], DELIMITER[:3], DELIMITER[3:] + b"first"):
            invocation.stream(piece)
        status, headers = await visitor.head()
        first = await visitor.piece()
        invocation.stream(b"second")
        second = await visitor.piece()
        invocation.end_stream()
        last = await visitor.piece()
        visitor.leave()

    assert invocation.header.streaming
    assert (status, [first, second, last]) == (418, [b"first", b"second", b""])
    assert [value for name, value in headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert (dict(headers)["x-pot"], dict(headers)["content-type"]) == ("tea", "application/octet-stream")


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream"])
async def test_a_stream_without_a_prelude_is_a_200_of_its_type(tmp_path: Path, content_type: str) -> None:
    def stream(invocation: Invocation) -> None:
        invocation.start_stream(content_type)
        invocation.stream(b"<p>")
        invocation.end_stream(body=b"</p>")

    async with visited(tmp_path, stream) as place:
        seen = await place.visit(STREAMED)
    assert (seen.status, seen.header("content-type"), seen.body) == (200, content_type, b"<p></p>")


async def test_a_function_that_does_not_stream_is_passed_on_as_it_answered(tmp_path: Path) -> None:
    async with visited(tmp_path, lambda one: one.end(ResultHeader("ok", "", "application/json"), b'{"a": 1}')) as place:
        seen = await place.visit(STREAMED)
    assert (seen.status, seen.header("content-type"), seen.body) == (200, "application/json", b'{"a": 1}')


@pytest.mark.parametrize("content_type", ["text/plain", CONTENT_TYPE])
async def test_an_error_in_the_middle_cuts_the_connection(tmp_path: Path, content_type: str) -> None:
    def fail(invocation: Invocation) -> None:
        invocation.start_stream(content_type)
        invocation.stream(TEAPOT + DELIMITER + b"begun")
        invocation.end_stream(ResultHeader("function_error", "Runtime.Unknown"), b"{}")

    async with visited(tmp_path, fail) as place:
        visitor = await place.connect()
        visitor.send(STREAMED)
        status, _ = await visitor.head()
        begun = await visitor.piece()
        rest = await visitor.reader.read()
        visitor.leave()
    assert status == (418 if content_type == CONTENT_TYPE else 200)
    assert begun.endswith(b"begun")
    assert rest == b""  # and not the chunk that ends a whole answer


async def test_an_error_within_the_prelude_is_a_502(tmp_path: Path) -> None:
    def fail(invocation: Invocation) -> None:
        invocation.start_stream(CONTENT_TYPE)
        invocation.stream(TEAPOT)
        invocation.end_stream(ResultHeader("function_error", "Runtime.Unknown"), b"{}")

    async with visited(tmp_path, fail) as place:
        seen = await place.visit(STREAMED)
    assert (seen.status, seen.body) == (502, INTERNAL)


async def test_a_prelude_without_its_end_is_a_502_with_the_reason(tmp_path: Path) -> None:
    def stop(invocation: Invocation) -> None:
        invocation.start_stream(CONTENT_TYPE)
        invocation.stream(TEAPOT + DELIMITER[1:])
        invocation.end_stream()

    async with visited(tmp_path, stop) as place:
        seen = await place.visit(STREAMED)
    assert (seen.status, seen.header("x-paddock-reason")) == (502, "the answer ends within its prelude")


async def test_a_prelude_that_is_none_is_a_502_and_the_rest_is_not_wanted(tmp_path: Path) -> None:
    async with visited(tmp_path, keep) as place:
        visitor = await place.connect()
        visitor.send(STREAMED)
        await until(lambda: place.agent.invocations)
        [invocation] = place.agent.invocations
        invocation.start_stream(CONTENT_TYPE)
        invocation.stream(b"no prelude" + DELIMITER)
        seen = await visitor.seen()
        await until(lambda: FrameKind.CANCEL in [kind for kind, _ in place.agent.tellings])
        invocation.stream(b"more")
        invocation.end_stream()
        visitor.send(STREAMED)
        await until(lambda: len(place.agent.invocations) == 2)
        visitor.leave()
    assert (seen.status, seen.header("x-paddock-reason")) == (502, "the prelude of the answer is not JSON")


async def test_a_status_without_a_body_has_none_whatever_is_streamed(tmp_path: Path) -> None:
    def stream(invocation: Invocation) -> None:
        invocation.start_stream(CONTENT_TYPE)
        invocation.stream(b'{"statusCode":204}' + DELIMITER + b"a body")
        invocation.end_stream(body=b"and more")

    async with visited(tmp_path, stream) as place:
        visitor = await place.connect()
        for _ in range(2):  # what was written too much would be in the way of the second
            visitor.send(STREAMED)
            assert (await visitor.seen()).status == 204
        visitor.leave()


async def test_a_stream_is_gathered_for_a_url_that_buffers(tmp_path: Path) -> None:
    def stream(invocation: Invocation) -> None:
        invocation.start_stream(CONTENT_TYPE)
        invocation.stream(TEAPOT + DELIMITER[:5])
        invocation.end_stream(body=DELIMITER[5:] + b"body")

    async with visited(tmp_path, stream) as place:
        seen = await place.visit(OPEN)
    assert (seen.status, seen.header("x-pot"), seen.body) == (418, "tea", b"body")
    assert seen.header("content-length") == "4"


@pytest.mark.parametrize(
    ("content_type", "body", "shown_type", "shown"),
    [
        ("application/octet-stream", b'{"statusCode": 200, "body": "x"}', "application/json", b"x"),
        ("application/octet-stream", b"plain", "application/octet-stream", b"plain"),
        ("text/html", b"17", "text/html", b"17"),
    ],
)
async def test_a_gathered_stream_need_not_be_json(
    tmp_path: Path, content_type: str, body: bytes, shown_type: str, shown: bytes
) -> None:
    def stream(invocation: Invocation) -> None:
        invocation.start_stream(content_type)
        invocation.end_stream(body=body)

    async with visited(tmp_path, stream) as place:
        seen = await place.visit(OPEN)
    assert (seen.header("content-type"), seen.body) == (shown_type, shown)


@pytest.mark.parametrize("url_id", [OPEN, STREAMED])
async def test_a_caller_who_leaves_is_told_to_the_agent(tmp_path: Path, url_id: str) -> None:
    async with visited(tmp_path, keep) as place:
        visitor = await place.connect()
        visitor.send(url_id)
        await until(lambda: place.agent.invocations)
        visitor.leave()
        await until(lambda: FrameKind.CANCEL in [kind for kind, _ in place.agent.tellings])


async def test_a_slow_reader_slows_its_own_stream_only(tmp_path: Path) -> None:
    async with visited(tmp_path, keep, slots=2) as place:
        slow = await place.connect()
        slow.send(STREAMED)
        await until(lambda: place.agent.invocations)
        [invocation] = place.agent.invocations
        invocation.start_stream("text/plain")
        sent = 0
        while FrameKind.PAUSE not in [kind for kind, _ in place.agent.tellings]:
            assert sent < 64 * MIB
            invocation.stream(b"x" * 65536)
            sent += 65536
            await invocation.writer.drain()
        other = await place.connect()
        other.send(OPEN)
        await until(lambda: len(place.agent.invocations) == 2)
        place.agent.invocations[1].answer(b'"quick"')
        assert (await other.seen()).body == b"quick"
        other.leave()
        await slow.head()
        received = 0
        while received < sent:
            received += len(await slow.piece())
        await until(lambda: FrameKind.RESUME in [kind for kind, _ in place.agent.tellings])
        invocation.end_stream()
        assert await slow.piece() == b""
        slow.leave()


async def test_requests_are_counted_by_url_and_survive_other_changes_of_the_function(tmp_path: Path) -> None:
    answers = iter([{"statusCode": 200}, {"statusCode": 404}, {"statusCode": "no"}])
    async with visited(tmp_path, lambda one: one.answer(json.dumps(next(answers)).encode())) as place:
        for _ in range(3):
            await place.visit(OPEN)
        place.router.apply(msgspec.structs.replace(function_route(timeout_seconds=9), urls=URLS))
        await place.visit(SIGNED)
        counted = {one.url_id: one.counts for one in place.router.url_statistics()}
        text = url_exposition(place.router.url_statistics())
    assert 'paddock_url_requests_total{function_name="f",qualifier=""} 3\n' in text
    assert 'paddock_url_request_latency_seconds_count{function_name="f",qualifier=""} 3\n' in text
    by_url = {url_id: (of.invocations, of.refusals, of.errors) for url_id, of in counted.items() if of.invocations}
    assert by_url == {OPEN: (3, 1, 1), SIGNED: (1, 1, 0)}


async def test_what_is_no_text_reaches_the_function_as_it_was(tmp_path: Path) -> None:
    async with visited(tmp_path, answering({"statusCode": 200, "body": "/wA=", "isBase64Encoded": True})) as place:
        seen = await place.visit(OPEN, "PUT /", body=b"\xff\0")
    event = event_of(place.agent.invocations[0])
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\xff\0", True)
    assert seen.body == b"\xff\0"
