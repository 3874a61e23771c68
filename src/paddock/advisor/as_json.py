"""Advice for programs: one JSON object whose names stay."""

from __future__ import annotations

from math import isfinite
from typing import Any

from paddock.advisor.advice import Advice, MonthlyCost
from paddock.advisor.candidates import Candidate
from paddock.advisor.commitment import CommitmentAdvice
from paddock.advisor.daily import DailyShape
from paddock.advisor.report.timeline import Timeline


def advice_as_json(advice: Advice, timeline: Timeline | None = None) -> dict[str, Any]:
    workload, trace = advice.workload, advice.trace
    return {
        "decision": advice.verdict.value,
        "reasons": list(advice.reasons),
        "region": advice.region,
        "monthly_usd": {
            "managed_instances": _cost(advice.managed_instances),
            "default": _cost(advice.default),
        },
        "break_even_requests_per_second": _rounded(advice.break_even_per_second),
        "recommended": {
            **_candidate(advice.best),
            "allowed_instance_types": list(advice.allowed_instance_types),
            "min_execution_environments": advice.minimum_environments,
            "schedule": _schedule(advice.daily),
            "max_vcpu_count": advice.cap.max_vcpu_count,
            "max_vcpu_count_derivation": str(advice.cap),
            "estimated_throttled_share": _rounded(advice.throttled_share),
        },
        "simulated": None if timeline is None else _simulated(advice, timeline),
        "candidates": [_candidate(candidate) for candidate in advice.candidates],
        "candidates_considered": advice.considered,
        "default_lambda": {
            "memory_mb": advice.default_forecast.memory_mb,
            "architecture": advice.default_forecast.architecture.value,
            "cold_starts_per_month": round(advice.default_forecast.cold_starts),
            "cold_start_share": _rounded(advice.default_forecast.cold_start_share),
            "peak_concurrency": round(advice.default_forecast.peak_concurrency),
        },
        "commitments": [_commitment(each) for each in advice.commitments],
        "sensitivity": [
            {
                "input": flip.input_name,
                "value": _rounded(flip.value),
                "unit": flip.unit,
                "flips_at": _rounded(flip.flips_at),
                "factor": _rounded(flip.factor),
            }
            for flip in advice.flips
        ],
        "rules_of_thumb": list(advice.rules),
        "workload": {
            "duration_ms": _rounded(workload.duration_ms.mean),
            "p99_ms": _rounded(workload.duration_ms.quantile(0.99)),
            "cpu_ms": _rounded(workload.cpu_ms),
            "memory_mb": _rounded(workload.memory_mb),
            "runtime": workload.runtime,
            "origins": {name: origin.value for name, origin in sorted(workload.origins.items())},
        },
        "traffic": {
            "source": trace.source,
            "function": trace.function,
            "minutes": trace.minutes,
            "invocations": round(trace.invocations),
            "mean_per_second": _rounded(trace.mean_per_second),
            "peak_per_second": _rounded(trace.peak_per_second()),
            "notes": list(trace.notes),
        },
        "assumed": list(advice.assumptions),
        "warnings": list(advice.warnings),
        "price_sources": [
            {"title": source.title, "as_of": source.as_of.isoformat(), "confidence": source.confidence.value}
            for source in advice.sources
        ],
    }


def _simulated(advice: Advice, timeline: Timeline) -> dict[str, Any]:
    return {
        "mean_instances": _rounded(timeline.mean_instances),
        "peak_instances": int(timeline.instances.max()),
        "peak_environments": int(timeline.ready.max()),
        "peak_cpu_utilization": _rounded(float(timeline.cpu_utilization.max())),
        "throttles": {cause: _rounded(float(values.sum())) for cause, values in timeline.throttles.items()},
        "throttled_share": _rounded(timeline.throttled_share),
        "monthly_usd_without_requests": round(simulated_usd(advice, timeline), 2),
    }


def simulated_usd(advice: Advice, timeline: Timeline) -> float:
    """The quick estimate's month, with the instances that the planner really had."""
    return advice.best.usd * timeline.mean_instances / advice.best.mean_instances


def _schedule(daily: DailyShape | None) -> list[dict[str, int]]:
    if daily is None:
        return []
    return [
        {"hour_utc": daily.busy_from, "min_execution_environments": daily.busy_minimum},
        {"hour_utc": daily.quiet_from, "min_execution_environments": daily.quiet_minimum},
    ]


def _cost(cost: MonthlyCost) -> dict[str, float]:
    return {"low": round(cost.low, 2), "middle": round(cost.middle, 2), "high": round(cost.high, 2)}


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "instance_type": candidate.instance_type.name,
        "architecture": candidate.instance_type.architecture.value,
        "memory_mb": candidate.shape.memory_mb,
        "memory_gib_per_vcpu": candidate.memory_gib_per_vcpu,
        "vcpu": candidate.shape.vcpu,
        "max_concurrency": candidate.shape.max_concurrency,
        "environments_per_instance": candidate.environments_per_instance,
        "peak_environments": candidate.sizing.peak,
        "mean_instances": _rounded(candidate.mean_instances),
        "peak_instances": candidate.peak_instances,
        "headroom": _rounded(candidate.sizing.headroom),
        "cpu_utilization_at_peak": _rounded(candidate.sizing.utilisation_at_peak),
        "p99_ms_under_load": _rounded(candidate.sizing.p99_ms),
        "monthly_usd_without_requests": {
            "low": round(candidate.low_usd, 2),
            "middle": round(candidate.usd, 2),
            "high": round(candidate.high_usd, 2),
        },
    }


def _commitment(advice: CommitmentAdvice) -> dict[str, Any]:
    offer = advice.offer
    return {
        "plan": offer.plan.value,
        "years": offer.years,
        "payment": offer.payment.value,
        "discount": {"low": float(offer.discount.low), "high": float(offer.discount.high)},
        "effective_discount": _rounded(advice.effective_discount),
        "promised_usd_per_hour": _rounded(advice.promised_usd_per_hour),
        "covered_usd_per_hour": _rounded(advice.covered_usd_per_hour),
        "monthly_saving_usd": {
            "low": round(advice.saving_low_usd, 2),
            "middle": round(advice.saving_usd, 2),
            "high": round(advice.saving_high_usd, 2),
        },
        "condition": advice.condition,
    }


def _rounded(value: float | None) -> float | None:
    """Five significant digits; more would pretend. JSON has no infinity."""
    return None if value is None or not isfinite(value) else float(f"{value:.5g}")
