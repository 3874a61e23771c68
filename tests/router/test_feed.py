"""Routers of other processes: what the server's feed tells them, and what it learns from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from paddock.core.routing.pool import ThrottleCause
from paddock.model.ids import LATEST_PUBLISHED, FunctionName, FunctionVersionKey, InvocationId
from paddock.ports.clock import SeededIds, SystemClock
from paddock.ports.invoker import InvokeRequest
from paddock.router.feed import RouteFeed
from paddock.router.following import follow
from paddock.router.router import Router
from paddock.wire.feed import FeedHello, RouterReport, VersionTally, encoder
from paddock.wire.frames import FrameKind
from paddock.wire.routes import EnvironmentRouteRemoved, FunctionRoute, RoutesReplaced
from paddock.wire.stream import frames_of
from tests.router.driving import (
    LAMBDA,
    PLACE,
    StoredEvents,
    environment_route,
    function_route,
    instance_route,
    until,
)
from tests.router.scripted_agent import ScriptedAgent, refuse, scripted_agent


def new_router(seed: int) -> Router:
    return Router(
        PLACE,
        clock=SystemClock(),
        ids=SeededIds(seed),
        queue=StoredEvents(),
        error_reply=LAMBDA.serialise_error,
        server_id=f"s-{seed}",
    )


def request() -> InvokeRequest:
    return InvokeRequest(FunctionName("f"), None, InvocationId("id"), b"{}")


def routes(agent: ScriptedAgent) -> RoutesReplaced:
    return RoutesReplaced((function_route(),), (instance_route(agent),), (environment_route("e0", agent),))


@asynccontextmanager
async def fed(directory: Path) -> AsyncIterator[tuple[RouteFeed, Router, Router]]:
    """A feed with its own router and one that follows."""
    path = directory / "feed.sock"
    local, other = new_router(1), new_router(2)
    feed = RouteFeed(local)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(local.run()), group.create_task(other.run())]
        async with feed.listening(path):
            tasks.append(group.create_task(follow(str(path), other, "r-2")))
            await until(lambda: feed.routers == 1)
            yield feed, local, other
            for task in tasks:
                task.cancel()


async def test_all_routers_learn_the_routes(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, fed(tmp_path) as (feed, local, other):
        feed.apply(routes(agent))
        await until(lambda: local.reachable_instances == other.reachable_instances == 1)
        results = [await local.invoke(request()), await other.invoke(request())]

    assert [result.status for result in results] == [200, 200]


async def test_a_router_that_comes_later_is_told_all_there_is(tmp_path: Path) -> None:
    late = new_router(3)
    many = tuple(
        FunctionRoute(f"f{number}", "arn" * 30, "$LATEST.PUBLISHED", function_route().versions)
        for number in range(2000)
    )
    async with scripted_agent("i-1", tmp_path) as agent, fed(tmp_path) as (feed, _local, _other):
        feed.apply(routes(agent))
        for function in many:
            feed.apply(function)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(late.run()),
                group.create_task(follow(str(tmp_path / "feed.sock"), late, "r-3")),
            ]
            await until(lambda: late.reachable_instances == 1)
            result = await late.invoke(request())
            far = await late.invoke(InvokeRequest(FunctionName("f1999"), None, InvocationId("id"), b"{}"))
            for task in tasks:
                task.cancel()

    assert result.status == 200
    assert far.status == 429  # known, but nothing runs it


async def test_updates_reach_all_routers(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, fed(tmp_path) as (feed, _local, other):
        feed.apply(routes(agent))
        await until(lambda: other.reachable_instances == 1)
        feed.apply(EnvironmentRouteRemoved("e0"))
        async with asyncio.timeout(10):
            while (await other.invoke(request())).status != 429:  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.005)


async def test_the_counts_of_all_routers_are_added_up(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, fed(tmp_path) as (feed, local, other):
        feed.apply(routes(agent))
        await until(lambda: local.reachable_instances == other.reachable_instances == 1)
        for router in (local, other, other):
            await router.invoke(request())
        agent.script = refuse
        await other.invoke(request())
        await until(lambda: any(one.counts.throttled for one in feed.statistics()))
        [statistics] = [one for one in feed.statistics() if one.counts.invocations]
        throttles = {str(key): count for key, count in feed.throttle_counts().items()}
        invocations = {str(key): count for key, count in feed.invocation_counts().items()}

    assert statistics.counts.invocations == 3
    assert sum(statistics.counts.durations) == 3
    assert dict(statistics.counts.throttles)[ThrottleCause.CONCURRENCY] == 1
    assert throttles["f:$LATEST.PUBLISHED"] == 1
    assert invocations["f:$LATEST.PUBLISHED"] == 3


async def test_extremes_of_all_routers_wait_for_the_one_who_takes_them() -> None:
    """Two routers report in their own time; what was told twice between two looks is all there at the second."""
    local = new_router(1)
    feed = RouteFeed(local)
    feed.apply(RoutesReplaced((function_route(),), (), ()))

    def report(router_id: str, invocations: int, least_us: int, greatest_us: int) -> None:
        tally = VersionTally(
            "f", LATEST_PUBLISHED, invocations=invocations, duration_extremes_us=(least_us, greatest_us)
        )
        feed.reported(router_id, RouterReport((tally,)))

    def extremes() -> list[tuple[int, int] | None]:
        return [one.counts.duration_extremes_us for one in feed.statistics() if one.counts.invocations]

    report("r-2", 2, 100, 300)
    report("r-2", 4, 200, 250)
    report("r-3", 1, 50, 50)
    assert extremes() == [(50, 300)]
    assert extremes() == [(50, 300)]  # whoever only looks changes nothing
    feed.begin_interval()
    assert extremes() == [None]
    report("r-2", 5, 70, 70)
    assert extremes() == [(70, 70)]


async def test_peaks_of_all_routers_wait_for_the_one_who_takes_them() -> None:
    local = new_router(1)
    feed = RouteFeed(local)
    feed.apply(RoutesReplaced((function_route(),), (), ()))
    key = FunctionVersionKey(FunctionName("f"), LATEST_PUBLISHED)

    def report(router_id: str, peak: int, in_flight: int = 0) -> None:
        tally = VersionTally("f", LATEST_PUBLISHED, in_flight=in_flight, peak_in_flight=peak)
        feed.reported(router_id, RouterReport((tally,)))

    report("r-2", 5, in_flight=2)
    report("r-2", 3, in_flight=1)
    report("r-3", 4)
    assert feed.take_peaks(set()) == {}
    assert feed.take_peaks({key}) == {key: 9}
    assert feed.take_peaks({key}) == {key: 1}  # what is still in flight


async def test_a_router_reports_the_extremes_of_each_report_once(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, fed(tmp_path) as (feed, _local, other):

        def extremes() -> list[tuple[int, int]]:
            found = (one.counts.duration_extremes_us for one in feed.statistics())
            return [each for each in found if each is not None]

        feed.apply(routes(agent))
        await until(lambda: other.reachable_instances == 1)
        await other.invoke(request())
        await until(lambda: len(extremes()) == 1)
        feed.begin_interval()
        assert not extremes()
        assert all(one.counts.duration_extremes_us is None for one in other.statistics())


async def test_what_a_router_counted_outlives_it(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, fed(tmp_path) as (feed, _local, other):
        feed.apply(routes(agent))
        await until(lambda: other.reachable_instances == 1)
        await other.invoke(request())
        await until(lambda: any(one.counts.invocations for one in feed.statistics()))
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "feed.sock"))
        writer.writelines(frames_of(FrameKind.CONTROL, 0, b"", encoder.encode(FeedHello("r-2", 1))))
        await reader.read(1)
        writer.transport.abort()
        await until(lambda: feed.routers == 1)
        counts = [one.counts.invocations for one in feed.statistics() if one.counts.invocations]

    assert counts == [1]


async def test_a_router_that_babbles_is_cut_off(tmp_path: Path) -> None:
    async with fed(tmp_path) as (feed, _local, _other):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "feed.sock"))
        writer.write(b"\xff" * 64)
        assert await reader.read() == b""
        writer.close()
        assert feed.routers == 1


async def test_a_router_goes_on_without_the_server_and_finds_it_again(tmp_path: Path) -> None:
    path = tmp_path / "feed.sock"
    local, other = new_router(1), new_router(2)
    async with scripted_agent("i-1", tmp_path) as agent, asyncio.TaskGroup() as group:
        tasks = [group.create_task(other.run()), group.create_task(follow(str(path), other, "r-2"))]
        first = RouteFeed(local)
        async with first.listening(path):
            first.apply(routes(agent))
            await until(lambda: other.reachable_instances == 1)
        alone = await other.invoke(request())
        second = RouteFeed(local)
        second.apply(RoutesReplaced((), (), ()))
        async with second.listening(path):
            await until(lambda: second.routers == 1 and other.reachable_instances == 0)
            after = await other.invoke(request())
        for task in tasks:
            task.cancel()

    assert alone.status == 200
    assert after.status == 404
