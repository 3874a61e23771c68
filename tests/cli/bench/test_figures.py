"""The error of a forecast, and what it is where there is nothing to compare."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paddock.cli.bench.figures import Comparison, Figures, relative_error

SEEN = Figures(
    requests=100,
    answered=90,
    throttles=10,
    errors=0,
    throughput_per_second=9.0,
    mean_ms=200.0,
    p50_ms=180.0,
    p99_ms=400.0,
    environments_started=0,
    cpu_cores=0.5,
    most_in_flight=12,
    environments=3,
    instances=3,
)


@pytest.mark.parametrize(
    ("forecast", "measured", "error"),
    [(110.0, 100.0, 0.1), (50.0, 100.0, -0.5), (0, 0, 0.0), (5, 0, None), (None, 3.0, None), (3.0, None, None)],
)
def test_the_error_is_relative_to_what_was_measured(
    forecast: float | None, measured: float | None, error: float | None
) -> None:
    assert relative_error(forecast, measured) == (None if error is None else pytest.approx(error))


def test_a_comparison_has_an_error_for_each_figure() -> None:
    errors = Comparison("managed_instances", replace(SEEN, mean_ms=150.0), SEEN).errors()

    assert errors["mean_ms"] == pytest.approx(-0.25)
    assert errors["throttles"] == 0.0
    assert errors.keys() == set(Figures.__dataclass_fields__)


def test_without_a_measurement_there_is_no_error_and_the_reason_is_told() -> None:
    document = Comparison("default", SEEN, unavailable="not built").document()

    assert document["measured"] is None
    assert document["forecast_error"] == {}
    assert document["unavailable"] == "not built"
