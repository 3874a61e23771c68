from typing import get_args

import msgspec
import pytest

from paddock.model.function_url import Cors
from paddock.wire.routes import (
    EnvironmentRoute,
    EnvironmentRouteRemoved,
    EnvironmentStartFailed,
    FunctionRoute,
    FunctionRouteRemoved,
    FunctionUrlRoute,
    InstanceRoute,
    InstanceRouteRemoved,
    RouteMessage,
    RoutesReplaced,
    RouteUpdate,
    VersionRoute,
)

FUNCTION = FunctionRoute(
    "f",
    "arn:aws:lambda:us-east-1:000000000000:function:f",
    "$LATEST.PUBLISHED",
    (VersionRoute("$LATEST.PUBLISHED", "r1", 3), VersionRoute("1", "r0", 3, refusal=("Code", "text", 409))),
    {"live": (("1", 0.9), ("2", 0.1))},
    urls=(FunctionUrlRoute("abc"), FunctionUrlRoute("def", "live", True, True, Cors(allow_origins=("*",)))),
)
INSTANCE = InstanceRoute("i-1", "unix:/run/agent.sock", "secret", "us-east-1a")
ENVIRONMENT = EnvironmentRoute("env-1", "i-1", "f", "1", "r0", 16)
UPDATES: list[RouteUpdate] = [
    FUNCTION,
    FunctionRouteRemoved("f"),
    INSTANCE,
    InstanceRouteRemoved("i-1"),
    ENVIRONMENT,
    EnvironmentRouteRemoved("env-1"),
    EnvironmentStartFailed("f", "$LATEST", "Runtime.ImportModuleError", "no such module"),
    RoutesReplaced((FUNCTION,), (INSTANCE,), (ENVIRONMENT,)),
]


@pytest.mark.parametrize("update", UPDATES, ids=lambda update: type(update).__name__)
def test_an_update_of_the_routes_comes_through(update: RouteUpdate) -> None:
    packed = msgspec.msgpack.encode(update)
    assert msgspec.msgpack.decode(packed, type=RouteUpdate) == update


def test_every_update_is_tried_above() -> None:
    assert {type(update) for update in UPDATES} == set(get_args(RouteUpdate)) == set(RouteMessage.__subclasses__())
