"""What a router in a process of its own and the server say to each other: routes one way, counts the other.

A connection opens with `FeedHello`; the server answers with `RoutesReplaced` and then each update as it comes. The
router sends a `RouterReport` once a second. All are control frames of call 0.
"""

from __future__ import annotations

import msgspec

from paddock.wire import PROTOCOL_VERSION
from paddock.wire.routes import RouteUpdate


class FeedMessage(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Base of what a router says; the tag is the class name."""


class FeedHello(FeedMessage, frozen=True):
    router_id: str
    pid: int
    protocol_version: int = PROTOCOL_VERSION


class VersionTally(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts since the router started; `throttles` by AWS's metric, `durations` by histogram bucket.

    Extremes are of what came since the report before, (least, greatest), and so is `peak_in_flight`.
    """

    function_name: str
    version: str
    in_flight: int = 0
    invocations: int = 0
    errors: int = 0
    refusals: int = 0
    duration_us_sum: int = 0
    throttles: dict[str, int] = {}
    durations: tuple[int, ...] = ()
    extensions_us_sum: int = 0
    extensions: tuple[int, ...] = ()
    duration_extremes_us: tuple[int, int] | None = None
    extensions_extremes_us: tuple[int, int] | None = None
    peak_in_flight: int = 0


class RouterReport(FeedMessage, frozen=True):
    versions: tuple[VersionTally, ...]


RouterMessage = FeedHello | RouterReport

encoder = msgspec.msgpack.Encoder()
router_message_decoder = msgspec.msgpack.Decoder(RouterMessage)
route_update_decoder = msgspec.msgpack.Decoder(RouteUpdate)
