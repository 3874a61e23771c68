"""The Runtime API over real sockets, with a runtime that the test plays; named after what AWS's runtimes rely on."""

import asyncio
import json
import re
from typing import Any

import msgspec
import pytest

from paddock.agent.limits import MAX_HEAD_BYTES, SPARE_CONNECTIONS
from paddock.core.environment.errors import MAX_ERROR_BYTES, MAX_RESPONSE_BYTES
from paddock.wire.agent import SlotReleased
from tests.agent.instances import PlayedInstance, RuntimeClient, path_of, played_instance

INIT_ERROR = "/2018-06-01/runtime/init/error"
JSON = {"Content-Type": "application/json"}


async def test_a_poll_blocks_and_is_answered_with_every_header_when_an_event_arrives() -> None:
    async with played_instance() as instance:
        spec, (worker, *_) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(
            spec,
            b'{"a": 1}',
            invocation_id="r-1",
            timeout_seconds=7,
            trace_header="Root=1-2;Sampled=1",
            client_context='{"custom": {}}',
        )
        event = await worker.event()

        assert (event.status, event.body) == (200, b'{"a": 1}')
        assert event.headers["lambda-runtime-aws-request-id"] == "r-1"
        assert event.headers["lambda-runtime-invoked-function-arn"] == spec.function_arn
        assert event.headers["lambda-runtime-trace-id"] == "Root=1-2;Sampled=1"
        assert event.headers["lambda-runtime-client-context"] == '{"custom": {}}'
        assert event.headers["lambda-runtime-cognito-identity"] == ""
        assert event.headers["lambda-runtime-invocation-id"]
        assert event.headers["content-type"] == "application/json"
        started = json.loads(await instance.server.logged("platform.start"))["time"]
        deadline_ms = int(event.headers["lambda-runtime-deadline-ms"])
        assert f"{deadline_ms % 1000:03d}Z" == started[-4:], "the deadline is the start and the timeout"

        accepted = await worker.respond(event, b"[1, 2]", JSON)
        assert (accepted.status, accepted.body) == (202, b'{"status":"OK"}\n')
        header, body = await answer.result()
        assert (header.outcome, header.content_type, body) == ("ok", "application/json", b"[1, 2]")
        assert header.duration_us > 0


async def test_an_answer_without_a_content_type_is_bytes() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        await worker.respond(await worker.event(), b"\x00\xff")
        header, body = await answer.result()
        assert (header.content_type, body) == ("application/octet-stream", b"\x00\xff")


async def test_parallel_polls_are_given_parallel_events_with_ids_of_their_own() -> None:
    async with played_instance() as instance:
        spec, workers = await instance.start(max_concurrency=4)
        answers = [instance.server.invoke(spec, json.dumps(number).encode()) for number in range(4)]
        events = [await worker.event() for worker in workers]
        assert len({event.headers["lambda-runtime-aws-request-id"] for event in events}) == 4
        for worker, event in zip(reversed(workers), reversed(events), strict=True):
            await worker.respond(event, event.body)
        assert sorted([(await answer.result())[1] for answer in answers]) == [b"0", b"1", b"2", b"3"]


async def test_beyond_capacity_a_call_is_refused_at_once_and_another_environment_may_take_it() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        first = instance.server.invoke(spec)
        event = await worker.event()
        header, body = await instance.server.invoke(spec, b"x" * 300_000).result()
        assert (header.outcome, header.error_type, body) == ("refused", "Runtime.Unavailable", b"")
        await worker.respond(event, b"1")
        assert (await first.result())[0].outcome == "ok"


async def test_a_call_within_capacity_waits_for_the_workers_next_poll() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        first = instance.server.invoke(spec)
        await worker.respond(await worker.event(), b"1")
        await first.result()
        second = instance.server.invoke(spec, b"2")
        await asyncio.sleep(0.05)
        await worker.poll()
        event = await worker.event()
        assert event.body == b"2"
        await worker.respond(event, b"two")
        assert (await second.result())[1] == b"two"


@pytest.mark.parametrize("environment_id", ["unknown", ""])
async def test_a_call_for_an_unknown_environment_is_refused(environment_id: str) -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1, environment_id="env-1")
        unknown = msgspec.structs.replace(spec, environment_id=environment_id)
        header, _ = await instance.server.invoke(unknown).result()
        assert (header.outcome, header.error_type) == ("refused", "Client.ExecutionEnvironmentUnhealthy")


