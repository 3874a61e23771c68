"""What was counted at function URLs, as Prometheus reads it. Names are AWS's metrics, as that format spells names."""

from __future__ import annotations

from collections.abc import Iterable

from paddock.core.routing.counters import VersionCounts
from paddock.router.function_urls import UrlStatistics

_HELP = {
    "paddock_url_requests_total": "counter Requests to function URLs.",
    "paddock_url_4xx_total": "counter Of these, answered with 4xx.",
    "paddock_url_5xx_total": "counter Of these, answered with 5xx.",
    "paddock_url_request_latency_seconds": "summary From a request's arrival to the end of its answer.",
}


def url_exposition(statistics: Iterable[UrlStatistics]) -> str:
    """Of all URLs that anyone has asked; nothing where none was."""
    asked = tuple(one for one in statistics if one.counts.invocations)
    if not asked:
        return ""
    lines: list[str] = []
    for name, described in _HELP.items():
        kind, _, text = described.partition(" ")
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for one in asked:
            labels = f'{{function_name="{one.function_name}",qualifier="{one.qualifier or ""}"}}'
            lines += [f"{sample}{labels} {value}" for sample, value in _values(name, one.counts)]
    return "\n".join([*lines, ""])


def _values(name: str, counts: VersionCounts) -> tuple[tuple[str, str], ...]:
    match name:
        case "paddock_url_requests_total":
            return ((name, str(counts.invocations)),)
        case "paddock_url_4xx_total":
            return ((name, str(counts.refusals)),)
        case "paddock_url_5xx_total":
            return ((name, str(counts.errors)),)
        case _:
            return (f"{name}_sum", f"{counts.duration_us_sum / 1e6:.6f}"), (f"{name}_count", str(counts.invocations))
