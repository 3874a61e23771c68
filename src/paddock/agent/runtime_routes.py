"""What a request of a runtime or an extension is about, by its method and path. Pure.

What extensions ask is looked at elsewhere (`extension_api`), behind what runtimes ask. Managed Instances have no
restore, logs or credentials routes: those are not found, as with AWS's agent.
"""

from __future__ import annotations

from enum import Enum

_VERSION = b"/2018-06-01"
_INVOCATION = _VERSION + b"/runtime/invocation/"
_OF_EXTENSIONS = (b"/2020-01-01/extension/", b"/2022-07-01/telemetry", b"/2020-08-15/logs")
_INVOCATION_LENGTH = len(_INVOCATION)


class Route(Enum):
    NEXT = 1
    RESPONSE = 2
    ERROR = 3
    INIT_ERROR = 4
    PING = 5
    NOT_FOUND = 6
    WRONG_METHOD = 7
    EXTENSION = 8


_FIXED = {
    _INVOCATION + b"next": (Route.NEXT, b"GET"),
    _VERSION + b"/runtime/init/error": (Route.INIT_ERROR, b"POST"),
    _VERSION + b"/ping": (Route.PING, b"GET"),
}
_OF_INVOCATIONS = {b"response": Route.RESPONSE, b"error": Route.ERROR}


def find_route(method: bytes, path: bytes) -> tuple[Route, str]:
    """The route, and the id of the invocation where the path names one."""
    fixed = _FIXED.get(path)
    if fixed is not None:
        return (fixed[0] if method == fixed[1] else Route.WRONG_METHOD), ""
    if not path.startswith(_INVOCATION):
        return (Route.EXTENSION if path.startswith(_OF_EXTENSIONS) else Route.NOT_FOUND), ""
    invocation_id, _, action = path[_INVOCATION_LENGTH:].partition(b"/")
    route = _OF_INVOCATIONS.get(action)
    if route is None:
        return Route.NOT_FOUND, ""
    if method != b"POST":
        return Route.WRONG_METHOD, ""
    return route, invocation_id.decode("ascii", "replace")
