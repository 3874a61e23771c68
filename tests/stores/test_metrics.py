import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from paddock.model.metrics import metric_id
from paddock.ports.metrics import MetricStore
from paddock.stores import metric_files
from paddock.stores.metric_files import DiskMetricStore
from paddock.stores.metrics import MemoryMetricStore, Resolution
from paddock.testing.store_conformance_metrics import DURATION, ERRORS, NOON, MetricStoreConformance, after, sample

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


class TestDiskMetricStore(MetricStoreConformance):
    def open_store(self, directory: Path) -> AbstractAsyncContextManager[MetricStore]:
        return DiskMetricStore(directory)


def kept_by(directory: Path, *puts: tuple[float, float]) -> None:
    """One server: at these seconds after noon, these values."""

    async def server() -> None:
        async with DiskMetricStore(directory) as store:
            for second, value in puts:
                await store.put(after(second), [sample(value), sample(value, DURATION, "Milliseconds")])

    asyncio.run(server())


def found_by_the_next(directory: Path, period: int = 60) -> list[tuple[float, float]]:
    """(Seconds after noon, sum), as the next server finds them."""

    async def server() -> list[tuple[float, float]]:
        async with DiskMetricStore(directory) as store:
            series = await store.series(ERRORS, NOON, after(86400), period)
            return [((point.at - NOON).total_seconds(), point.summary.total) for point in series.points]

    return asyncio.run(server())


def test_the_next_server_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    kept_by(tmp_path, (0, 1.0), (30, 2.0), (70, 4.0))
    assert found_by_the_next(tmp_path) == [(0, 3.0), (60, 4.0)]
    kept_by(tmp_path, (80, 8.0), (130, 16.0))
    assert found_by_the_next(tmp_path) == [(0, 3.0), (60, 12.0), (120, 16.0)]
    assert found_by_the_next(tmp_path, 300) == [(0, 31.0)]


def test_names_units_and_distributions_come_back(tmp_path: Path) -> None:
    kept_by(tmp_path, *((second, float(second + 1)) for second in range(59)))

    async def server() -> None:
        async with DiskMetricStore(tmp_path) as store:
            assert [(each.metric, each.unit) for each in await store.known()] == [
                (DURATION, "Milliseconds"),
                (ERRORS, "Count"),
            ]
            summary = (await store.series(DURATION, NOON, after(60), 60)).points[0].summary
            assert (summary.count, summary.minimum, summary.maximum) == (59, 1.0, 59.0)
            assert 28 <= summary.percentile(50) <= 33

    asyncio.run(server())


def test_a_torn_record_is_left_out_and_what_comes_after_it_is_not(tmp_path: Path) -> None:
    kept_by(tmp_path, (0, 1.0), (60, 2.0))
    (path,) = (tmp_path / "60").iterdir()
    whole = path.read_bytes()
    for cut in range(1, len(whole), 7):
        path.write_bytes(whole[:cut])
        assert found_by_the_next(tmp_path) in ([], [(0, 1.0)], [(0, 1.0), (60, 2.0)])
        path.write_bytes(whole[:cut])
        kept_by(tmp_path, (180, 8.0))
        assert found_by_the_next(tmp_path)[-1] == (180, 8.0)
        path.write_bytes(whole)


def test_a_damaged_file_takes_nothing_else_with_it(tmp_path: Path) -> None:
    kept_by(tmp_path, (0, 1.0))
    kept_by(tmp_path, (86400, 2.0))
    first, second = sorted((tmp_path / "60").iterdir())
    first.write_bytes(b"\0" * 100)
    assert first.name < second.name
    assert found_by_the_next(tmp_path) == []
    second.write_bytes(second.read_bytes() + b"garbage")
    kept_by(tmp_path, (86460, 4.0))

    async def server() -> list[float]:
        async with DiskMetricStore(tmp_path) as store:
            series = await store.series(ERRORS, NOON, after(2 * 86400), 60)
            return [point.summary.total for point in series.points]

    assert asyncio.run(server()) == [2.0, 4.0]


def test_the_oldest_days_go_when_there_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(3):
        kept_by(tmp_path, (day * 86400, 1.0))
    monkeypatch.setattr(metric_files, "KEPT_BYTES", 1)
    kept_by(tmp_path, (3 * 86400, 1.0))
    assert [path.name for path in (tmp_path / "60").iterdir()] == ["2026-11-26.metrics"]


def test_a_full_disk_loses_no_more_than_what_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    async def server() -> None:
        async with DiskMetricStore(tmp_path) as store:
            await store.put(NOON, [sample(1.0)])
            with monkeypatch.context() as broken:
                broken.setattr(metric_files._Days, "append", full)
                await store.put(after(60), [sample(2.0)])
                store._thread.submit(lambda: None).result()
            assert len((await store.series(ERRORS, NOON, after(120), 60)).points) == 2

    asyncio.run(server())
    assert found_by_the_next(tmp_path) == [(0, 1.0), (60, 2.0)]
