"""The same traffic on default Lambda: its month's bill, and the cold starts its one-request environments would have.

Cold starts: an environment serves one invocation at a time and is kept for some minutes after its last one, so a cold
start is every rise of what is in flight above what was in flight lately. AWS publishes no idle time; ten minutes is
within what is observed, and a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from paddock.advisor.documents import InputError
from paddock.advisor.sizing import Minutes
from paddock.advisor.traces.trace import Trace
from paddock.advisor.workload import Workload
from paddock.core.pricing.bill import Bill
from paddock.core.pricing.lambda_bill import LambdaUsage, MissingRateError, gb_seconds, lambda_bill
from paddock.core.pricing.rates import HOURS_PER_MONTH, LambdaRates
from paddock.model.capacity_provider import Architecture

IDLE_MINUTES = 10
MINUTES_PER_MONTH = float(HOURS_PER_MONTH) * 60


@dataclass(frozen=True, slots=True)
class DefaultForecast:
    """Per month. `peak_concurrency` is what the account's limit (1,000 by default) must hold."""

    bill: Bill
    architecture: Architecture
    memory_mb: int
    cold_starts: float
    cold_start_share: float
    peak_concurrency: float


def monthly_requests(trace: Trace) -> Decimal:
    """The trace repeated or cut to 730 hours, which is what AWS calls a month."""
    return Decimal(round(trace.invocations * MINUTES_PER_MONTH / trace.minutes))


def forecast(
    trace: Trace,
    workload: Workload,
    rates: LambdaRates,
    architecture: Architecture,
    *,
    free_tier: bool = False,
    discount: Decimal = Decimal(0),
) -> DefaultForecast:
    requests = monthly_requests(trace)
    duration = Decimal(str(round(workload.duration_ms.mean, 6)))
    usage = LambdaUsage(
        requests=requests,
        gb_seconds=gb_seconds(requests, duration, Decimal(workload.default_memory_mb)),
        architecture=architecture,
        free_tier=free_tier,
        duration_discount=discount,
    )
    try:
        bill = lambda_bill(usage, rates)
    except MissingRateError as error:
        raise InputError(str(error)) from error
    cold, peak = cold_starts(Minutes.of(trace.counts, workload))
    per_month = cold * MINUTES_PER_MONTH / trace.minutes
    return DefaultForecast(
        bill=bill,
        architecture=architecture,
        memory_mb=workload.default_memory_mb,
        cold_starts=per_month,
        cold_start_share=cold / trace.invocations,
        peak_concurrency=peak,
    )


def cold_starts(minutes: Minutes, idle_minutes: int = IDLE_MINUTES) -> tuple[float, float]:
    """How many the trace has, and the most environments at once."""
    in_flight = np.minimum(np.ceil(minutes.highest()), minutes.rate * 60)
    padded = np.concatenate([np.zeros(idle_minutes), in_flight])
    warm = np.lib.stride_tricks.sliding_window_view(padded, idle_minutes).max(axis=1)[: len(in_flight)]
    return float(np.maximum(in_flight - warm, 0).sum()), float(in_flight.max(initial=0))
