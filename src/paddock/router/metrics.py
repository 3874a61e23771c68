"""What a router has counted, as Prometheus reads it. Names are AWS's metrics, as that format spells names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from paddock.core.routing.counters import upper_bound_us
from paddock.router.statistics import VersionStatistics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HELP = {
    "paddock_invocations_total": "counter Invocations that ran.",
    "paddock_errors_total": "counter Invocations that ended in a function error.",
    "paddock_throttles_total": "counter Invocations refused for want of capacity, by cause.",
    "paddock_refusals_total": "counter Times an agent refused; another environment may have taken the invocation.",
    "paddock_invocations_in_flight": "gauge Slots taken at this moment.",
    "paddock_duration_seconds": "histogram How long functions took, as their agents measured it.",
    "paddock_post_runtime_extensions_seconds": "histogram How long extensions went on after the function.",
}


def exposition(statistics: Iterable[VersionStatistics]) -> str:
    """All versions that anyone tried to invoke, metric by metric, as the format asks."""
    known = tuple(one for one in statistics if _was_used(one))
    lines: list[str] = []
    for name, described in _HELP.items():
        kind, _, text = described.partition(" ")
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for one in known:
            lines += _samples(name, one)
    return "\n".join([*lines, ""])


def _was_used(of: VersionStatistics) -> bool:
    counts = of.counts
    return bool(counts.invocations or counts.refusals or counts.throttled or of.in_flight)


def _samples(name: str, of: VersionStatistics) -> Sequence[str]:
    labels = f'function_name="{of.key.function_name}",version="{of.key.version}"'
    counts = of.counts
    match name:
        case "paddock_invocations_total":
            return [f"{name}{{{labels}}} {counts.invocations}"]
        case "paddock_errors_total":
            return [f"{name}{{{labels}}} {counts.errors}"]
        case "paddock_refusals_total":
            return [f"{name}{{{labels}}} {counts.refusals}"]
        case "paddock_invocations_in_flight":
            return [f"{name}{{{labels}}} {of.in_flight}"]
        case "paddock_throttles_total":
            return [f'{name}{{{labels},cause="{cause.value}"}} {count}' for cause, count in counts.throttles]
        case "paddock_post_runtime_extensions_seconds":
            return (
                list(_histogram(name, labels, counts.extensions, counts.extensions_us_sum)) if counts.extensions else []
            )
        case _:
            return list(_histogram(name, labels, counts.durations, counts.duration_us_sum))


def _histogram(name: str, labels: str, buckets: tuple[int, ...], sum_us: int) -> Iterator[str]:
    below = 0
    for bucket, count in enumerate(buckets):
        below += count
        if count:
            yield f'{name}_bucket{{{labels},le="{upper_bound_us(bucket) / 1e6:g}"}} {below}'
    yield f'{name}_bucket{{{labels},le="+Inf"}} {below}'
    yield f"{name}_sum{{{labels}}} {sum_us / 1e6:.6f}"
    yield f"{name}_count{{{labels}}} {below}"
