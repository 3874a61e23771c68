"""Paths outside AWS's API (health, metrics, downloads): answered by plain functions, without a signature."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from paddock.awsapi.messages import Request, Responder

PlainHandler: TypeAlias = Callable[[Request, Responder], Coroutine[Any, Any, None] | None]
"""A function that answers, or a coroutine function that does. It may raise `ApiError`."""


@dataclass(frozen=True, slots=True)
class PlainRoute:
    """`prefix`: everything that begins with `path`. A path that is matched whole wins, then the longest prefix."""

    path: str
    handler: PlainHandler
    prefix: bool = False


class PlainRoutes:
    def __init__(self, routes: Iterable[PlainRoute]) -> None:
        known = tuple(routes)
        self._exact = {route.path: route.handler for route in known if not route.prefix}
        self._prefixes = sorted((route for route in known if route.prefix), key=lambda route: -len(route.path))

    def find(self, path: str) -> PlainHandler | None:
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        for route in self._prefixes:
            if path.startswith(route.path):
                return route.handler
        return None
