"""Answers that stream, break off, or are no longer wanted, over real sockets, with a runtime that the test plays."""

import asyncio
import base64
import json

import pytest

from paddock.wire.frames import FrameKind
from tests.agent.instances import path_of, played_instance


async def test_a_chunked_answer_that_grows_too_large_is_refused_too() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        await worker.begin_stream(await worker.event())
        for _ in range(7):
            worker.chunk(b"x" * (1 << 20))
        worker.end_chunks()
        assert (await worker.reply()).status == 413
        assert (await answer.result())[0].error_type == "Function.ResponseSizeTooLarge"


async def test_a_stream_is_cut_when_time_is_up() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec, timeout_seconds=0.1, streaming=True)
        await worker.begin_stream(await worker.event())
        worker.chunk(b"begun")
        header, _ = await answer.result()
        assert header.error_type == "Sandbox.Timedout"
        assert b"".join(answer.streamed) == b"begun"
        worker.chunk(b"more")
        worker.end_chunks()
        assert (await worker.reply()).status == 410


async def test_a_cut_stream_is_gone_however_much_was_sent_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddock.agent.runtime_requests.DISCARDED_BYTES", 1 << 20)
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec, timeout_seconds=0.5, streaming=True)
        await worker.begin_stream(await worker.event())
        for _ in range(3):
            worker.chunk(b"x" * (1 << 20))
        assert (await answer.result())[0].error_type == "Sandbox.Timedout"
        worker.chunk(b"more")
        worker.end_chunks()
        assert (await worker.reply()).status == 410
        await worker.poll()
        second = instance.server.invoke(spec)
        await worker.respond(await worker.event(), b"alive")
        assert (await second.result())[1] == b"alive"


async def test_a_cut_stream_without_end_is_gone_and_its_slot_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddock.agent.runtime_requests.DISCARDED_BYTES", 1 << 20)
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec, timeout_seconds=0.1, streaming=True)
        await worker.begin_stream(await worker.event())
        worker.chunk(b"begun")
        await answer.result()
        for _ in range(20):
            worker.chunk(b"x" * (1 << 16))
        assert (await worker.reply()).status == 410
        assert await instance.server.until(lambda: len(instance.server.released) == 1)


async def test_a_chunked_answer_that_breaks_off_is_truncated_to_both() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start("provided.al2023", max_concurrency=1)
        answer = instance.server.invoke(spec)
        await worker.begin_stream(await worker.event())
        worker.chunk(b"half")
        worker.writer.write_eof()
        reply = await worker.reply()
        assert (reply.status, json.loads(reply.body)["errorType"]) == (400, "TruncatedHTTPRequest")
        assert (await answer.result())[0].error_type == "Runtime.TruncatedResponse"


async def test_an_answer_shorter_than_it_said_is_truncated_even_when_the_connection_is_gone() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start("provided.al2023", max_concurrency=1)
        answer = instance.server.invoke(spec)
        event = await worker.event()
        worker.send("POST", path_of(event, "response"), headers={"Content-Length": "8"})
        worker.writer.write(b"half")
        worker.writer.transport.abort()
        assert (await answer.result())[0].error_type == "Runtime.TruncatedResponse"


async def test_broken_chunks_are_truncated_too() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start("provided.al2023", max_concurrency=1)
        answer = instance.server.invoke(spec)
        await worker.begin_stream(await worker.event())
        worker.writer.write(b"zz\r\n")
        assert (await worker.reply()).status == 400
        assert (await answer.result())[0].error_type == "Runtime.TruncatedResponse"


async def test_a_stream_reaches_the_caller_before_the_handler_ends() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec, streaming=True)
        await worker.begin_stream(await worker.event())
        worker.chunk(b"one")
        assert await instance.server.until(lambda: answer.streamed == [b"one"])
        assert answer.head is not None
        assert answer.head.content_type == "text/plain"
        worker.chunk(b"two")
        worker.end_chunks()
        assert (await worker.reply()).status == 202
        header, _ = await answer.result()
        assert (header.outcome, b"".join(answer.streamed)) == ("ok", b"onetwo")


async def test_error_trailers_end_a_stream_with_the_error() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec, streaming=True)
        await worker.begin_stream(await worker.event())
        worker.chunk(b"one")
        document = base64.b64encode(b'{"errorMessage": "no"}').decode()
        worker.end_chunks(
            Lambda_Runtime_Function_Error_Type="Function.Broken", Lambda_Runtime_Function_Error_Body=document
        )
        assert (await worker.reply()).status == 202
        header, body = await answer.result()
        assert (header.outcome, header.error_type, body) == (
            "function_error",
            "Function.Broken",
            b'{"errorMessage": "no"}',
        )