async def test_a_request_id_in_flight_is_refused() -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=2)
        instance.server.invoke(spec, invocation_id="same")
        header, _ = await instance.server.invoke(spec, invocation_id="same").result()
        assert (header.outcome, header.error_type) == ("refused", "Client.DuplicatedInvokeId")


@pytest.mark.parametrize(
    "values",
    [
        {"trace_header": "x\r\nEvil: 1"},
        {"client_context": "{"},
        {"client_context": "{}\n"},
        {"invocation_id": "a b"},
        {"cognito_identity": "no json"},
        {"content_type": "a\rb"},
    ],
)
async def test_values_that_would_break_a_runtime_are_not_passed_on(values: dict[str, str]) -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1)
        header, _ = await instance.server.invoke(spec, **values).result()  # type: ignore[arg-type]
        assert (header.outcome, header.error_type) == ("refused", "InvalidRequest")


async def test_an_empty_event_is_delivered_as_an_empty_object() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start("nodejs22.x", max_concurrency=1)
        instance.server.invoke(spec, b"")
        assert (await worker.event()).body == b"{}"


async def test_an_event_of_the_maximum_size_arrives_unchanged_and_so_does_its_answer() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        body = bytes(range(256)) * (MAX_RESPONSE_BYTES // 256) + b"x" * (MAX_RESPONSE_BYTES % 256)
        answer = instance.server.invoke(spec, body)
        event = await worker.event()
        assert event.body == body
        assert (await worker.respond(event, body)).status == 202
        assert (await answer.result())[1] == body


async def test_an_answer_that_is_too_large_is_refused_to_the_runtime_and_an_error_to_the_caller() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        reply = await worker.respond(await worker.event(), b"x" * (MAX_RESPONSE_BYTES + 1))
        assert reply.status == 413
        assert json.loads(reply.body)["errorType"] == "RequestEntityTooLarge"
        assert b"6291556" in reply.body
        header, body = await answer.result()
        assert (header.outcome, header.error_type) == ("function_error", "Function.ResponseSizeTooLarge")
        assert b"6291557 bytes" in body
        second = instance.server.invoke(spec)
        await worker.poll()
        await worker.respond(await worker.event(), b"fine")
        assert (await second.result())[1] == b"fine"


async def test_unknown_request_ids_are_refused_in_both_posts() -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1)
        runtime = await instance.runtime(spec)
        for action in ("response", "error"):
            reply = await runtime.call("POST", f"/2018-06-01/runtime/invocation/nobody/{action}", b"{}")
            assert reply.status == 400
            assert json.loads(reply.body) == {"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}


async def test_the_first_answer_stays() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        event = await worker.event()
        assert (await worker.respond(event, b"first")).status == 202
        assert (await worker.respond(event, b"second")).status == 400
        assert (await worker.fail(event, b"{}")).status == 400
        assert (await answer.result())[1] == b"first"


async def test_of_two_errors_the_second_is_refused() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        event = await worker.event()
        kind = {"Lambda-Runtime-Function-Error-Type": "Function.Broken"}
        assert (await worker.fail(event, b'{"errorType": "Broken"}', kind)).status == 202
        assert (await worker.fail(event, b"{}", kind)).status == 400
        header, body = await answer.result()
        assert (header.outcome, header.error_type, body) == (
            "function_error",
            "Function.Broken",
            b'{"errorType": "Broken"}',
        )


async def test_an_error_without_a_type_is_an_unknown_one() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        await worker.fail(await worker.event(), b"{}")
        assert (await answer.result())[0].error_type == "Runtime.Unknown"


async def test_a_timeout_answers_the_caller_and_the_late_post_gets_410_once() -> None:
    async with played_instance() as instance:
        spec, (worker, other) = await instance.start(max_concurrency=2)
        instance.server.invoke(spec, b"1")
        quick = await other.event()
        slow_answer = instance.server.invoke(spec, b"2", invocation_id="slow", timeout_seconds=0.05)
        slow = await worker.event()
        header, body = await slow_answer.result()
        assert (header.outcome, header.error_type, header.slot_held) == ("function_error", "Sandbox.Timedout", True)
        assert json.loads(body) == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": "RequestId: slow Error: Task timed out after 0.05 seconds",
        }
        refused, _ = await instance.server.invoke(spec).result()
        assert refused.error_type == "Runtime.Unavailable"
        assert (await other.respond(quick, b"quick")).status == 202
        late = await worker.respond(slow, b"late")
        assert (late.status, json.loads(late.body)["errorType"]) == (410, "InvokeTimeout")
        assert (await worker.respond(slow, b"late")).status == 400
        await instance.server.until(lambda: instance.server.released == [SlotReleased(spec.environment_id, "slow")])


