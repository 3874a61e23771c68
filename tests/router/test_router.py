"""Invocations from an HTTP client through the router to agents and back, and everything that can come between."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from paddock.core.routing.pool import ThrottleCause
from paddock.model.ids import FunctionName, InvocationId
from paddock.ports.invoker import InvokeRequest
from paddock.router.settings import RouterSettings
from paddock.wire.agent import EnvironmentReport, ResultHeader
from paddock.wire.frames import FrameKind
from paddock.wire.routes import (
    EnvironmentRouteRemoved,
    FunctionRouteRemoved,
    InstanceRouteRemoved,
    RoutesReplaced,
)
from tests.router.driving import (
    ARN,
    driven,
    environment_route,
    function_route,
    instance_route,
    until,
)
from tests.router.scripted_agent import Invocation, keep, refuse, scripted_agent

MIB = 1024 * 1024


async def test_an_answer_comes_back_untouched_with_aws_s_headers(tmp_path: Path) -> None:
    payload = b' {"any" : "spelling", "of":[ 1,2 ]}\n'
    async with (
        scripted_agent("i-1", tmp_path, lambda one: one.answer(b'{ "kept" : true }')) as agent,
        driven(agent) as service,
    ):
        answer = await service.invoke(payload)

    assert (answer.status, answer.body) == (200, b'{ "kept" : true }')
    assert answer.headers["x-amz-executed-version"] == "$LATEST.PUBLISHED"
    assert answer.headers["content-type"] == "application/json"
    assert "x-amz-function-error" not in answer.headers
    [invocation] = agent.invocations
    assert invocation.payload == payload
    assert invocation.header.invoked_function_arn == ARN
    assert invocation.header.environment_id == "e0"
    assert invocation.header.timeout_ms == 3000
    assert invocation.header.invocation_id == answer.headers["x-amzn-requestid"]
    assert invocation.header.trace_header == answer.headers["x-amzn-trace-id"]
    assert agent.hellos[0].role == "router"
    assert agent.hellos[0].token == "token of i-1"


async def test_an_empty_payload_is_an_empty_object(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        await service.invoke(b"")

    assert agent.invocations[0].payload == b"{}"


async def test_what_the_caller_sends_along_reaches_the_function(tmp_path: Path) -> None:
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    context = base64.b64encode(b'{"custom":{"a":"b"}}').decode()
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        answer = await service.invoke(headers={"X-Amzn-Trace-Id": trace, "X-Amz-Client-Context": context})

    assert agent.invocations[0].header.trace_header == trace
    assert agent.invocations[0].header.client_context == '{"custom":{"a":"b"}}'
    assert answer.headers["x-amzn-trace-id"] == trace


async def test_a_function_error_is_an_answer(tmp_path: Path) -> None:
    document = b'{"errorMessage":"no","errorType":"ValueError"}'
    async with (
        scripted_agent("i-1", tmp_path, lambda one: one.fail(document)) as agent,
        driven(agent) as service,
    ):
        answer = await service.invoke()
        [statistics] = [one for one in service.router.statistics() if one.counts.invocations]

    assert (answer.status, answer.body) == (200, document)
    assert answer.headers["x-amz-function-error"] == "Unhandled"
    assert (statistics.counts.invocations, statistics.counts.errors) == (1, 1)


async def test_concurrent_invocations_spread_over_environments_before_they_share(tmp_path: Path) -> None:
    async with (
        scripted_agent("i-1", tmp_path, keep) as first,
        scripted_agent("i-2", tmp_path, keep) as second,
        driven(first, second, slots=2) as service,
    ):
        clients = [await service.connect() for _ in range(4)]
        for count, client in enumerate(clients, start=1):
            client.send()
            await until(lambda: len(first.invocations) + len(second.invocations) == count)  # noqa: B023
            assert abs(len(first.invocations) - len(second.invocations)) <= 1
        for agent in (first, second):
            for invocation in agent.invocations:
                invocation.answer()
        answers = [await client.answer() for client in clients]
        for client in clients:
            client.close()

    assert [answer.status for answer in answers] == [200] * 4


async def test_a_full_fleet_refuses_at_once_as_aws_does(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        waiting = await service.connect()
        waiting.send()
        await until(lambda: agent.invocations)
        answer = await service.invoke()
        agent.invocations[0].answer()
        kept = await waiting.answer()
        waiting.close()
        [statistics] = [one for one in service.router.statistics() if one.counts.invocations]

    assert answer.status == 429
    assert answer.headers["x-amzn-errortype"] == "TooManyRequestsException"
    assert int(answer.headers["retry-after"]) >= 1
    assert json.loads(answer.body) == {
        "Reason": "ConcurrentInvocationLimitExceeded",
        "Type": "User",
        "message": "Rate Exceeded.",
    }
    assert kept.status == 200
    assert len(agent.invocations) == 1
    assert dict(statistics.counts.throttles)[ThrottleCause.CONCURRENCY] == 1


async def test_a_refused_invocation_is_tried_on_another_environment(tmp_path: Path) -> None:
    async with (
        scripted_agent("i-1", tmp_path, refuse) as refusing,
        scripted_agent("i-2", tmp_path) as taking,
        driven(refusing, taking) as service,
    ):
        answers = [await service.invoke() for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert len(taking.invocations) == 3
    # It rested after its refusal: later invocations did not meet it again at once.
    assert len(refusing.invocations) in {1, 2}


async def test_when_all_refuse_the_caller_is_throttled_with_the_cause_they_gave(tmp_path: Path) -> None:
    async with (
        scripted_agent("i-1", tmp_path, lambda one: one.refuse("CPUThrottles")) as first,
        scripted_agent("i-2", tmp_path, lambda one: one.refuse("CPUThrottles")) as second,
        driven(first, second) as service,
    ):
        answer = await service.invoke()
        [statistics] = [one for one in service.router.statistics() if one.counts.refusals]

    assert answer.status == 429
    assert len(first.invocations) == len(second.invocations) == 1
    assert statistics.counts.refusals == 2
    assert dict(statistics.counts.throttles)[ThrottleCause.CPU] == 1
    assert statistics.in_flight == 0


@pytest.mark.parametrize(("most", "asked"), [(1, 1), (3, 3), (8, 4)])
async def test_environments_that_refused_a_moment_ago_are_asked_until_so_many_have_refused(
    tmp_path: Path, most: int, asked: int
) -> None:
    settings = RouterSettings(refusals_per_call=most, rest_seconds=3600.0)
    async with AsyncExitStack() as stack:
        agents = [
            await stack.enter_async_context(scripted_agent(f"i-{number}", tmp_path, refuse)) for number in range(4)
        ]
        service = await stack.enter_async_context(driven(*agents, settings=settings))
        assert (await service.invoke()).status == 429
        assert sum(len(agent.invocations) for agent in agents) == 4, "none of them rested: all are asked"

        assert (await service.invoke()).status == 429

        assert sum(len(agent.invocations) for agent in agents) == 4 + asked


async def test_a_throttled_caller_is_told_to_come_back_when_the_operator_says(tmp_path: Path) -> None:
    settings = RouterSettings(retry_after_seconds=7)
    async with scripted_agent("i-1", tmp_path, refuse) as agent, driven(agent, settings=settings) as service:
        whole = await service.invoke()
        streamed = await service.invoke(streaming=True)

    assert [answer.status for answer in (whole, streamed)] == [429, 429]
    assert [answer.headers["retry-after"] for answer in (whole, streamed)] == ["7", "7"]


async def test_an_environment_that_refused_is_asked_again_later(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, refuse) as agent, driven(agent) as service:
        assert (await service.invoke()).status == 429
        agent.script = lambda one: one.answer()

        async with asyncio.timeout(10):
            while (await service.invoke()).status != 200:  # noqa: ASYNC110 - the router wakes it by a timer
                await asyncio.sleep(0.005)


async def test_a_handler_that_outlives_its_timeout_keeps_its_slot(tmp_path: Path) -> None:
    document = b'{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 3.00 seconds"}'
    async with (
        scripted_agent("i-1", tmp_path, lambda one: one.fail(document, "Sandbox.Timedout", slot_held=True)) as agent,
        driven(agent) as service,
    ):
        timed_out = await service.invoke()
        assert service.router.held_slots == 1
        meanwhile = await service.invoke()
        agent.invocations[0].release_slot()
        await until(lambda: service.router.held_slots == 0)
        agent.script = lambda one: one.answer()
        after = await service.invoke()

    assert timed_out.body == document
    assert meanwhile.status == 429
    assert after.status == 200


async def test_the_callers_of_a_lost_agent_are_told(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        client = await service.connect()
        client.send()
        await until(lambda: agent.invocations)
        agent.drop_connections()
        answer = await client.answer()
        client.close()

    assert answer.status == 500
    assert answer.headers["x-amzn-errortype"] == "ServiceException"


async def test_a_lost_agent_is_found_again_with_all_its_slots(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        client = await service.connect()
        client.send()
        await until(lambda: agent.invocations)
        agent.drop_connections()
        await client.answer()
        client.close()
        await until(lambda: len(agent.hellos) == 2 and service.router.reachable_instances == 1)
        agent.script = lambda one: one.answer()
        answer = await service.invoke()

    assert answer.status == 200


async def test_an_unreachable_instance_gets_nothing(tmp_path: Path) -> None:
    async with (
        scripted_agent("i-1", tmp_path) as gone,
        scripted_agent("i-2", tmp_path) as there,
        driven(gone, there) as service,
    ):
        service.router.apply(InstanceRouteRemoved("i-1"))
        await until(lambda: service.router.reachable_instances == 1)
        answers = [await service.invoke() for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert len(there.invocations) == 3


async def test_an_agent_that_babbles_is_cut_off_and_its_callers_told(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, lambda one: one.agent.babble()) as agent, driven(agent) as service:
        answer = await service.invoke()

    assert answer.status == 500


async def test_an_answer_to_nothing_is_ignored(tmp_path: Path) -> None:
    def twice(invocation: Invocation) -> None:
        invocation.answer(b"1")
        invocation.answer(b"2")

    async with scripted_agent("i-1", tmp_path, twice) as agent, driven(agent) as service:
        answers = [await service.invoke() for _ in range(2)]

    assert [answer.body for answer in answers] == [b"1", b"1"]


async def test_fewer_slots_reported_are_fewer_invocations_sent(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent, slots=2) as service:
        agent.say(EnvironmentReport("e0", "ready", slots=1))
        client = await service.connect()
        client.send()
        await until(lambda: agent.invocations)
        answer = await service.invoke()
        client.close()

    assert answer.status == 429


async def test_the_agent_is_told_when_the_caller_has_gone_and_the_slot_stays_taken(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        client = await service.connect()
        client.send()
        await until(lambda: agent.invocations)
        client.close()
        await until(lambda: agent.tellings)
        meanwhile = await service.invoke()
        agent.invocations[0].answer()
        await until(lambda: not any(one.in_flight for one in service.router.statistics()))
        agent.script = lambda one: one.answer()
        after = await service.invoke()

    assert agent.tellings == [(FrameKind.CANCEL, agent.invocations[0].call)]
    assert (meanwhile.status, after.status) == (429, 200)


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, 6 * MIB])
async def test_long_payloads_and_answers_arrive_whole(tmp_path: Path, size: int) -> None:
    payload = json.dumps("x" * (size - 2)).encode()
    async with (
        scripted_agent("i-1", tmp_path, lambda one: one.answer(one.payload)) as agent,
        driven(agent) as service,
    ):
        answer = await service.invoke(payload)

    assert agent.invocations[0].payload == payload
    assert answer.body == payload


async def test_a_long_payload_does_not_hold_up_a_short_one(tmp_path: Path) -> None:
    """The agent stops reading; of a long payload only a buffer's worth is on its way when the short one is sent."""
    arrived: list[int] = []

    def note(invocation: Invocation) -> None:
        arrived.append(len(invocation.payload))
        invocation.answer()

    async with scripted_agent("i-1", tmp_path, note) as agent, driven(agent, slots=2) as service:
        agent.read(reading=False)
        long, short = await service.connect(), await service.connect()
        long.send(json.dumps("x" * 6 * MIB).encode())
        await until(lambda: any(one.in_flight == 1 for one in service.router.statistics()))
        short.send(b"{}")
        await until(lambda: any(one.in_flight == 2 for one in service.router.statistics()))
        agent.read(reading=True)
        assert (await short.answer()).status == 200
        assert (await long.answer()).status == 200
        long.close()
        short.close()

    assert arrived == [2, 6 * MIB + 2]


