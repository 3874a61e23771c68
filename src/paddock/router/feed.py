"""Feeds the routers that run in processes of their own: routes to them, their counts back. Runs in the server.

To the control plane it is one router: a `RouteSink`, and a source of throttles and invocations that has added up what
all routers counted. The server's own router is fed by it too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import msgspec

from paddock.core.routing.counters import VersionCounts, combined, widest
from paddock.core.routing.pool import ThrottleCause
from paddock.model.ids import FunctionName, FunctionVersionKey, VersionName
from paddock.router.picture import RoutesPicture
from paddock.router.router import Router
from paddock.router.statistics import VersionStatistics
from paddock.wire.feed import FeedHello, RouterReport, VersionTally, encoder, router_message_decoder
from paddock.wire.frames import FrameKind
from paddock.wire.stream import FrameError, FrameReader, frames_of

log = logging.getLogger(__name__)

UNREAD_BYTES = 16 * 1024 * 1024
"""A router that is so far behind with reading is told everything anew when it comes back."""


class RouteFeed:
    """Owns the connections of the other routers; `local` is the server's own. What one counted stays when it ends."""

    def __init__(self, local: Router) -> None:
        self.local = local
        self._picture = RoutesPicture()
        self._listeners: dict[Fed, None] = {}
        """In the order in which they came, so that a simulated run is the same each time."""
        self._counted: dict[str, dict[FunctionVersionKey, VersionStatistics]] = {}

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        """On a unix socket, in a directory that only this user can enter."""
        loop = asyncio.get_running_loop()
        async with await loop.create_unix_server(lambda: Fed(self), str(path)):
            try:
                yield
            finally:
                for listener in tuple(self._listeners):
                    listener.close()

    @property
    def routers(self) -> int:
        """The other routers that are connected."""
        return len(self._listeners)

    # --- RouteSink ---

    def apply(self, update: object) -> None:
        self._picture.apply(update)
        self.local.apply(update)
        if self._listeners:
            frames = b"".join(frames_of(FrameKind.CONTROL, 0, b"", encoder.encode(update)))
            for listener in tuple(self._listeners):
                listener.send(frames)

    # --- what has been counted ---

    def statistics(self) -> tuple[VersionStatistics, ...]:
        by_version: dict[FunctionVersionKey, list[VersionStatistics]] = {}
        for statistics in self.local.statistics():
            by_version[statistics.key] = [statistics]
        for counted in self._counted.values():
            for key, statistics in counted.items():
                if key in by_version:  # a version that the routes no longer name is nobody's concern
                    by_version[key].append(statistics)
        return tuple(
            each[0]
            if len(each) == 1
            else VersionStatistics(key, sum(one.in_flight for one in each), combined(one.counts for one in each))
            for key, each in by_version.items()
        )

    def begin_interval(self) -> None:
        """Extremes are of what comes from now on, or is told from now on."""
        self.local.begin_interval()
        for counted in self._counted.values():
            for key, one in counted.items():
                if one.counts.duration_extremes_us is not None:
                    counts = replace(one.counts, duration_extremes_us=None, extensions_extremes_us=None)
                    counted[key] = replace(one, counts=counts)

    def throttle_counts(self) -> Mapping[FunctionVersionKey, int]:
        return self._added_up(self.local.throttle_counts(), lambda counts: counts.throttled)

    def invocation_counts(self) -> Mapping[FunctionVersionKey, int]:
        return self._added_up(self.local.invocation_counts(), lambda counts: counts.invocations)

    def take_peaks(self, keys: AbstractSet[FunctionVersionKey]) -> Mapping[FunctionVersionKey, int]:
        peaks = dict(self.local.take_peaks(keys))
        for counted in self._counted.values():
            for key in peaks.keys() & counted.keys():
                one = counted[key]
                peaks[key] += one.peak_in_flight
                counted[key] = replace(one, peak_in_flight=one.in_flight)
        return peaks

    def _added_up(
        self, local: Mapping[FunctionVersionKey, int], count: Callable[[VersionCounts], int]
    ) -> Mapping[FunctionVersionKey, int]:
        """Asked for every second, by every provider: without the histograms of `statistics`."""
        total = dict(local)
        for counted in self._counted.values():
            for key, one in counted.items():
                if key in total:
                    total[key] += count(one.counts)
        return total

    # --- what connections tell ---

    def joined(self, fed: Fed, hello: FeedHello) -> None:
        log.info("router %s (process %d) follows", hello.router_id, hello.pid)
        self._listeners[fed] = None
        fed.send(b"".join(frames_of(FrameKind.CONTROL, 0, b"", encoder.encode(self._picture.whole()))))

    def reported(self, router_id: str, report: RouterReport) -> None:
        """Extremes and peaks of reports that nobody has taken yet go on with this one: they come as often as they are
        taken, but not in step.
        """
        before = self._counted.get(router_id, {})
        counted = {one.key: one for one in map(_statistics, report.versions)}
        self._counted[router_id] = {key: _with_those_before(before.get(key), one) for key, one in counted.items()}

    def left(self, fed: Fed, router_id: str) -> None:
        self._listeners.pop(fed, None)
        for key, one in self._counted.get(router_id, {}).items():
            self._counted[router_id][key] = VersionStatistics(key, 0, one.counts, one.peak_in_flight)


