"""What every metric store must do, as tests. A store's own test file subclasses `MetricStoreConformance`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from paddock.model.metrics import MetricId, Summary, metric_id, single, summary_of
from paddock.ports.metrics import NOTHING_KEPT, MetricSample, MetricStore

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ERRORS = metric_id("AWS/Lambda", "Errors", {"FunctionName": "thumbnail"})
DURATION = metric_id("AWS/Lambda", "Duration", {"FunctionName": "thumbnail"})


def sample(value: float, metric: MetricId = ERRORS, unit: str = "Count") -> MetricSample:
    return MetricSample(metric, unit, single(value))


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class MetricStoreConformance:
    def open_store(self, directory: Path) -> AbstractAsyncContextManager[MetricStore]:
        """The store to be tested, in `directory`."""
        raise NotImplementedError

    def run(self, directory: Path, scenario: Callable[[MetricStore], Awaitable[None]]) -> None:
        async def within() -> None:
            async with self.open_store(directory) as store:
                await scenario(store)

        asyncio.run(within())

    def test_what_falls_into_one_period_is_added_up(self, tmp_path: Path) -> None:
        async def scenario(store: MetricStore) -> None:
            for second, value in ((0, 1.0), (59, 3.0), (60, 5.0), (180, 7.0)):
                await store.put(after(second), [sample(value)])
            series = await store.series(ERRORS, NOON, after(240), 60)
            assert series.unit == "Count"
            assert [(point.at, point.summary.count, point.summary.total) for point in series.points] == [
                (NOON, 2, 4.0),
                (after(60), 1, 5.0),
                (after(180), 1, 7.0),
            ]
            long = await store.series(ERRORS, NOON, after(300), 300)
            assert [(point.summary.minimum, point.summary.maximum) for point in long.points] == [(1.0, 7.0)]

        self.run(tmp_path, scenario)

    def test_seconds_are_told_apart(self, tmp_path: Path) -> None:
        async def scenario(store: MetricStore) -> None:
            for second in range(7):
                await store.put(after(second), [sample(float(second))])
            one = await store.series(ERRORS, after(2), after(5), 1)
            assert [point.summary.total for point in one.points] == [2.0, 3.0, 4.0]
            five = await store.series(ERRORS, NOON, after(10), 5)
            assert [(point.at, point.summary.total) for point in five.points] == [(NOON, 10.0), (after(5), 11.0)]

        self.run(tmp_path, scenario)

    def test_distributions_are_added_up_too(self, tmp_path: Path) -> None:
        async def scenario(store: MetricStore) -> None:
            for second in range(100):
                values = summary_of({float(second + 1): 1, float(second + 101): 1})
                await store.put(after(second % 60), [MetricSample(DURATION, "Milliseconds", values)])
            summary = (await store.series(DURATION, NOON, after(60), 60)).points[0].summary
            assert (summary.count, summary.minimum, summary.maximum) == (200, 1.0, 200.0)
            assert 95 <= summary.percentile(50) <= 110
            assert 180 <= summary.percentile(95) <= 200

        self.run(tmp_path, scenario)

    def test_metrics_with_other_dimensions_are_others(self, tmp_path: Path) -> None:
        async def scenario(store: MetricStore) -> None:
            other = metric_id("AWS/Lambda", "Errors", {"FunctionName": "other"})
            await store.put(NOON, [sample(1.0), sample(2.0, other), sample(4.0)])
            assert (await store.series(ERRORS, NOON, after(60), 60)).points[0].summary.total == 5.0
            assert (await store.series(other, NOON, after(60), 60)).points[0].summary == Summary(1, 2.0, 2.0, 2.0)
            unknown = metric_id("AWS/Lambda", "Errors", {})
            assert await store.series(unknown, NOON, after(60), 60) == NOTHING_KEPT

        self.run(tmp_path, scenario)

    def test_known_metrics_are_listed_with_unit_and_last_time(self, tmp_path: Path) -> None:
        async def scenario(store: MetricStore) -> None:
            await store.put(after(5), [sample(1.0), sample(1.0, DURATION, "Milliseconds")])
            await store.put(after(9), [sample(1.0), sample(1.0, metric_id("Mine", "Sales", {}), "None")])
            assert [(each.metric, each.unit, each.last_at) for each in await store.known("AWS/Lambda")] == [
                (DURATION, "Milliseconds", after(5)),
                (ERRORS, "Count", after(9)),
            ]
            assert len(await store.known()) == 3

        self.run(tmp_path, scenario)

    def test_what_comes_late_falls_into_its_own_time(self, tmp_path: Path) -> None:
        async def scenario(store: MetricStore) -> None:
            await store.put(after(600), [sample(1.0)])
            await store.put(NOON, [sample(2.0)])
            await store.put(after(660), [sample(3.0)])
            series = await store.series(ERRORS, NOON, after(720), 60)
            assert [(point.at, point.summary.total) for point in series.points] == [
                (NOON, 2.0),
                (after(600), 1.0),
                (after(660), 3.0),
            ]

        self.run(tmp_path, scenario)
