import asyncio
from collections.abc import Sequence
from datetime import timedelta

from paddock.controlplane.cloudwatch import feed as feed_module
from paddock.controlplane.cloudwatch.feed import SAMPLES_AT_ONCE, MetricFeed
from paddock.controlplane.inventory import Inventory
from paddock.model.metrics import metric_id
from paddock.ports.metrics import InvocationReading
from paddock.router.statistics import VersionStatistics
from paddock.stores.metrics import MemoryMetricStore
from tests.controlplane.cloudwatch.test_fleet_meter import STEADY, PlayedInstance
from tests.controlplane.cloudwatch.test_invocation_meter import Reading, reading
from tests.controlplane.harness import NOON, FixedClock
from tests.controlplane.virtual_time import run_virtually
from tests.controlplane.world import PUBLISHED, World


class PlayedRouter:
    def __init__(self, *readings: Reading) -> None:
        self.readings = readings

    def statistics(self) -> Sequence[InvocationReading]:
        return [VersionStatistics(each.key, each.in_flight, each.counts) for each in self.readings]

    def begin_interval(self) -> None:
        for each in self.readings:
            each.counters.begin_interval()


def test_fleet_and_invocations_of_a_second_are_put_together() -> None:
    inventory, hello = Inventory(), reading()
    PlayedInstance(inventory, 1).report()
    hello.ran(1000)
    store, clock = MemoryMetricStore(), FixedClock()
    feed = MetricFeed(store, clock, lambda: {STEADY: inventory}, PlayedRouter(hello))
    asyncio.run(feed.take())
    names = {known.metric.name for known in asyncio.run(store.known())}
    assert {"vCPUAllocated", "ExecutionEnvironmentCount", "Invocations", "Duration", "Throttles"} <= names
    assert all(known.last_at == NOON for known in asyncio.run(store.known()))


def test_the_extremes_of_each_interval_are_exact() -> None:
    hello, store, clock = reading(), MemoryMetricStore(), FixedClock()
    feed = MetricFeed(store, clock, dict, PlayedRouter(hello))
    for durations_us in ((1_234_567, 1_234_568, 99), (2_000_001, 3_141_593), (7_777, 7_778)):
        hello.ran(*durations_us)
        asyncio.run(feed.take())
        clock.at += timedelta(seconds=1)
    metric = metric_id("AWS/Lambda", "Duration", {"FunctionName": "hello"})
    series = asyncio.run(store.series(metric, NOON, clock.at, 1))
    assert [(point.summary.minimum, point.summary.maximum) for point in series.points] == [
        (0.099, 1234.568),
        (2000.001, 3141.593),
        (7.777, 7.778),
    ]


def test_many_samples_leave_the_loop_to_others_in_between() -> None:
    turns = 0

    async def scenario() -> None:
        nonlocal turns
        router = PlayedRouter(*(reading(f"function-{number}") for number in range(SAMPLES_AT_ONCE)))
        for each in router.readings:
            each.ran(1000)
        feed = MetricFeed(MemoryMetricStore(), FixedClock(), dict, router)
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(feed.take())
            while not taking.done():
                turns += 1
                await asyncio.sleep(0)

    asyncio.run(scenario())
    assert turns > 10


def test_a_gauge_that_is_measured_no_more_is_shown_for_some_seconds() -> None:
    inventory = Inventory()
    instance = PlayedInstance(inventory, 1)
    instance.report()
    feed = MetricFeed(MemoryMetricStore(), FixedClock(), lambda: {STEADY: inventory}, PlayedRouter())
    asyncio.run(feed.take())
    assert "ExecutionEnvironmentConcurrency" in {sample.metric.name for sample in feed.latest}
    inventory.instances.clear()
    for _ in range(feed_module.SHOWN_INTERVALS - 1):
        asyncio.run(feed.take())
    assert feed.latest
    asyncio.run(feed.take())
    assert feed.latest == []


def test_what_is_counted_adds_up() -> None:
    inventory = Inventory()
    instance = PlayedInstance(inventory, 1)
    feed = MetricFeed(MemoryMetricStore(), FixedClock(), lambda: {STEADY: inventory}, PlayedRouter())
    for read in (100, 400, 400, 1000):
        instance.report(disk=(read, 0))
        asyncio.run(feed.take())
    assert {metric.name: total for metric, total in feed.totals.items()} == {"DiskReadBytes": 900, "DiskWriteBytes": 0}


def test_a_whole_control_plane_measures_its_fleet_every_second() -> None:
    async def scenario() -> None:
        world = World()
        async with world.server() as control_plane:
            await world.create_provider()
            await world.create_function()
            await world.publish()
            await asyncio.sleep(60)
            dimensions = {"CapacityProviderName": "steady", "InstanceType": "m7i.xlarge"}
            allocated = metric_id("AWS/Lambda", "vCPUAllocated", dimensions)
            now = world.clock.now()
            series = await world.metrics.series(allocated, NOON, now, 60)
            assert max(point.summary.maximum for point in series.points) == 3.0
            resource = {
                "CapacityProviderName": "steady",
                "FunctionName": "thumbnail",
                "Resource": f"thumbnail:{PUBLISHED}",
            }
            count = metric_id("AWS/Lambda", "ExecutionEnvironmentCount", resource)
            series = await world.metrics.series(count, NOON, now, 60)
            assert series.points[-1].summary.maximum == 3.0
            assert 'paddock_execution_environment_count{capacity_provider_name="steady"' in control_plane.gauges()

    run_virtually(scenario())