async def test_a_wrong_response_mode_is_refused() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        mode = {"Lambda-Runtime-Function-Response-Mode": "buffered"}
        reply = await worker.respond(await worker.event(), b"1", mode)
        assert (reply.status, json.loads(reply.body)["errorType"]) == (400, "InvalidFunctionResponseMode")
        assert (await answer.result())[0].error_type == "Runtime.InvalidResponseModeHeader"


async def test_a_large_answer_does_not_hold_up_a_small_one() -> None:
    async with played_instance() as instance:
        spec, (slow, quick) = await instance.start(max_concurrency=2)
        large = instance.server.invoke(spec)
        event = await quick.event()
        small = instance.server.invoke(spec)
        other = await slow.event()
        instance.server._reading.cancel()  # type: ignore[union-attr]
        await asyncio.sleep(0)
        await quick.respond(event, b"x" * 6_000_000)
        await slow.respond(other, b"small")
        instance.server._reading = asyncio.get_running_loop().create_task(instance.server._read())
        assert (await small.result())[1] == b"small"
        assert not large.done.done()
        assert len((await large.result())[1]) == 6_000_000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/2018-06-01/ping", 200),
        ("GET", "/2018-06-01/runtime/restore/next", 404),
        ("POST", "/2018-06-01/runtime/restore/error", 404),
        ("PUT", "/2020-08-15/logs", 404),
        ("GET", "/2021-04-23/credentials", 404),
        ("GET", "/2018-06-01/runtime/invocation/x", 404),
        ("POST", "/2018-06-01/runtime/invocation/next", 405),
        ("GET", "/2018-06-01/runtime/init/error", 405),
        ("GET", "/2018-06-01/runtime/invocation/x/response", 405),
        ("DELETE", "/2018-06-01/ping", 405),
    ],
)
async def test_routes_that_managed_instances_do_not_have_are_not_found(method: str, path: str, status: int) -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1)
        reply = await (await instance.runtime(spec)).call(method, path, b"" if method != "GET" else None)
        assert reply.status == status
        if status == 200:
            assert reply.body == b"pong"


async def test_a_post_and_the_next_poll_in_one_write_are_both_served() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        first = instance.server.invoke(spec, b"1")
        event = await worker.event()
        path = path_of(event, "response")
        worker.send("POST", path, b"one")
        await worker.poll()
        assert (await worker.reply()).status == 202
        await first.result()
        second = instance.server.invoke(spec, b"2")
        event = await worker.event()
        await worker.respond(event, b"two")
        assert (await second.result())[1] == b"two"


async def test_a_request_in_small_pieces_is_understood() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        for round_number in range(2):
            answer = instance.server.invoke(spec)
            event = await worker.event()
            request = (
                f"POST {path_of(event, 'response')} HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\ndone"
            )
            for at in range(0, len(request), 7):
                worker.writer.write(request[at : at + 7].encode())
                await worker.writer.drain()
                await asyncio.sleep(0.001)
            assert (await worker.reader.readline()).startswith(b"HTTP/1.1 100")
            await worker.reader.readline()
            assert (await worker.reply()).status == 202
            assert (await answer.result())[1] == b"done", round_number
            await worker.poll()


async def test_a_request_behind_an_open_poll_closes_the_connection() -> None:
    async with played_instance() as instance:
        _, (worker,) = await instance.start(max_concurrency=1)
        worker.send("GET", "/2018-06-01/ping")
        assert await worker.closed()


async def test_a_client_that_closes_after_its_request_is_let_go() -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1)
        runtime = await instance.runtime(spec)
        assert (await runtime.call("GET", "/2018-06-01/ping", headers={"Connection": "close"})).status == 200
        assert await runtime.closed()


