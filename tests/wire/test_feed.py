import pytest

from paddock.wire.feed import (
    FeedHello,
    RouterMessage,
    RouterReport,
    VersionTally,
    encoder,
    route_update_decoder,
    router_message_decoder,
)
from paddock.wire.routes import FunctionRouteRemoved

TALLY = VersionTally("f", "$LATEST.PUBLISHED", 3, 10, 1, 2, 5000, {"ConcurrencyThrottles": 4}, (0, 9, 1))


@pytest.mark.parametrize("message", [FeedHello("r-1", 42), RouterReport((TALLY,)), RouterReport(())])
def test_what_a_router_says_comes_through(message: RouterMessage) -> None:
    assert router_message_decoder.decode(encoder.encode(message)) == message


def test_what_a_router_is_told_comes_through() -> None:
    update = FunctionRouteRemoved("f")

    assert route_update_decoder.decode(encoder.encode(update)) == update
