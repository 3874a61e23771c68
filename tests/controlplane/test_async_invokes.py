import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from paddock.controlplane import async_invokes
from paddock.model.ids import FunctionName, InvocationId, TenantId
from paddock.ports.invoker import InvokeRequest, InvokeResult
from paddock.ports.logs import LogQuery
from paddock.ports.store import StoreError
from tests.controlplane.world import World, run, run_without_server

OK = InvokeResult(200, b"{}", "1")
FUNCTION_ERROR = InvokeResult(200, b"{}", "1", function_error="Unhandled")
THROTTLED = InvokeResult(429, b"", "", error_code="TooManyRequestsException")
NOT_FOUND = InvokeResult(404, b"", "", error_code="ResourceNotFoundException")


def event(number: int = 1) -> InvokeRequest:
    return InvokeRequest(
        FunctionName("thumbnail"),
        None,
        InvocationId(f"id-{number}"),
        b'{"n": %d}' % number,
        client_context="c",
        trace_header="t",
        tenant_id=TenantId("blue"),
    )


async def put(world: World, *numbers: int) -> None:
    assert world.control_plane is not None
    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(world.control_plane.async_queue.put(event(number)))


async def left(world: World) -> int:
    return await world.store.read(lambda tx: tx.invocations.count())


def times(world: World) -> int:
    return len(world.invoker.requests)


def test_an_event_is_stored_then_run_then_forgotten() -> None:
    async def scenario(world: World) -> None:
        world.invoker.seconds = 1
        await put(world, 1)
        assert await left(world) == 1
        await asyncio.sleep(3)
        assert world.invoker.requests == [event(1)]
        assert await left(world) == 0

    run(scenario)


def test_a_functions_error_is_tried_twice_more_after_one_and_two_minutes_then_dropped_with_a_record() -> None:
    async def scenario(world: World) -> None:
        world.invoker.script = lambda request: FUNCTION_ERROR
        await put(world, 1)
        for seconds, expected in ((1, 1), (57, 1), (5, 2), (115, 2), (5, 3), (3600, 3)):
            await asyncio.sleep(seconds)
            assert times(world) == expected
        assert len({request.invocation_id for request in world.invoker.requests}) == 1
        assert {request.tenant_id for request in world.invoker.requests} == {"blue"}
        assert await left(world) == 0
        page = await world.logs.forward("/aws/lambda/thumbnail", LogQuery(), from_position=0, limit=10)
        assert len(page.events) == 1
        assert '"requestId": "id-1"' in page.events[0].message
        assert "dropped after 3 tries: Unhandled" in page.events[0].message

    run(scenario)


def test_what_finds_no_slot_is_tried_again_later_and_later() -> None:
    async def scenario(world: World) -> None:
        world.invoker.script = lambda request: THROTTLED
        await put(world, 1)
        await asyncio.sleep(60)
        assert 5 <= times(world) <= 7
        await asyncio.sleep(600)
        assert times(world) <= 12
        world.invoker.script = lambda request: OK
        await asyncio.sleep(301)
        assert await left(world) == 0

    run(scenario)


@pytest.mark.parametrize("error_type", ["Client.ExecutionEnvironmentShutDown", "Sandbox.Failure"])
def test_an_environment_that_the_platform_ended_costs_no_try(error_type: str) -> None:
    async def scenario(world: World) -> None:
        world.invoker.script = lambda request: InvokeResult(200, b"{}", "1", function_error=error_type)
        await put(world, 1)
        await asyncio.sleep(60)
        assert times(world) > 3
        assert await left(world) == 1
        world.invoker.script = lambda request: OK
        await asyncio.sleep(301)
        assert await left(world) == 0

    run(scenario)


def test_what_ended_while_the_store_was_read_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)
        read = world.store.read

        async def read_slowly(work: Callable[[Any], Any]) -> Any:
            found = await read(work)
            await asyncio.sleep(3)
            return found

        world.invoker.seconds = 2
        await put(world, 1)
        await asyncio.sleep(0.1)
        world.invoker.seconds = 0
        world.invoker.script = lambda request: THROTTLED if request == event(2) and times(world) < 3 else OK
        with monkeypatch.context() as patched:
            patched.setattr(world.store, "read", read_slowly)
            await put(world, 2)
            await asyncio.sleep(20)
        assert [request.invocation_id for request in world.invoker.requests].count(event(1).invocation_id) == 1
        assert await left(world) == 0

    run(scenario)


