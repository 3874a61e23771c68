"""What every log store must do, as tests. A store's own test file subclasses `LogStoreConformance`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path

from paddock.ports.logs import LogEvent, LogLine, LogQuery, LogStore

GROUP = "/aws/lambda/thumbnail"
EVERYTHING = LogQuery()


def lines(*numbers: int) -> list[LogLine]:
    """One line per number, that many milliseconds after the epoch."""
    return [LogLine(number, f"line {number}") for number in numbers]


def numbers_of(events: tuple[LogEvent, ...]) -> list[int]:
    return [event.at_ms for event in events]


class LogStoreConformance:
    def open_store(self, directory: Path) -> AbstractContextManager[LogStore]:
        """The store to be tested, in `directory`."""
        raise NotImplementedError

    def run(self, directory: Path, scenario: Callable[[LogStore], Awaitable[None]]) -> None:
        async def within() -> None:
            with self.open_store(directory) as store:
                await scenario(store)

        asyncio.run(within())

    def test_lines_come_back_in_order_of_arrival(self, tmp_path: Path) -> None:
        async def scenario(store: LogStore) -> None:
            await store.append(GROUP, "one", lines(1, 2))
            await store.append(GROUP, "two", [LogLine(3, 'schön "quoted"\tü\x00')])
            page = await store.forward(GROUP, EVERYTHING, from_position=0, limit=10)
            assert [(event.stream, event.at_ms, event.message) for event in page.events] == [
                ("one", 1, "line 1"),
                ("one", 2, "line 2"),
                ("two", 3, 'schön "quoted"\tü\x00'),
            ]
            assert page.complete
            positions = [event.position for event in page.events]
            assert positions == sorted(set(positions))

        self.run(tmp_path, scenario)

    def test_pages_forward_meet_without_gap_or_overlap(self, tmp_path: Path) -> None:
        async def scenario(store: LogStore) -> None:
            await store.append(GROUP, "one", lines(*range(1, 8)))
            seen: list[int] = []
            at = 0
            complete = False
            while not complete:
                page = await store.forward(GROUP, EVERYTHING, from_position=at, limit=3)
                at, complete = page.next_position, page.complete
                seen += numbers_of(page.events)
            assert seen == [1, 2, 3, 4, 5, 6, 7]
            await store.append(GROUP, "one", lines(8))
            page = await store.forward(GROUP, EVERYTHING, from_position=at, limit=3)
            assert numbers_of(page.events) == [8]

        self.run(tmp_path, scenario)

    def test_pages_backward_meet_without_gap_or_overlap(self, tmp_path: Path) -> None:
        async def scenario(store: LogStore) -> None:
            await store.append(GROUP, "one", lines(*range(1, 8)))
            last = await store.backward(GROUP, EVERYTHING, before_position=None, limit=3)
            assert numbers_of(last.events) == [5, 6, 7]
            middle = await store.backward(GROUP, EVERYTHING, before_position=last.next_position, limit=3)
            assert numbers_of(middle.events) == [2, 3, 4]
            first = await store.backward(GROUP, EVERYTHING, before_position=middle.next_position, limit=3)
            assert numbers_of(first.events) == [1]
            none = await store.backward(GROUP, EVERYTHING, before_position=first.next_position, limit=3)
            assert none.events == ()

        self.run(tmp_path, scenario)

    def test_a_query_chooses_by_time_stream_and_text(self, tmp_path: Path) -> None:
        async def scenario(store: LogStore) -> None:
            await store.append(GROUP, "2026/one", lines(1, 2, 3))
            await store.append(GROUP, "2026/two", lines(2, 3, 4))
            await store.append(GROUP, "2025/old", lines(3))

            async def chosen(query: LogQuery) -> list[tuple[str, int]]:
                forward = await store.forward(GROUP, query, from_position=0, limit=10)
                backward = await store.backward(GROUP, query, before_position=None, limit=10)
                assert forward.events == backward.events
                return [(event.stream, event.at_ms) for event in forward.events]

            assert await chosen(LogQuery(start_ms=3)) == [
                ("2026/one", 3),
                ("2026/two", 3),
                ("2026/two", 4),
                ("2025/old", 3),
            ]
            assert await chosen(LogQuery(end_ms=2)) == [("2026/one", 1)]
            assert await chosen(LogQuery(streams=frozenset({"2026/two"}), end_ms=3)) == [("2026/two", 2)]
            assert await chosen(LogQuery(stream_prefix="2025")) == [("2025/old", 3)]
            assert await chosen(LogQuery(keep=lambda message: message.endswith("4"))) == [("2026/two", 4)]

        self.run(tmp_path, scenario)

    def test_an_unknown_group_is_empty(self, tmp_path: Path) -> None:
        async def scenario(store: LogStore) -> None:
            assert await store.streams("nobody") is None
            assert (await store.forward("nobody", EVERYTHING, from_position=0, limit=1)).events == ()
            assert (await store.backward("nobody", EVERYTHING, before_position=None, limit=1)).events == ()
            assert not await store.set_retention("nobody", 7)
            assert not await store.delete_group("nobody")

        self.run(tmp_path, scenario)

    def test_groups_and_streams_are_described(self, tmp_path: Path) -> None:
        async def scenario(store: LogStore) -> None:
            await store.append(GROUP, "b", lines(20, 10))
            await store.append(GROUP, "b", lines(15))
            assert await store.create_stream(GROUP, "a")
            assert not await store.create_stream(GROUP, "b")
            assert await store.create_group("another")
            assert not await store.create_group(GROUP)
            assert await store.set_retention(GROUP, 7)
            groups = await store.groups()
            assert [(group.name, group.retention_days) for group in groups] == [(GROUP, 7), ("another", None)]
            assert groups[0].stored_bytes > 0
            assert groups[1].stored_bytes == 0
            streams = await store.streams(GROUP)
            assert streams is not None
            assert [(it.name, it.first_event_ms, it.last_event_ms) for it in streams] == [
                ("a", None, None),
                ("b", 10, 20),
            ]

        self.run(tmp_path, scenario)

    def test_a_deleted_group_begins_anew(self, tmp_path: Path) -> None:
        async def scenario(store: LogStore) -> None:
            await store.append(GROUP, "one", lines(1))
            assert await store.delete_group(GROUP)
            assert await store.groups() == ()
            await store.append(GROUP, "two", lines(2))
            page = await store.forward(GROUP, EVERYTHING, from_position=0, limit=10)
            assert numbers_of(page.events) == [2]

        self.run(tmp_path, scenario)

    def test_a_follower_gets_what_arrives_afterwards(self, tmp_path: Path) -> None:
        async def scenario(store: LogStore) -> None:
            await store.append(GROUP, "one", lines(1))
            seen: list[int] = []
            ready = asyncio.Event()

            async def follow() -> None:
                await store.append(GROUP, "one", lines(2))
                end = (await store.forward(GROUP, EVERYTHING, from_position=0, limit=10)).next_position
                followed = store.follow(GROUP, from_position=end)
                ready.set()
                async for event in followed:
                    seen.append(event.at_ms)
                    if event.at_ms == 5:
                        return

            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                group.create_task(follow())
                await ready.wait()
                for number in (3, 4, 5):
                    await store.append(GROUP, "two", lines(number))
            assert seen == [3, 4, 5]

        self.run(tmp_path, scenario)