async def test_a_head_without_end_is_refused() -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1)
        runtime = await instance.runtime(spec)
        head = b"GET /2018-06-01/ping HTTP/1.1\r\n"
        line = b"X: " + b"y" * 1000 + b"\r\n"
        head += line * ((MAX_HEAD_BYTES - len(head)) // len(line) + 1)
        runtime.writer.write(head)
        assert (await runtime.reply()).status == 431
        assert await runtime.closed()


async def test_more_connections_than_a_runtime_can_need_are_closed() -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1)
        used = [await instance.runtime(spec) for _ in range(60)]
        assert [(await client.call("GET", "/2018-06-01/ping")).status for client in used] == [200] * 60
        silent = [await instance.runtime(spec) for _ in range(20)]
        assert await silent[0].closed()
        assert (await silent[-1].call("GET", "/2018-06-01/ping")).status == 200
        assert (await used[0].call("GET", "/2018-06-01/ping")).status == 200


async def test_where_all_connections_are_used_a_further_one_is_closed() -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1)
        for _ in range(2 * spec.max_concurrency + SPARE_CONNECTIONS - 1):
            assert (await (await instance.runtime(spec)).call("GET", "/2018-06-01/ping")).status == 200
        assert await (await instance.runtime(spec)).closed()


async def test_an_error_document_that_is_too_large_is_refused_and_the_caller_hears() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        assert (await worker.fail(await worker.event(), b"x" * (MAX_ERROR_BYTES + 1))).status == 413
        assert (await answer.result())[0].outcome == "function_error"


async def test_the_nonce_of_another_delivery_is_gone() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        event = await worker.event()
        nonce = event.headers["lambda-runtime-invocation-id"]
        assert (await worker.respond(event, b"1", {"Lambda-Runtime-Invocation-Id": "wrong"})).status == 410
        assert (await worker.respond(event, b"2", {"Lambda-Runtime-Invocation-Id": nonce})).status == 202
        assert (await answer.result())[1] == b"2"


async def test_a_dead_worker_fails_its_caller_at_once_and_the_others_go_on() -> None:
    async with played_instance() as instance:
        spec, (one, two) = await instance.start(max_concurrency=2)
        first = instance.server.invoke(spec, invocation_id="r-1")
        await two.event()
        two.close()
        header, body = await first.result()
        assert header.error_type == "Runtime.ExitError"
        assert json.loads(body)["errorMessage"] == "RequestId: r-1 Error: Runtime exited without providing a reason"
        second = instance.server.invoke(spec)
        await one.respond(await one.event(), b"alive")
        assert (await second.result())[1] == b"alive"
        await instance.server.until(lambda: instance.server.reports[spec.environment_id].slots == 1)


async def test_a_closed_idle_poll_is_given_no_event() -> None:
    async with played_instance() as instance:
        spec, (one, two) = await instance.start(max_concurrency=2)
        two.close()
        await asyncio.sleep(0.05)
        answer = instance.server.invoke(spec)
        await one.respond(await one.event(), b"alive")
        assert (await answer.result())[1] == b"alive"


async def test_the_cause_of_an_error_is_kept_beside_a_sampled_trace() -> None:
    cause = {"working_directory": "/var/task", "exceptions": [{"type": "E", "message": "no", "stack": []}]}
    frames = [{"path": "/var/task/app.py", "line": number, "label": "f"} for number in range(2000)]
    long = {**cause, "exceptions": [{"type": "E", "message": "no", "stack": frames}]}
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        posted = [(json.dumps(cause), "Root=1-2;Sampled=1"), (json.dumps(long), "Root=1-2;Sampled=1")]
        posted += [("no json", "Root=1-2;Sampled=1"), (json.dumps(cause), "Root=1-2;Sampled=0")]
        for number, (text, trace_header) in enumerate(posted):
            answer = instance.server.invoke(spec, trace_header=trace_header, invocation_id=f"r-{number}")
            event = await worker.event()
            headers = {"Lambda-Runtime-Function-XRay-Error-Cause": text}
            assert (await worker.fail(event, b"{}", headers)).status == 202
            assert (await answer.result())[0].outcome == "function_error"
            await worker.poll()
        assert await instance.server.until(lambda: len(_reports(instance)) == len(posted))
        kept, cropped, *others = (one.get("tracing", {}).get("errorCause") for one in _reports(instance))
        assert kept == cause
        assert 0 < len(cropped["exceptions"][0]["stack"]) < len(frames)
        assert others == [None, None]


