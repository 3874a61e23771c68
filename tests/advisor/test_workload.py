"""What is said, what the trace knows, what is assumed, and what the law refuses."""

import numpy as np
import pytest

from paddock.advisor.documents import InputError
from paddock.advisor.traces.trace import Distribution, Trace
from paddock.advisor.workload import Origin, Stated, architectures, settle

STEADY = Trace(counts=np.full(60, 6000.0), source="100 a second")


def test_what_is_said_wins_over_the_trace_and_the_rest_is_assumed_and_named() -> None:
    trace = Trace(
        counts=STEADY.counts, source="", duration_ms=Distribution.constant(80), memory_mb=Distribution.constant(300)
    )

    found = settle(Stated(duration_ms=100), trace)

    assert found.duration_ms.mean == 100
    assert found.origins["duration_ms"] is Origin.GIVEN
    assert found.origins["memory_mb"] is Origin.TRACE
    assert found.origins["cpu_ms"] is Origin.ASSUMED
    assert any("CPU time" in text for text in found.assumptions())
    assert found.default_memory_mb == 512


def test_everything_said_leaves_nothing_assumed() -> None:
    stated = Stated(duration_ms=100, cpu_ms=10, memory_mb=90, default_memory_mb=256, runtime="nodejs22.x")

    assert settle(stated, STEADY).assumptions() == ()


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        (Stated(), "--duration-ms"),
        (Stated(duration_ms=float("nan")), "no such figure"),
        (Stated(duration_ms=100, cpu_ms=float("inf")), "no such figure"),
        (Stated(duration_ms=100, p99_ms=50), "below the mean"),
        (Stated(duration_ms=100, cpu_ms=300, default_memory_mb=1024), "utilisation cannot exceed 1"),
        (Stated(duration_ms=100, memory_mb=40_000), "do not fit"),
        (Stated(duration_ms=200, concurrency=100), "Little's law"),
        (Stated(duration_ms=200, concurrency=5), "Little's law"),
        (Stated(duration_ms=200, runtime="ruby3.3"), "do not run 'ruby3.3'"),
        (Stated(duration_ms=200, payload_bytes=200_000, asynchronous=True), "quota is 5 MB/s"),
    ],
)
def test_a_contradiction_is_refused_by_its_law(stated: Stated, says: str) -> None:
    with pytest.raises(InputError, match=says):
        settle(stated, STEADY)


def test_a_concurrency_that_rate_times_duration_gives_is_taken() -> None:
    assert settle(Stated(duration_ms=200, concurrency=20), STEADY).duration_ms.mean == 200


def test_several_threads_may_use_more_cpu_than_wall_time_where_memory_gives_more_than_a_vcpu() -> None:
    assert settle(Stated(duration_ms=100, cpu_ms=190, default_memory_mb=3538), STEADY).cpu_share == pytest.approx(1.9)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(InputError, match="arm64, x86_64 or any"):
        architectures("mips")