def test_those_that_were_refused_together_do_not_come_again_together() -> None:
    """One a second finds a slot: in lockstep forty would need as many rounds, of five minutes each in the end."""

    async def scenario(world: World) -> None:
        taken: set[int] = set()

        def one_a_second(_: InvokeRequest) -> InvokeResult:
            second = int(asyncio.get_running_loop().time())
            if second in taken:
                return THROTTLED
            taken.add(second)
            return OK

        world.invoker.script = one_a_second
        await put(world, *range(40))
        await asyncio.sleep(900)
        assert await left(world) == 0

    run(scenario)


def test_what_finds_no_slot_for_six_hours_is_dropped() -> None:
    async def scenario(world: World) -> None:
        world.invoker.script = lambda request: THROTTLED
        await put(world, 1)
        await asyncio.sleep(5.8 * 3600)
        assert await left(world) == 1
        await asyncio.sleep(0.3 * 3600)
        assert await left(world) == 0

    run(scenario)


def test_an_event_of_a_deleted_function_is_dropped() -> None:
    async def scenario(world: World) -> None:
        world.invoker.script = lambda request: NOT_FOUND
        await put(world, 1)
        await asyncio.sleep(1)
        assert (times(world), await left(world)) == (1, 0)

    run(scenario)


def test_an_invoker_that_raises_is_tried_again() -> None:
    async def scenario(world: World) -> None:
        def fail_once(request: InvokeRequest) -> InvokeResult:
            if times(world) == 1:
                raise RuntimeError("a bug")
            return OK

        world.invoker.script = fail_once
        await put(world, 1)
        await asyncio.sleep(10)
        assert (times(world), await left(world)) == (2, 0)

    run(scenario)


def test_no_more_than_so_many_run_at_once() -> None:
    async def scenario(world: World) -> None:
        world.invoker.seconds = 1
        await put(world, *range(20))
        await asyncio.sleep(0.5)
        assert times(world) == 4
        await asyncio.sleep(6)
        assert times(world) == 20
        assert await left(world) == 0

    run(scenario, async_concurrency=4)


def test_more_events_than_fit_in_memory_wait_in_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_invokes, "ASYNC_LOADED", 3)

    async def scenario(world: World) -> None:
        await put(world, *range(50))
        await asyncio.sleep(5)
        assert sorted(request.invocation_id for request in world.invoker.requests) == sorted(
            f"id-{number}" for number in range(50)
        )
        assert await left(world) == 0

    run(scenario)


def test_events_that_wait_for_a_retry_do_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_invokes, "ASYNC_LOADED", 3)

    async def scenario(world: World) -> None:
        world.invoker.script = lambda request: FUNCTION_ERROR
        await put(world, *range(10))
        await asyncio.sleep(5)
        world.invoker.script = lambda request: OK
        await put(world, 100)
        await asyncio.sleep(1)
        assert world.invoker.requests[-1].invocation_id == "id-100"
        await asyncio.sleep(70)
        assert times(world) == 21
        assert await left(world) == 0

    run(scenario)


@pytest.mark.parametrize("after_seconds", [0.0, 0.005, 0.5])
def test_what_was_accepted_runs_after_a_restart(after_seconds: float) -> None:
    async def scenario(world: World) -> None:
        world.invoker.seconds = 1
        async with world.server():
            await put(world, *range(5))
            await asyncio.sleep(after_seconds)
        world.invoker.requests.clear()
        async with world.server():
            await asyncio.sleep(3)
        assert {request.invocation_id for request in world.invoker.requests} == {f"id-{number}" for number in range(5)}
        assert world.invoker.requests[0].payload.startswith(b'{"n": ')
        assert await left(world) == 0

    run_without_server(scenario)


def test_a_retry_that_was_due_later_is_still_due_later_after_a_restart() -> None:
    async def scenario(world: World) -> None:
        world.invoker.script = lambda request: FUNCTION_ERROR
        async with world.server():
            await put(world, 1)
            await asyncio.sleep(1)
        async with world.server():
            await asyncio.sleep(30)
            assert times(world) == 1
            await asyncio.sleep(35)
            assert times(world) == 2

    run_without_server(scenario)


def test_an_event_that_cannot_be_stored_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)

        async def full(work: object) -> None:
            raise StoreError("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(world.store, "write", full)
            assert world.control_plane is not None
            with pytest.raises(StoreError):
                await world.control_plane.async_queue.put(event())
        await put(world, 2)
        await asyncio.sleep(1)
        assert [request.invocation_id for request in world.invoker.requests] == ["id-2"]

    run(scenario)
