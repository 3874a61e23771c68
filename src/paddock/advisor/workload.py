"""What a function takes: its duration, CPU time and memory, where each figure comes from, the laws they obey."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from paddock.advisor.documents import InputError
from paddock.advisor.traces.trace import Distribution, Trace
from paddock.model.capacity_provider import Architecture

MB_PER_VCPU_OF_DEFAULT_LAMBDA = 1769
"""Default Lambda gives one vCPU at 1,769 MB and in proportion (developer guide, "Configure memory")."""

ASSUMED_CPU_SHARE = 0.3
"""Of the duration, when nothing is known of CPU time: between AWS's "balanced" (25 %) and "CPU-heavy" (50 %)."""

ASSUMED_MEMORY_MB = 128
LITTLE_TOLERANCE = 1.25
"""How far a stated concurrency may lie from rate × duration before one of the three must be wrong."""

MAX_MEMORY_MB = 32_768
LARGEST_FIGURE = 1e9
ASYNC_BYTES_PER_SECOND = 5 * 1024 * 1024
"""Of asynchronous invokes and SQS mappings on managed instances (developer guide, quotas)."""


class Origin(StrEnum):
    GIVEN = "given"
    TRACE = "from the trace"
    MEASURED = "measured here"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """`concurrency_per_vcpu` is Lambda's default; `copies_memory`: each slot is a process with memory of its own."""

    concurrency_per_vcpu: int
    copies_memory: bool
    name: str


RUNTIMES: Mapping[str, RuntimeFacts] = {
    "python": RuntimeFacts(16, True, "python3.13"),
    "nodejs": RuntimeFacts(64, False, "nodejs22.x"),
    "java": RuntimeFacts(32, False, "java21"),
    "dotnet": RuntimeFacts(32, False, "dotnet8"),
    "rust": RuntimeFacts(8, False, "provided.al2023"),
    "provided": RuntimeFacts(8, False, "provided.al2023"),
}
"""Defaults per vCPU of the developer guide's runtime pages."""


