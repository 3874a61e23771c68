import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from pathlib import Path

from paddock.model.metrics import metric_id
from paddock.ports.metrics import MetricStore
from paddock.stores.metrics import MemoryMetricStore, Resolution
from paddock.testing.store_conformance_metrics import ERRORS, NOON, MetricStoreConformance, after, sample

SMALL = (Resolution(1, timedelta(seconds=10), 100), Resolution(60, timedelta(minutes=10), 20))


class TestMemoryMetricStore(MetricStoreConformance):
    def open_store(self, directory: Path) -> AbstractAsyncContextManager[MetricStore]:
        return nullcontext(MemoryMetricStore())


def totals(store: MemoryMetricStore, seconds: int, period: int, metric: str = "Errors") -> list[float]:
    asked = metric_id("AWS/Lambda", metric, {"FunctionName": "thumbnail"})
    series = asyncio.run(store.series(asked, NOON, after(seconds), period))
    return [point.summary.total for point in series.points]


def test_the_finest_is_forgotten_first_and_the_sum_stays() -> None:
    store = MemoryMetricStore(SMALL)
    for second in range(120):
        store.keep(after(second), [sample(1.0)])
    assert totals(store, 120, 1) == [1.0] * 10
    assert totals(store, 120, 60) == [60.0, 60.0]


def test_many_metrics_are_remembered_for_a_shorter_time() -> None:
    store = MemoryMetricStore(SMALL)
    others = [metric_id("AWS/Lambda", f"Other{number}", {}) for number in range(9)]
    for minute in range(5):
        store.keep(after(60 * minute), [sample(1.0), *(sample(1.0, other) for other in others)])
    assert totals(store, 300, 60) == [1.0, 1.0]


def test_what_is_older_than_is_kept_is_not_taken() -> None:
    store = MemoryMetricStore(SMALL)
    store.keep(after(3600), [sample(1.0)])
    store.keep(NOON, [sample(1.0)])
    assert totals(store, 7200, 60) == [1.0]


def test_a_pause_is_forgotten_like_any_other_time() -> None:
    store = MemoryMetricStore(SMALL)
    store.keep(NOON, [sample(1.0)])
    store.keep(after(86400), [sample(2.0)])
    assert totals(store, 86460, 60) == [2.0]


def test_periods_that_slices_do_not_fill_have_nothing() -> None:
    store = MemoryMetricStore((Resolution(60, timedelta(minutes=10), 20),))
    store.keep(NOON, [sample(1.0)])
    assert totals(store, 120, 30) == []
    assert totals(store, 120, 120) == [1.0]


def test_the_metric_that_was_silent_longest_makes_room() -> None:
    store = MemoryMetricStore(metrics=10)
    for number in range(11):
        metric = metric_id("AWS/Lambda", f"Metric{number}", {"FunctionName": "thumbnail"})
        store.keep(after(number), [sample(1.0, metric)])
    known = asyncio.run(store.known())
    assert len(known) == 9
    assert totals(store, 60, 60, "Metric0") == []
    assert totals(store, 60, 60, "Metric10") == [1.0]


def test_the_unit_is_the_newest_one() -> None:
    store = MemoryMetricStore()
    store.keep(NOON, [sample(1.0, unit="Count")])
    store.keep(after(1), [sample(1.0, unit="Percent")])
    assert asyncio.run(store.series(ERRORS, NOON, after(60), 60)).unit == "Percent"
