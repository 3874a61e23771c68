"""A router's end of the feed: applies what the server says, reports what was counted, comes back when it is cut off.

While there is no server the router goes on with the routes it has: agents outlive a server, and so does the way there.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import cast

import msgspec

from paddock.router.router import Router
from paddock.router.statistics import VersionStatistics
from paddock.wire.feed import FeedHello, FeedMessage, RouterReport, VersionTally, encoder, route_update_decoder
from paddock.wire.frames import FrameKind
from paddock.wire.stream import FrameError, FrameReader, frames_of

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
"""As often as agents report."""
RETRY_SECONDS = 0.2
"""While there is no server. No setting: a try costs nothing, and the routes that are here serve on."""


class Followed(asyncio.Protocol):
    def __init__(self, router: Router, router_id: str, routed: asyncio.Event | None) -> None:
        self._router = router
        self._router_id = router_id
        self._routed = routed or asyncio.Event()
        self._reader = FrameReader()
        self._pieces: list[bytes] = []
        self._transport = cast("asyncio.Transport", None)
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._say(FeedHello(self._router_id, os.getpid()))

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._pieces.append(frame.payload)
                if not frame.more:
                    message = b"".join(self._pieces)
                    self._pieces.clear()
                    self._router.apply(route_update_decoder.decode(message))
                    self._routed.set()
        except (FrameError, msgspec.MsgspecError) as error:
            log.warning("the server does not speak our protocol: %s", error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def report(self) -> None:
        statistics = self._router.statistics()
        peaks = self._router.take_peaks({one.key for one in statistics})
        self._say(RouterReport(tuple(_tally(one, peaks.get(one.key, 0)) for one in statistics)))
        self._router.begin_interval()

    def close(self) -> None:
        self._transport.abort()

    def _say(self, message: FeedMessage) -> None:
        self._transport.write(b"".join(frames_of(FrameKind.CONTROL, 0, b"", encoder.encode(message))))


async def follow(path: str, router: Router, router_id: str, routed: asyncio.Event | None = None) -> None:
    """Until cancelled. `routed` is set once the router knows the routes: first of all it is told all of them."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            _, followed = await loop.create_unix_connection(lambda: Followed(router, router_id, routed), path)
        except OSError as error:
            log.debug("the server's routes cannot be had: %s", error)
        else:
            try:
                await _report_until_closed(followed)
            finally:
                followed.close()
        await asyncio.sleep(RETRY_SECONDS)


async def _report_until_closed(followed: Followed) -> None:
    while not followed.closed.done():
        await asyncio.wait([followed.closed], timeout=REPORT_SECONDS)
        if not followed.closed.done():
            followed.report()


def _tally(one: VersionStatistics, peak_in_flight: int) -> VersionTally:
    counts = one.counts
    return VersionTally(
        one.key.function_name,
        one.key.version,
        one.in_flight,
        counts.invocations,
        counts.errors,
        counts.refusals,
        counts.duration_us_sum,
        {cause.value: count for cause, count in counts.throttles if count},
        counts.durations,
        counts.extensions_us_sum,
        counts.extensions,
        counts.duration_extremes_us,
        counts.extensions_extremes_us,
        peak_in_flight,
    )
