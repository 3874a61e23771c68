"""The demo's figures: percentiles that happened, outcomes that add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paddock.cli.answers import Answer, latency_of
from paddock.cli.demo.summary import summarise


def an_answer(latency_ms: float, outcome: str = "ok", environment: str | None = "e") -> Answer:
    return Answer("f", 0.0, latency_ms, outcome, environment)


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=300))
def test_percentiles_are_latencies_that_happened_and_in_order(latencies: list[float]) -> None:
    latency = latency_of([an_answer(each) for each in latencies])

    assert latency is not None
    assert {latency.p50, latency.p90, latency.p99} <= set(latencies)
    assert latency.p50 <= latency.p90 <= latency.p99 <= latency.maximum == max(latencies)


def test_failures_have_no_latency_and_are_counted_by_outcome() -> None:
    summary = summarise([an_answer(1.0), an_answer(9.0, "throttled", None), an_answer(2.0, "failed", None)], 2.0)

    assert summary.outcomes == {"ok": 1, "throttled": 1, "failed": 1}
    assert summary.throughput_per_second == 0.5
    assert summary.latency is not None
    assert summary.latency.maximum == 1.0
    assert summary.functions[0].per_environment == {"e": 1}


def test_nothing_answered_has_no_latency() -> None:
    assert summarise([an_answer(1.0, "failed")], 1.0).latency is None
