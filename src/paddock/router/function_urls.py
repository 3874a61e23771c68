"""Which function each function URL means, as the routes say, and what has been counted at it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from paddock.core.routing.counters import VersionCounters, VersionCounts
from paddock.model.function_url import Cors, FunctionUrlId
from paddock.model.ids import FunctionName
from paddock.wire.routes import FunctionRoute, FunctionUrlRoute


@dataclass(frozen=True, slots=True, eq=False)
class KnownUrl:
    """`counters` count requests as invocations, answers of 4xx as refusals and of 5xx as errors."""

    url_id: FunctionUrlId
    function_name: FunctionName
    qualifier: str | None
    signed: bool
    streaming: bool
    cors: Cors | None
    counters: VersionCounters = field(default_factory=VersionCounters)


@dataclass(frozen=True, slots=True)
class UrlStatistics:
    """Of one URL since its router began."""

    url_id: FunctionUrlId
    function_name: FunctionName
    qualifier: str | None
    counts: VersionCounts


class FunctionUrls:
    def __init__(self) -> None:
        self._by_id: dict[FunctionUrlId, KnownUrl] = {}
        self._of_function: dict[FunctionName, tuple[FunctionUrlId, ...]] = {}

    def find(self, url_id: FunctionUrlId) -> KnownUrl | None:
        return self._by_id.get(url_id)

    def set_function(self, route: FunctionRoute) -> None:
        """What is named again keeps its counts."""
        name = FunctionName(route.function_name)
        before = {url_id: self._by_id.pop(url_id) for url_id in self._of_function.pop(name, ())}
        if not route.urls:
            return
        known = [_known(name, url, before.get(FunctionUrlId(url.url_id))) for url in route.urls]
        self._by_id |= {url.url_id: url for url in known}
        self._of_function[name] = tuple(url.url_id for url in known)

    def remove_function(self, name: FunctionName) -> None:
        for url_id in self._of_function.pop(name, ()):
            del self._by_id[url_id]

    def replace(self, routes: Iterable[FunctionRoute]) -> None:
        """This is the whole truth."""
        wanted = {FunctionName(route.function_name): route for route in routes}
        for name in self._of_function.keys() - wanted.keys():
            self.remove_function(name)
        for route in wanted.values():
            self.set_function(route)

    def statistics(self) -> tuple[UrlStatistics, ...]:
        return tuple(
            UrlStatistics(url.url_id, url.function_name, url.qualifier, url.counters.counts())
            for url in self._by_id.values()
        )

    def begin_interval(self) -> None:
        for url in self._by_id.values():
            url.counters.begin_interval()


def _known(name: FunctionName, url: FunctionUrlRoute, before: KnownUrl | None) -> KnownUrl:
    return KnownUrl(
        url_id=FunctionUrlId(url.url_id),
        function_name=name,
        qualifier=url.qualifier,
        signed=url.signed,
        streaming=url.streaming,
        cors=url.cors,
        counters=VersionCounters() if before is None else before.counters,
    )