class Fed(asyncio.Protocol):
    """The server's end of the connection of one router."""

    def __init__(self, feed: RouteFeed) -> None:
        self._feed = feed
        self._reader = FrameReader()
        self._pieces: list[bytes] = []
        self._transport = cast("asyncio.Transport", None)
        self._router_id = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._pieces.append(frame.payload)
                if not frame.more:
                    message = b"".join(self._pieces)
                    self._pieces.clear()
                    self._message(router_message_decoder.decode(message))
        except (FrameError, msgspec.MsgspecError) as error:
            log.warning("a router does not speak our protocol: %s", error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._feed.left(self, self._router_id)

    def send(self, frames: bytes) -> None:
        if self._transport.get_write_buffer_size() > UNREAD_BYTES:
            self.close()
        else:
            self._transport.write(frames)

    def close(self) -> None:
        self._transport.abort()

    def _message(self, message: FeedHello | RouterReport) -> None:
        if isinstance(message, FeedHello):
            self._router_id = message.router_id
            self._feed.joined(self, message)
        elif self._router_id:
            self._feed.reported(self._router_id, message)


def _with_those_before(before: VersionStatistics | None, one: VersionStatistics) -> VersionStatistics:
    if before is None:
        return one
    earlier, counts = before.counts, one.counts
    if earlier.duration_extremes_us is not None:
        counts = replace(
            counts,
            duration_extremes_us=widest((earlier.duration_extremes_us, counts.duration_extremes_us)),
            extensions_extremes_us=widest((earlier.extensions_extremes_us, counts.extensions_extremes_us)),
        )
    return replace(one, counts=counts, peak_in_flight=max(before.peak_in_flight, one.peak_in_flight))


def _statistics(tally: VersionTally) -> VersionStatistics:
    return VersionStatistics(
        FunctionVersionKey(FunctionName(tally.function_name), VersionName(tally.version)),
        tally.in_flight,
        VersionCounts(
            invocations=tally.invocations,
            errors=tally.errors,
            refusals=tally.refusals,
            throttles=tuple((cause, tally.throttles.get(cause.value, 0)) for cause in ThrottleCause),
            duration_us_sum=tally.duration_us_sum,
            durations=tally.durations,
            extensions_us_sum=tally.extensions_us_sum,
            extensions=tally.extensions,
            duration_extremes_us=tally.duration_extremes_us,
            extensions_extremes_us=tally.extensions_extremes_us,
        ),
        tally.peak_in_flight,
    )