async def test_an_error_in_the_middle_of_a_stream_cuts_it() -> None:
    async with played_instance() as instance:
        spec, (_, other) = await instance.start("provided.al2023", max_concurrency=2)
        answer = instance.server.invoke(spec, streaming=True)
        event = await other.event()
        await other.begin_stream(event)
        other.chunk(b"one")
        await instance.server.until(lambda: answer.streamed == [b"one"])
        third = await instance.runtime(spec)
        assert (await third.fail(event, b"{}")).status == 202
        assert (await answer.result())[0].outcome == "function_error"
        other.chunk(b"two")
        other.end_chunks()
        assert (await other.reply()).status == 400


async def test_a_streamed_answer_to_a_caller_who_wants_it_whole_is_collected() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        await worker.begin_stream(await worker.event())
        for piece in (b"one", b"two"):
            worker.chunk(piece)
        worker.end_chunks()
        await worker.reply()
        header, body = await answer.result()
        assert (header.outcome, header.content_type, body) == ("ok", "text/plain", b"onetwo")


async def test_error_trailers_of_a_collected_answer_are_a_function_error() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        await worker.begin_stream(await worker.event())
        worker.chunk(b"one")
        worker.end_chunks(Lambda_Runtime_Function_Error_Type="Function.Broken", Lambda_Runtime_Function_Error_Body="!!")
        assert (await worker.reply()).status == 202
        assert (await answer.result())[0].error_type == "Function.Broken"


async def test_a_slow_reader_stops_the_stream_until_it_reads_on() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec, streaming=True)
        await worker.begin_stream(await worker.event())
        worker.chunk(b"one")
        await instance.server.until(lambda: bool(answer.streamed))
        instance.server.steer(FrameKind.PAUSE, answer)
        await asyncio.sleep(0.05)
        worker.chunk(b"two")
        await asyncio.sleep(0.05)
        assert answer.streamed == [b"one"]
        instance.server.steer(FrameKind.RESUME, answer)
        worker.end_chunks()
        await answer.result()
        assert b"".join(answer.streamed) == b"onetwo"


async def test_a_stream_slows_down_after_its_first_mebibytes() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec, streaming=True)
        await worker.begin_stream(await worker.event())
        for _ in range(40):
            worker.chunk(b"x" * (1 << 18))
        worker.end_chunks()
        burst = 6 * (1 << 20)
        assert await instance.server.until(lambda: sum(map(len, answer.streamed)) >= burst)
        assert not answer.done.done()
        assert (await worker.reply()).status == 202
        assert (await answer.result())[0].outcome == "ok"
        assert sum(map(len, answer.streamed)) == 10 * (1 << 20)


async def test_a_cancelled_call_goes_on_and_ends_without_its_body() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        event = await worker.event()
        instance.server.steer(FrameKind.CANCEL, answer)
        await asyncio.sleep(0.02)
        assert (await worker.respond(event, b"nobody reads this")).status == 202
        assert (await answer.result())[1] == b""


async def test_the_report_of_a_stream_says_when_it_began_and_how_long_it_took() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        instance.server.invoke(spec, streaming=True)
        await worker.begin_stream(await worker.event())
        worker.chunk(b"one")
        worker.end_chunks()
        record = json.loads(await instance.server.logged("platform.report"))["record"]
        assert [span["name"] for span in record["spans"]] == ["responseLatency", "responseDuration"]
        whole = sum(span["durationMs"] for span in record["spans"])
        assert abs(whole - record["metrics"]["durationMs"]) < 0.01


async def test_an_answer_in_one_piece_has_no_spans() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        instance.server.invoke(spec)
        await worker.respond(await worker.event(), b"1")
        assert b"spans" not in await instance.server.logged("platform.report")


async def test_a_stream_beyond_its_limit_is_cut_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddock.agent.answer_stream.STREAM_BYTES", 1 << 20)
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec, streaming=True)
        await worker.begin_stream(await worker.event())
        for _ in range(20):
            worker.chunk(b"x" * (1 << 16))
        worker.end_chunks()
        assert (await worker.reply()).status == 400
        assert (await answer.result())[0].error_type == "Function.ResponseSizeTooLarge"
        assert sum(map(len, answer.streamed)) <= (1 << 20) + (1 << 18)
        await worker.poll()
        second = instance.server.invoke(spec)
        await worker.respond(await worker.event(), b"alive")
        assert (await second.result())[1] == b"alive"


async def test_a_slow_reader_does_not_hold_up_another_call() -> None:
    async with played_instance() as instance:
        spec, (_, slow) = await instance.start(max_concurrency=2)
        answer = instance.server.invoke(spec, streaming=True)
        await slow.begin_stream(await slow.event())
        slow.chunk(b"one")
        await instance.server.until(lambda: bool(answer.streamed))
        instance.server.steer(FrameKind.PAUSE, answer)
        for _ in range(200):
            slow.chunk(b"x" * (1 << 16))
        other = await instance.runtime(spec)
        await other.poll()
        quick = instance.server.invoke(spec)
        await other.respond(await other.event(), b"quick")
        assert (await quick.result())[1] == b"quick"
        assert not answer.done.done()
        instance.server.steer(FrameKind.RESUME, answer)
        slow.end_chunks()
        assert (await answer.result())[0].outcome == "ok"