@pytest.mark.parametrize("runtime", ["python3.13", "nodejs22.x"])
async def test_with_active_tracing_the_function_s_parent_is_the_platform_s_segment(runtime: str) -> None:
    given = "Root=1-2;Parent=3;Sampled=1;Lineage=4"
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(runtime, max_concurrency=1, tracing_active=True)
        segments = set()
        for number in range(2):
            answer = instance.server.invoke(spec, trace_header=given, invocation_id=f"r-{number}")
            event = await worker.event()
            said = event.headers["lambda-runtime-trace-id"]
            root, parent, sampled, lineage = said.split(";")
            assert (root, sampled, lineage) == ("Root=1-2", "Sampled=1", "Lineage=4")
            segments.add(parent)
            await worker.respond(event, b"1")
            await answer.result()
            await worker.poll()
            tracing = json.loads(await instance.server.logged(f'"requestId":"r-{number}"'))["record"]["tracing"]
            span_id = parent.removeprefix("Parent=")
            assert tracing == {"spanId": span_id, "type": "X-Amzn-Trace-Id", "value": given}
        assert len(segments) == 2
        assert all(re.fullmatch("Parent=[0-9a-f]{16}", segment) for segment in segments)


def _reports(instance: PlayedInstance) -> list[dict[str, Any]]:
    lines = [line for _, line, _ in instance.server.log_lines if b'"platform.report"' in line]
    return [json.loads(line)["record"] for line in lines]


async def test_long_names_from_a_runtime_are_cropped_before_they_are_passed_on() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        for headers in (
            {"Content-Type": "x" * 100_000},
            {"Lambda-Runtime-Function-Error-Type": "Runtime.A" + "a" * 9**5},
        ):
            answer = instance.server.invoke(spec)
            event = await worker.event()
            assert (await worker.fail(event, b"{}", headers)).status == 202
            header, body = await answer.result()
            assert (header.outcome, body) == ("function_error", b"{}")
            assert max(len(header.content_type), len(header.error_type)) == 1024
            await worker.poll()


@pytest.mark.parametrize("tenant_id", ["", "Tenant 7/eu-1"])
async def test_the_tenant_is_named_where_the_environment_has_one(tenant_id: str) -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1, initialization_type="on-demand", tenant_id=tenant_id)
        instance.server.invoke(spec)
        headers = (await worker.event()).headers
        assert headers.get("lambda-runtime-aws-tenant-id", "") == tenant_id
        assert ("lambda-runtime-aws-tenant-id" in headers) == bool(tenant_id)


async def test_an_init_error_that_is_too_large_is_refused_and_init_goes_on() -> None:
    async with played_instance() as instance:
        spec = await instance.configured()
        runtime = await instance.runtime(spec)
        assert (await runtime.call("POST", INIT_ERROR, b"x" * (MAX_ERROR_BYTES + 1))).status == 413
        document = b'{"errorMessage": "it broke"}'
        headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.ImportModuleError"}
        assert (await runtime.call("POST", INIT_ERROR, document, headers)).status == 202
        again = await runtime.call("POST", INIT_ERROR, document, headers)
        assert (again.status, json.loads(again.body)["errorType"]) == (403, "InvalidStateTransition")
        instance.agent.environments[spec.environment_id].process.kill()  # type: ignore[union-attr]
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert (report.failure.error_type, report.failure.text) == ("Runtime.ImportModuleError", "it broke")


async def test_two_environments_never_see_each_others_events() -> None:
    async with played_instance() as instance:
        one, (worker_one,) = await instance.start(max_concurrency=1, environment_id="env-1")
        two_spec = msgspec.structs.replace(one, environment_id="env-2")
        instance.server.configure(one, two_spec)
        worker_two = await instance.runtime(two_spec)
        await worker_two.poll()
        await instance.server.phase(two_spec, "ready")
        answers = {
            spec.environment_id: instance.server.invoke(spec, spec.environment_id.encode()) for spec in (one, two_spec)
        }
        event_one, event_two = await worker_one.event(), await worker_two.event()
        assert (event_one.body, event_two.body) == (b"env-1", b"env-2")
        path = path_of(event_two, "response")
        assert (await (await instance.runtime(one)).call("POST", path, b"stolen")).status == 400
        await worker_one.respond(event_one, b"1")
        await worker_two.respond(event_two, b"2")
        assert [(await answer.result())[1] for answer in answers.values()] == [b"1", b"2"]


async def test_garbage_is_answered_and_closed() -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1)
        for garbage in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
            runtime: RuntimeClient = await instance.runtime(spec)
            runtime.writer.write(garbage)
            assert (await runtime.reply()).status == 400
            assert await runtime.closed()