async def test_a_streamed_answer_to_a_whole_invoke_is_gathered(tmp_path: Path) -> None:
    def stream(invocation: Invocation) -> None:
        invocation.start_stream()
        invocation.stream(b'"to')
        invocation.stream(b'gether"')
        invocation.end_stream()

    async with scripted_agent("i-1", tmp_path, stream) as agent, driven(agent) as service:
        answer = await service.invoke()

    assert (answer.status, answer.body) == (200, b'"together"')


async def test_a_gathered_stream_has_the_limit_of_a_whole_answer(tmp_path: Path) -> None:
    def stream(invocation: Invocation) -> None:
        invocation.start_stream()
        for _ in range(7):
            invocation.stream(b"x" * MIB)
        invocation.end_stream()

    async with scripted_agent("i-1", tmp_path, stream) as agent, driven(agent) as service:
        answer = await service.invoke()

    assert answer.status == 200
    assert answer.headers["x-amz-function-error"] == "Unhandled"
    assert json.loads(answer.body)["errorType"] == "Function.ResponseSizeTooLarge"


async def test_an_error_at_the_end_of_a_gathered_stream_is_a_function_error(tmp_path: Path) -> None:
    def stream(invocation: Invocation) -> None:
        invocation.start_stream()
        invocation.stream(b"begun")
        invocation.end_stream(ResultHeader("function_error", "Runtime.Unknown"), b'{"errorType":"E"}')

    async with scripted_agent("i-1", tmp_path, stream) as agent, driven(agent) as service:
        answer = await service.invoke()

    assert answer.headers["x-amz-function-error"] == "Unhandled"
    assert answer.body == b'{"errorType":"E"}'


