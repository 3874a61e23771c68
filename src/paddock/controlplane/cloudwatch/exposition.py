"""The fleet as Prometheus reads it: AWS's names and units in that format's spelling. Pure.

Of several instances or environments the mean is shown; of their concurrency the most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from paddock.controlplane.cloudwatch.names import Unit
from paddock.model.metrics import MetricId
from paddock.ports.metrics import MetricSample

_SUFFIXES = {Unit.PERCENT: "_percent", Unit.BYTES: "_bytes", Unit.MILLISECONDS: "_milliseconds"}
_MOST = ("ExecutionEnvironmentConcurrency",)
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(samples: Iterable[MetricSample]) -> str:
    """All gauges, name by name, as the format asks."""
    families: dict[str, list[str]] = {}
    for sample in samples:
        name = gauge_name(sample.metric.name, sample.unit)
        summary = sample.summary
        value = summary.maximum if sample.metric.name in _MOST else summary.average
        lines = families.setdefault(name, [f"# HELP {name} AWS's {sample.metric.name}.", f"# TYPE {name} gauge"])
        lines.append(f"{name}{{{_labels(sample.metric)}}} {value:.12g}")
    return "".join(f"{line}\n" for lines in families.values() for line in lines)


def gauge_name(name: str, unit: str) -> str:
    """`ExecutionEnvironmentCPUUtilization` in Percent is `paddock_execution_environment_cpu_utilization_percent`."""
    words = re.findall(r"vCPU|CPU|[A-Z][a-z]+", name)
    return "_".join(["paddock", *(word.lower() for word in words)]) + _SUFFIXES.get(Unit(unit), "")


def _labels(metric: MetricId) -> str:
    return ",".join(f'{_label(name)}="{value.translate(_ESCAPES)}"' for name, value in metric.dimensions)


def _label(name: str) -> str:
    return "_".join(word.lower() for word in re.findall(r"[A-Z][a-z]+", name))