@dataclass(frozen=True, slots=True)
class Workload:
    """`memory_mb` is used by one environment with one invocation in flight; `default_memory_mb` is what default Lambda
    is given; `extra_memory_mb` is what each further invocation in flight takes. `cpu_ms` is CPU time per invocation.
    """

    duration_ms: Distribution
    cpu_ms: float
    memory_mb: float
    extra_memory_mb: float
    default_memory_mb: int
    runtime: str
    origins: Mapping[str, Origin]
    payload_bytes: float | None = None
    asynchronous: bool = False
    init_seconds: float = 2.0

    @property
    def runtime_facts(self) -> RuntimeFacts:
        return RUNTIMES[self.runtime]

    @property
    def cpu_share(self) -> float:
        """CPU time ÷ duration: how much of a vCPU one invocation keeps busy."""
        return self.cpu_ms / self.duration_ms.mean

    def assumptions(self) -> tuple[str, ...]:
        texts = {
            "cpu_ms": f"CPU time is {self.cpu_share:.0%} of the duration",
            "memory_mb": f"an environment with one invocation uses {self.memory_mb:.0f} MB",
            "duration_ms": f"an invocation takes {self.duration_ms.mean:.0f} ms",
            "default_memory_mb": f"default Lambda would be given {self.default_memory_mb} MB",
            "runtime": f"the runtime is {self.runtime}",
        }
        return tuple(text for name, text in texts.items() if self.origins.get(name) is Origin.ASSUMED)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a person said of the function; None where nothing was said."""

    duration_ms: float | None = None
    p99_ms: float | None = None
    cpu_ms: float | None = None
    memory_mb: float | None = None
    default_memory_mb: int | None = None
    runtime: str | None = None
    payload_bytes: float | None = None
    asynchronous: bool = False
    init_seconds: float = 2.0
    concurrency: float | None = None
    measured: bool = False


def settle(stated: Stated, trace: Trace) -> Workload:
    """What was stated wins over what the trace knows; the rest is assumed and said so. Raises InputError by the law."""
    _must_be_finite(stated)
    origins: dict[str, Origin] = {}
    said = Origin.MEASURED if stated.measured else Origin.GIVEN
    duration = _duration(stated, trace, origins, said)
    runtime = _runtime(stated, origins)
    default_memory_mb = _default_memory(stated, trace, origins)
    cpu_ms = stated.cpu_ms
    origins["cpu_ms"] = said
    if cpu_ms is None and trace.cpu_ms is not None:
        cpu_ms, origins["cpu_ms"] = trace.cpu_ms.mean, Origin.TRACE
    if cpu_ms is None:
        cpu_ms, origins["cpu_ms"] = duration.mean * ASSUMED_CPU_SHARE, Origin.ASSUMED
    memory_mb = stated.memory_mb
    origins["memory_mb"] = said
    if memory_mb is None and trace.memory_mb is not None:
        memory_mb, origins["memory_mb"] = trace.memory_mb.quantile(0.99), Origin.TRACE
    if memory_mb is None:
        memory_mb, origins["memory_mb"] = float(ASSUMED_MEMORY_MB), Origin.ASSUMED
    copies = RUNTIMES[runtime].copies_memory
    payload = stated.payload_bytes
    if payload is None and trace.payload_bytes is not None:
        payload = trace.payload_bytes.mean
    workload = Workload(
        duration_ms=duration,
        cpu_ms=cpu_ms,
        memory_mb=memory_mb,
        extra_memory_mb=memory_mb if copies else memory_mb / 4,
        default_memory_mb=default_memory_mb,
        runtime=runtime,
        origins=origins,
        payload_bytes=payload,
        asynchronous=stated.asynchronous,
        init_seconds=stated.init_seconds,
    )
    _check(workload, trace, stated)
    return workload


def _must_be_finite(stated: Stated) -> None:
    for name in ("duration_ms", "p99_ms", "cpu_ms", "memory_mb", "payload_bytes", "concurrency"):
        value = getattr(stated, name)
        if value is not None and not (isfinite(value) and 0 <= value <= LARGEST_FIGURE):
            raise InputError(f"{name.replace('_', ' ')} is {value:g}: no such figure can be meant here")


def _duration(stated: Stated, trace: Trace, origins: dict[str, Origin], said: Origin) -> Distribution:
    if stated.duration_ms is not None:
        origins["duration_ms"] = said
        if stated.p99_ms is None:
            return Distribution.constant(stated.duration_ms)
        if stated.p99_ms < stated.duration_ms:
            raise InputError(f"the p99 of {stated.p99_ms:g} ms lies below the mean of {stated.duration_ms:g} ms")
        return Distribution(
            stated.duration_ms, ((0.5, stated.duration_ms), (0.99, stated.p99_ms), (1.0, stated.p99_ms))
        )
    if trace.duration_ms is not None and trace.duration_ms.mean > 0:
        origins["duration_ms"] = Origin.TRACE
        return trace.duration_ms
    raise InputError("how long an invocation takes is not known: give --duration-ms, or --measure FUNCTION")


def _runtime(stated: Stated, origins: dict[str, Origin]) -> str:
    if stated.runtime is None:
        origins["runtime"] = Origin.ASSUMED
        return "python"
    origins["runtime"] = Origin.GIVEN
    family = next((name for name in RUNTIMES if stated.runtime.startswith(name)), None)
    if family is None:
        raise InputError(f"managed instances do not run {stated.runtime!r}; they run {', '.join(RUNTIMES)}")
    return family


def _default_memory(stated: Stated, trace: Trace, origins: dict[str, Origin]) -> int:
    """What is used at most, rounded up to a common size, unless it was said."""
    if stated.default_memory_mb is not None:
        origins["default_memory_mb"] = Origin.GIVEN
        return stated.default_memory_mb
    origins["default_memory_mb"] = Origin.ASSUMED
    used = stated.memory_mb if stated.memory_mb is not None else ASSUMED_MEMORY_MB
    if stated.memory_mb is None and trace.memory_mb is not None:
        used = trace.memory_mb.quantile(1.0)
    return next((size for size in (128, 256, 512, 1024, 1769, 2048, 3008, 4096) if size >= used * 1.2), 10_240)


def _check(workload: Workload, trace: Trace, stated: Stated) -> None:
    vcpu = max(1.0, workload.default_memory_mb / MB_PER_VCPU_OF_DEFAULT_LAMBDA)
    if workload.cpu_ms > workload.duration_ms.mean * vcpu * 1.01:
        raise InputError(
            f"utilisation cannot exceed 1: {workload.cpu_ms:g} ms of CPU in {workload.duration_ms.mean:g} ms would "
            f"keep {workload.cpu_share:.1f} vCPU busy, and {workload.default_memory_mb} MB have {vcpu:.1f}"
        )
    if workload.memory_mb > MAX_MEMORY_MB:
        raise InputError(
            f"{workload.memory_mb:g} MB do not fit: an execution environment has at most {MAX_MEMORY_MB} MB"
        )
    if stated.concurrency is not None:
        _check_little(stated.concurrency, workload, trace)
    rate = trace.peak_per_second(0.99) * (workload.payload_bytes or 0)
    if workload.asynchronous and rate > ASYNC_BYTES_PER_SECOND:
        raise InputError(f"{rate / 1e6:.1f} MB/s of asynchronous payload at the busy minutes; the quota is 5 MB/s")


def _check_little(concurrency: float, workload: Workload, trace: Trace) -> None:
    seconds = workload.duration_ms.mean / 1000
    mean, peak = trace.mean_per_second * seconds, trace.peak_per_second() * seconds
    if not mean / LITTLE_TOLERANCE <= concurrency <= peak * LITTLE_TOLERANCE:
        raise InputError(
            f"Little's law (concurrency = rate × duration) is broken: {trace.mean_per_second:.3g}/s × {seconds:.3g} s "
            f"is {mean:.3g} in flight on average and {peak:.3g} in the busiest minute, not {concurrency:g}"
        )


def architectures(wanted: str) -> tuple[Architecture, ...]:
    """`any`, `arm64` or `x86_64`."""
    if wanted == "any":
        return tuple(Architecture)
    try:
        return (Architecture(wanted),)
    except ValueError as error:
        raise InputError(f"the architecture is arm64, x86_64 or any, not {wanted!r}") from error