async def test_a_new_revision_takes_over_and_the_old_one_finishes(tmp_path: Path) -> None:
    async with (
        scripted_agent("i-1", tmp_path, keep) as old,
        scripted_agent("i-2", tmp_path) as new,
        driven(old) as service,
    ):
        client = await service.connect()
        client.send()
        await until(lambda: old.invocations)
        service.router.apply(instance_route(new))
        await until(lambda: service.router.reachable_instances == 2)
        service.router.apply(
            RoutesReplaced(
                (function_route(revision="r2"),),
                (instance_route(old), instance_route(new)),
                (
                    environment_route("e0", old, draining=True),
                    environment_route("e1", new, revision="r2"),
                ),
            )
        )
        answer = await service.invoke()
        old.invocations[0].answer(b'"old"')
        kept = await client.answer()
        client.close()

    assert (answer.status, kept.status) == (200, 200)
    assert kept.body == b'"old"'
    assert len(new.invocations) == 1


async def test_removed_routes_are_gone(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        service.router.apply(EnvironmentRouteRemoved("e0"))
        throttled = await service.invoke()
        service.router.apply(FunctionRouteRemoved("f"))
        unknown = await service.invoke()
        service.router.apply(RoutesReplaced((), (), ()))
        await until(lambda: service.router.reachable_instances == 0)

    assert throttled.status == 429
    assert unknown.status == 404
    assert json.loads(unknown.body) == {"Type": "User", "Message": f"Function not found: {ARN}"}


async def test_an_update_of_no_known_kind_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        service.router.apply(object())
        answer = await service.invoke()

    assert answer.status == 200
    assert "no known kind" in caplog.text


def inner_request(qualifier: str | None = None, payload: bytes = b"{}") -> InvokeRequest:
    return InvokeRequest(FunctionName("f"), qualifier, InvocationId("id-1"), payload, '{"custom":{}}', "Root=1-1-1")


async def test_parts_of_paddock_invoke_like_callers(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        result = await service.router.invoke(inner_request())
        agent.script = lambda one: one.fail(b'{"errorType":"E"}', "Runtime.Unknown")
        failed = await service.router.invoke(inner_request())
        agent.script = refuse
        throttled = await service.router.invoke(inner_request())
        missing = await service.router.invoke(inner_request("7"))
        latest = await service.router.invoke(inner_request("$LATEST"))
        garbage = await service.router.invoke(inner_request(payload=b"{"))

    assert (result.status, result.payload, result.executed_version) == (200, b'"done"', "$LATEST.PUBLISHED")
    assert agent.invocations[0].header.invocation_id == "id-1"
    assert agent.invocations[0].header.client_context == '{"custom":{}}'
    assert agent.invocations[0].header.trace_header == "Root=1-1-1"
    assert (failed.status, failed.function_error) == (200, "Runtime.Unknown")
    assert (throttled.status, throttled.error_code) == (429, "TooManyRequestsException")
    assert (missing.status, missing.error_code) == (404, "ResourceNotFoundException")
    assert (latest.status, latest.error_code) == (400, "InvalidParameterValueException")
    assert garbage.error_code == "InvalidRequestContentException"


async def test_a_part_of_paddock_that_stops_waiting_cancels(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await service.router.invoke(inner_request())
        await until(lambda: agent.tellings)
        agent.invocations[0].answer()
        agent.script = lambda one: one.answer()
        await until(lambda: not any(one.in_flight for one in service.router.statistics()))
        result = await service.router.invoke(inner_request())

    assert agent.tellings[0][0] is FrameKind.CANCEL
    assert result.status == 200


async def test_a_part_of_paddock_is_told_of_a_lost_agent(tmp_path: Path) -> None:
    async with (
        scripted_agent("i-1", tmp_path, lambda one: one.agent.drop_connections()) as agent,
        driven(agent) as service,
    ):
        result = await service.router.invoke(inner_request())

    assert (result.status, result.error_code) == (500, "ServiceException")
