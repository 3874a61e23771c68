"""The fleet as Prometheus reads it: AWS's names and units in that format's spelling. Pure.

Of several instances or environments the mean is shown; of their concurrency the most; of what is counted the sum since
the server began. Names of Lambda Insights are left out: the figures are there under Lambda's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from paddock.controlplane.cloudwatch.names import COUNTED, NAMESPACE, UNITS, Unit
from paddock.model.metrics import MetricId
from paddock.ports.metrics import MetricSample

_SUFFIXES = {Unit.PERCENT: "_percent", Unit.BYTES: "_bytes", Unit.MILLISECONDS: "_milliseconds"}
_MOST = ("ExecutionEnvironmentConcurrency",)
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(samples: Iterable[MetricSample], totals: Mapping[MetricId, float]) -> str:
    """All gauges and counters, name by name, as the format asks."""
    families: dict[str, list[str]] = {}
    for sample in samples:
        if sample.metric.namespace == NAMESPACE and sample.metric.name not in COUNTED:
            summary = sample.summary
            value = summary.maximum if sample.metric.name in _MOST else summary.average
            _add(families, gauge_name(sample.metric.name, sample.unit), "gauge", sample.metric, value)
    for metric, total in totals.items():
        _add(families, f"{gauge_name(metric.name, UNITS[metric.name])}_total", "counter", metric, total)
    return "".join(f"{line}\n" for lines in families.values() for line in lines)


def _add(families: dict[str, list[str]], name: str, kind: str, metric: MetricId, value: float) -> None:
    lines = families.setdefault(name, [f"# HELP {name} AWS's {metric.name}.", f"# TYPE {name} {kind}"])
    lines.append(f"{name}{{{_labels(metric)}}} {value:.12g}")


def gauge_name(name: str, unit: str) -> str:
    """`ExecutionEnvironmentCPUUtilization` in Percent is `paddock_execution_environment_cpu_utilization_percent`."""
    words = re.findall(r"vCPU|CPU|[A-Z][a-z]+", name)
    suffix = _SUFFIXES.get(Unit(unit), "")
    return "_".join(["paddock", *(word.lower() for word in words)]).removesuffix(suffix) + suffix


def _labels(metric: MetricId) -> str:
    return ",".join(f'{_label(name)}="{value.translate(_ESCAPES)}"' for name, value in metric.dimensions)


def _label(name: str) -> str:
    return "_".join(word.lower() for word in re.findall(r"[A-Z][a-z]+", name))
