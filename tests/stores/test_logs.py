import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from paddock.model.errors import StartError
from paddock.ports.clock import SystemClock
from paddock.ports.logs import LogLine, LogQuery, LogStore
from paddock.ports.store import StoreError
from paddock.stores import log_segments
from paddock.stores.logs import DiskLogStore
from paddock.stores.memory_logs import MemoryLogStore
from paddock.testing.store_conformance_logs import EVERYTHING, GROUP, LogStoreConformance, lines, numbers_of


class TestDiskLogStore(LogStoreConformance):
    def open_store(self, directory: Path) -> AbstractContextManager[LogStore]:
        return closing(DiskLogStore(directory, SystemClock()))


class TestDiskLogStoreOfManySegments(TestDiskLogStore):
    @pytest.fixture(autouse=True)
    def _small_segments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(log_segments, "SEGMENT_BYTES", 1)

    @pytest.fixture(autouse=True)
    def _small_pages(self, monkeypatch: pytest.MonkeyPatch, _small_segments: None) -> None:
        monkeypatch.setattr(log_segments, "MAX_SEGMENTS", 1000)


class TestMemoryLogStore(LogStoreConformance):
    def open_store(self, directory: Path) -> AbstractContextManager[LogStore]:
        return nullcontext(MemoryLogStore(SystemClock()))


class Noon:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


def run(directory: Path, scenario: Callable[[DiskLogStore], Awaitable[None]], clock: Noon | None = None) -> None:
    async def within() -> None:
        store = DiskLogStore(directory, clock or Noon())
        await scenario(store)
        store.close()

    asyncio.run(within())


async def everything(store: LogStore) -> list[int]:
    return numbers_of((await store.forward(GROUP, EVERYTHING, from_position=0, limit=10_000)).events)


def test_a_store_opened_again_has_all_lines_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_segments, "SEGMENT_BYTES", 200)

    async def first(store: DiskLogStore) -> None:
        for number in range(1, 20):
            await store.append(GROUP, f"s{number % 2}", lines(number))
        await store.create_stream(GROUP, "made")
        await store.set_retention(GROUP, 3)

    async def second(store: DiskLogStore) -> None:
        assert await everything(store) == list(range(1, 20))
        streams = await store.streams(GROUP)
        assert streams is not None
        assert [(it.name, it.first_event_ms, it.last_event_ms) for it in streams] == [
            ("made", None, None),
            ("s0", 2, 18),
            ("s1", 1, 19),
        ]
        assert (await store.groups())[0].retention_days == 3
        await store.append(GROUP, "s1", lines(20))
        assert await everything(store) == list(range(1, 21))

    run(tmp_path, first)
    run(tmp_path, second)


def test_a_line_half_written_by_a_killed_process_is_cut_off(tmp_path: Path) -> None:
    async def first(store: DiskLogStore) -> None:
        await store.append(GROUP, "one", lines(1, 2))

    async def second(store: DiskLogStore) -> None:
        await store.append(GROUP, "one", lines(3))
        assert await everything(store) == [1, 2, 3]

    run(tmp_path, first)
    with next(tmp_path.glob("*/*.jsonl")).open("ab") as segment:
        segment.write(b'{"at": 9, "inge')
    run(tmp_path, second)


def test_a_group_is_bounded_and_loses_the_oldest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_segments, "SEGMENT_BYTES", 1000)
    monkeypatch.setattr(log_segments, "MAX_SEGMENTS", 4)

    async def scenario(store: DiskLogStore) -> None:
        for number in range(1, 500):
            await store.append(GROUP, "one", lines(number))
        kept = await everything(store)
        assert kept == list(range(kept[0], 500))

    run(tmp_path, scenario)
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*.jsonl")) < 5000


def test_what_is_older_than_the_retention_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_segments, "SEGMENT_BYTES", 1)
    clock = Noon()

    def now_ms() -> int:
        return int(clock.at.timestamp() * 1000)

    async def scenario(store: DiskLogStore) -> None:
        await store.append(GROUP, "one", [LogLine(now_ms(), "old")])
        await store.set_retention(GROUP, 1)
        clock.at += timedelta(hours=30)
        await store.append(GROUP, "one", [LogLine(now_ms(), "new")])
        page = await store.forward(GROUP, EVERYTHING, from_position=0, limit=10)
        assert [event.message for event in page.events] == ["new"]

    run(tmp_path, scenario, clock)


def test_a_long_search_is_cut_into_pages_that_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_segments, "MAX_SCANNED_BYTES", 500)
    monkeypatch.setattr(log_segments, "SEGMENT_BYTES", 2000)

    async def scenario(store: DiskLogStore) -> None:
        await store.append(GROUP, "one", lines(*range(1, 300)))
        query = LogQuery(keep=lambda message: message.endswith("77"))
        at, found, pages, complete = 0, [], 0, False
        while not complete:
            page = await store.forward(GROUP, query, from_position=at, limit=100)
            at, complete = page.next_position, page.complete
            found += numbers_of(page.events)
            pages += 1
        assert found == [77, 177, 277]
        assert pages > 5

    run(tmp_path, scenario)


def test_names_of_groups_cannot_leave_the_directory(tmp_path: Path) -> None:
    names = ["..", ".", "../../escape", "/", "a" * 512, "a" * 511 + "b", "#/x"]

    async def scenario(store: DiskLogStore) -> None:
        for name in names:
            await store.append(name, "one", [LogLine(1, name)])
        for name in names:
            page = await store.forward(name, EVERYTHING, from_position=0, limit=10)
            assert [event.message for event in page.events] == [name]

    run(tmp_path / "logs", scenario)
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert len(list((tmp_path / "logs").iterdir())) == len(names)


def test_a_damaged_group_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    async def first(store: DiskLogStore) -> None:
        await store.append(GROUP, "one", lines(1))

    run(tmp_path, first)
    next(tmp_path.glob("*/group.json")).write_text("{")
    with pytest.raises(StartError, match=r"group\.json is damaged: move .* away"):
        run(tmp_path, first)


def test_a_full_disk_is_one_line_and_the_books_stay_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(store: DiskLogStore) -> None:
        await store.append(GROUP, "one", lines(1))
        log = store._groups[GROUP].log

        class Full:
            def write(self, data: bytes) -> int:
                real.write(data[:7])
                raise OSError(28, "No space left on device")

        assert log._file is not None
        real = log._file
        monkeypatch.setattr(log, "_file", Full())
        with pytest.raises(StoreError, match=r"logs cannot be kept in .*: No space left on device"):
            await store.append(GROUP, "one", lines(2))
        monkeypatch.setattr(log, "_file", real)
        await store.append(GROUP, "one", lines(3))
        assert await everything(store) == [1, 3]

    run(tmp_path, scenario)
