"""Where metrics are kept, and where the counts of invocations come from.

A store takes what was seen in one moment, adds up what falls together, and forgets the oldest within its bounds. The
finest of what it keeps is a second; the older something is, the coarser it may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from paddock.core.routing.counters import VersionCounts
from paddock.model.function_url import FunctionUrlId
from paddock.model.ids import FunctionName, FunctionVersionKey
from paddock.model.metrics import MetricId, Summary


@dataclass(frozen=True, slots=True)
class MetricSample:
    """`unit` is one of AWS's (`Percent`, `Count`, `Bytes`, `Milliseconds`, ... `None`)."""

    metric: MetricId
    unit: str
    summary: Summary


@dataclass(frozen=True, slots=True)
class KnownMetric:
    metric: MetricId
    unit: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """What was seen within one period that begins at `at`."""

    at: datetime
    summary: Summary


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """`points` in ascending order; periods without data are not among them."""

    unit: str
    points: tuple[MetricPoint, ...]


NOTHING_KEPT = MetricSeries("None", ())


class MetricStore(Protocol):
    async def put(self, at: datetime, samples: Sequence[MetricSample]) -> None:
        """Never fails for want of room: the oldest goes first, and a metric too many is not taken."""
        ...

    async def known(self, namespace: str | None = None) -> Sequence[KnownMetric]:
        """Every metric of which something is kept, in order."""
        ...

    async def series(self, metric: MetricId, start: datetime, end: datetime, period_seconds: int) -> MetricSeries:
        """Points of `period_seconds`, counted from `start`, of what was seen from then to before `end`.

        What lies too far back to be kept in such short periods is left out.
        """
        ...


class InvocationReading(Protocol):
    """What one router has seen of one version since it began; only differences of `counts` mean anything."""

    @property
    def key(self) -> FunctionVersionKey: ...

    @property
    def in_flight(self) -> int: ...

    @property
    def counts(self) -> VersionCounts: ...


class InvocationSource(Protocol):
    def statistics(self) -> Sequence[InvocationReading]: ...

    def begin_interval(self) -> None:
        """Extremes of durations are of what comes from now on. For one reader only, who has kept those there were."""
        ...


class NoInvocations:
    """For a control plane without routers."""

    def statistics(self) -> Sequence[InvocationReading]:
        return ()

    def begin_interval(self) -> None:
        pass


class UrlReading(Protocol):
    """Requests to one function URL since its router began, counted as invocations: 4xx as refusals, 5xx as errors."""

    @property
    def url_id(self) -> FunctionUrlId: ...

    @property
    def function_name(self) -> FunctionName: ...

    @property
    def qualifier(self) -> str | None: ...

    @property
    def counts(self) -> VersionCounts: ...


class UrlSource(Protocol):
    def url_statistics(self) -> Sequence[UrlReading]: ...

    def begin_url_interval(self) -> None:
        """As of invocations."""
        ...


class NoUrls:
    """For a control plane whose routers know no function URLs."""

    def url_statistics(self) -> Sequence[UrlReading]:
        return ()

    def begin_url_interval(self) -> None:
        pass
