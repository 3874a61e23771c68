"""What callers may ask of Invoke, and the error AWS gives for the rest."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from paddock.ports.store import StoreError
from paddock.router.limits import PENDING_EVENTS, SYNCHRONOUS_PAYLOAD_BYTES
from paddock.wire.routes import FunctionRoute, VersionRoute
from tests.router.driving import ARN, driven, until
from tests.router.scripted_agent import keep, scripted_agent

MIB = 1024 * 1024


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("function", "query"),
    [
        ("f", ""),
        ("f", "?Qualifier=%24LATEST.PUBLISHED"),
        ("f:$LATEST.PUBLISHED", ""),
        ("function:f", ""),
        ("123456789012:function:f", ""),
        (ARN.replace(":", "%3A"), ""),
        (f"{ARN}:$LATEST.PUBLISHED", ""),
    ],
)
async def test_every_name_of_a_function_invokes_it(tmp_path: Path, function: str, query: str) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        answer = await service.invoke(function=function, query=query)

    assert answer.status == 200
    expected = f"{ARN}:$LATEST.PUBLISHED" if "LATEST" in function + query else ARN
    assert agent.invocations[0].header.invoked_function_arn == expected


@pytest.mark.parametrize(
    ("body", "function", "query", "headers", "status", "code", "text"),
    [
        (b"{", "f", "", {}, 400, "InvalidRequestContentException", "Could not parse request body into json"),
        (b"nonsense", "f", "", {}, 400, "InvalidRequestContentException", "Could not parse request body into json"),
        (b'"\xff"', "f", "", {}, 400, "InvalidRequestContentException", "Could not parse request body into json"),
        (b'"\x00"', "f", "", {}, 400, "InvalidRequestContentException", "Could not parse request body into json"),
        (b"[" * 100_000, "f", "", {}, 400, "InvalidRequestContentException", "Could not parse request body"),
        (b"{}", "g", "", {}, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:1234567"),
        (b"{}", "f", "?Qualifier=9", {}, 404, "ResourceNotFoundException", f"Function not found: {ARN}:9"),
        (b"{}", "f", "?Qualifier=a%20b", {}, 400, "ValidationException", "at 'qualifier' failed to satisfy constraint"),
        (b"{}", "f%20g", "", {}, 400, "ValidationException", "at 'functionName' failed to satisfy constraint"),
        (b"{}", "f:1", "?Qualifier=2", {}, 400, "InvalidParameterValueException", "The derived qualifier"),
        (b"{}", "f:$LATEST", "", {}, 400, "InvalidParameterValueException", "can't be invoked with $LATEST qualifier"),
        (b"{}", "f", "", {"X-Amz-Log-Type": "Tail"}, 400, "InvalidParameterValueException", "Tail logs are not supp"),
        (b"{}", "f", "", {"X-Amz-Log-Type": "Head"}, 400, "ValidationException", "'logType' failed to satisfy"),
        (b"{}", "f", "", {"X-Amz-Invocation-Type": "Soon"}, 400, "ValidationException", "'invocationType' failed"),
        (b"{}", "f", "", {"X-Amz-Client-Context": "%%"}, 400, "InvalidRequestContentException", "Client context must"),
        (b"{}", "f", "", {"X-Amz-Client-Context": encoded("[1]")}, 400, "InvalidRequestContentException", "Client"),
        (b"{}", "f", "", {"X-Amz-Client-Context": encoded("{")}, 400, "InvalidRequestContentException", "Client"),
        (b"{}", "f", "", {"X-Amz-Client-Context": "A" * 4000}, 400, "InvalidRequestContentException", "Client context"),
    ],
)
async def test_what_cannot_be_invoked_so_gets_aws_s_error(
    tmp_path: Path,
    body: bytes,
    function: str,
    query: str,
    headers: dict[str, str],
    status: int,
    code: str,
    text: str,
) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        answer = await service.invoke(body, function=function, query=query, headers=headers)

    document = json.loads(answer.body)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (status, code)
    assert text in (document.get("message") or document["Message"])
    assert agent.invocations == []


@pytest.mark.parametrize(
    ("kind", "limit", "named"),
    [("RequestResponse", SYNCHRONOUS_PAYLOAD_BYTES, 6 * MIB), ("Event", MIB, MIB)],
)
async def test_a_payload_may_be_as_long_as_aws_allows_and_no_longer(
    tmp_path: Path, kind: str, limit: int, named: int
) -> None:
    headers = {"X-Amz-Invocation-Type": kind}
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        longest = await service.invoke(b'"' + b"x" * (limit - 2) + b'"', headers=headers)
        longer = await service.invoke(b'"' + b"x" * (limit - 1) + b'"', headers=headers)

    assert longest.status in {200, 202}
    assert longer.status == 413
    assert longer.headers["x-amzn-errortype"] == "RequestTooLargeException"
    assert f"must be smaller than {named} bytes" in longer.body.decode()


async def test_a_version_that_is_not_ready_says_so(tmp_path: Path) -> None:
    text = "The operation cannot be performed at this time. The function is currently in the following state: Pending"
    refused = VersionRoute("$LATEST.PUBLISHED", "r1", 3, ("ResourceConflictException", text, 409))
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        service.router.apply(FunctionRoute("f", ARN, "$LATEST.PUBLISHED", (refused,)))
        answer = await service.invoke()

    assert answer.status == 409
    assert text in answer.body.decode()


async def test_a_function_with_nothing_published_says_so(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        service.router.apply(FunctionRoute("f", ARN, "$LATEST.PUBLISHED", (VersionRoute("$LATEST", "", 3),)))
        answers = [await service.invoke(), await service.invoke(query="?Qualifier=%24LATEST")]

    assert [answer.status for answer in answers] == [400, 400]
    assert {answer.headers["x-amzn-errortype"] for answer in answers} == {"NoPublishedVersionException"}


async def test_an_alias_with_weights_sends_to_both_its_versions(tmp_path: Path) -> None:
    versions = (VersionRoute("1", "", 3), VersionRoute("2", "", 3))
    route = FunctionRoute("f", ARN, "$LATEST.PUBLISHED", versions, {"blue": (("1", 0.5), ("2", 0.5))})
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        service.router.apply(route)
        answers = [await service.invoke(query="?Qualifier=blue") for _ in range(20)]
        throttled = {one.key.version for one in service.router.statistics() if one.counts.throttled}

    assert {answer.status for answer in answers} == {429}
    assert throttled == {"1", "2"}


async def test_a_dry_run_checks_and_runs_nothing(tmp_path: Path) -> None:
    headers = {"X-Amz-Invocation-Type": "DryRun"}
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        fine = await service.invoke(headers=headers)
        streamed = await service.invoke(headers=headers, streaming=True)
        missing = await service.invoke(function="g", headers=headers)
        garbage = await service.invoke(b"{", headers=headers)

    assert [one.status for one in (fine, streamed, missing, garbage)] == [204, 204, 404, 400]
    assert agent.invocations == []


async def test_an_event_is_accepted_once_it_is_stored(tmp_path: Path) -> None:
    headers = {
        "X-Amz-Invocation-Type": "Event",
        "X-Amz-Client-Context": encoded('{"a":1}'),
        "X-Amzn-Trace-Id": "Root=1-2-3",
    }
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        answer = await service.invoke(b'{"n":1}', query="?Qualifier=%24LATEST.PUBLISHED", headers=headers)
        empty = await service.invoke(b"", headers=headers)

    assert (answer.status, answer.body) == (202, b"")
    assert empty.status == 202
    [event, other] = service.stored.events
    assert (event.function_name, event.qualifier, event.payload) == ("f", "$LATEST.PUBLISHED", b'{"n":1}')
    assert event.invocation_id == answer.headers["x-amzn-requestid"]
    assert (event.client_context, event.trace_header) == ('{"a":1}', "Root=1-2-3")
    assert other.payload == b"{}"
    assert agent.invocations == []


async def test_an_event_that_cannot_be_stored_is_not_accepted(tmp_path: Path) -> None:
    headers = {"X-Amz-Invocation-Type": "Event"}
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        service.stored.failing = OSError("the disk is full")
        answer = await service.invoke(headers=headers)
        service.stored.failing = None
        after = await service.invoke(headers=headers)

    assert (answer.status, after.status) == (500, 202)
    assert answer.headers["x-amzn-errortype"] == "ServiceException"
    assert b"disk" not in answer.body


async def test_a_store_that_cannot_be_used_says_what_to_do_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        service.stored.failing = StoreError("the disk is full: free some space")
        answer = await service.invoke(headers={"X-Amz-Invocation-Type": "Event"})

    assert (answer.status, answer.headers["x-amzn-errortype"]) == (500, "ServiceException")
    assert b"free some space" in answer.body
    [record] = caplog.records
    assert (record.getMessage().endswith("the disk is full: free some space"), record.exc_info) == (True, None)


async def test_events_that_the_store_cannot_keep_up_with_are_refused(tmp_path: Path) -> None:
    gate = asyncio.Event()
    headers = {"X-Amz-Invocation-Type": "Event"}

    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        service.stored.gate = gate
        clients = [await service.connect() for _ in range(PENDING_EVENTS + 1)]
        for client in clients[:-1]:
            client.send(headers=headers)
        await until(lambda: service.stored.waiting == PENDING_EVENTS)
        clients[-1].send(headers=headers)
        refused = await clients[-1].answer()
        gate.set()
        accepted = [(await client.answer()).status for client in clients[:-1]]
        for client in clients:
            client.close()

    assert refused.status == 429
    assert refused.headers["retry-after"] == "1"
    assert set(accepted) == {202}


async def test_a_caller_s_broken_trace_header_is_replaced(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        await service.invoke(headers={"X-Amzn-Trace-Id": "Root=1;;\t="})
        await service.invoke(headers={"X-Amzn-Trace-Id": "Root=" + "1" * 600})

    for invocation in agent.invocations:
        root, parent, sampled = invocation.header.trace_header.split(";")
        assert len(root) == len("Root=1-5759e988-bd862e3fe1be46a994272793")
        assert len(parent) == len("Parent=53995c3f42cd8ad8")
        assert sampled == "Sampled=0"


async def test_requests_on_one_connection_are_answered_one_after_another(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        client = await service.connect()
        client.send(b"1")
        client.send(b"2")
        await until(lambda: len(agent.invocations) == 1)
        agent.invocations[0].answer(b'"one"')
        first = await client.answer()
        await until(lambda: len(agent.invocations) == 2)
        agent.invocations[1].answer(b'"two"')
        second = await client.answer()
        client.close()

    assert (first.body, second.body) == (b'"one"', b'"two"')
