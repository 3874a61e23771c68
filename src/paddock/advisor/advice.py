"""LMI, default Lambda, or too close to call: the answer, its three reasons, and everything it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from paddock.advisor.candidates import (
    Candidate,
    CapDerivation,
    Requirements,
    candidates,
    cap_for,
    instances_for,
)
from paddock.advisor.commitment import CommitmentAdvice, advise_commitments
from paddock.advisor.daily import DailyShape, daily_shape
from paddock.advisor.default_lambda import DefaultForecast, forecast, monthly_requests
from paddock.advisor.documents import InputError
from paddock.advisor.reasons import Evidence, rules_of_thumb, three_reasons
from paddock.advisor.sensitivity import CurvePoint, Flip, Question, break_even_factor, cost_curve, flips
from paddock.advisor.sizing import Minutes
from paddock.advisor.traces.trace import Trace
from paddock.advisor.workload import Workload
from paddock.catalogue import Catalogue
from paddock.catalogue.tables import LambdaPrices
from paddock.core.pricing.rates import REQUESTS_USD_PER_MILLION
from paddock.core.scaling import DEFAULT_SETTINGS, ScalingSettings
from paddock.model.ids import Region
from paddock.model.prices import Source, Unknown

SHOWN_CANDIDATES = 10
PINNED_TYPES = 4
DEARER_BY = 1.2
"""Types of other families may cost this much more to be on the list beside the best."""

REACTION_MINUTES = 2
"""Until new capacity serves: noticing, and an instance's launch of one to four minutes for what does not fit."""


class Verdict(StrEnum):
    MANAGED_INSTANCES = "managed_instances"
    DEFAULT = "default"
    TOO_CLOSE = "too_close_to_call"


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """USD a month, everything included."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """`candidates` holds the best of each family. `break_even_per_second` is None where no traffic evens it out."""

    region: Region
    trace: Trace
    workload: Workload
    verdict: Verdict
    reasons: tuple[str, str, str]
    managed_instances: MonthlyCost
    default: MonthlyCost
    requests_usd: float
    best: Candidate
    candidates: tuple[Candidate, ...]
    considered: int
    cap: CapDerivation
    default_forecast: DefaultForecast
    commitments: tuple[CommitmentAdvice, ...]
    break_even_per_second: float | None
    flips: tuple[Flip, ...]
    rules: tuple[str, ...]
    assumptions: tuple[str, ...]
    sources: tuple[Source, ...]
    throttled_share: float
    instances: NDArray[np.int64] = field(repr=False)
    curve: tuple[CurvePoint, ...] = ()
    allowed_instance_types: tuple[str, ...] = ()
    daily: DailyShape | None = None
    minimum_environments: int = 3
    warnings: tuple[str, ...] = ()


def advise(
    trace: Trace,
    workload: Workload,
    catalogue: Catalogue,
    region: Region,
    requirements: Requirements,
    *,
    free_tier: bool = False,
    settings: ScalingSettings = DEFAULT_SETTINGS,
) -> Advice:
    """Raises InputError for an unknown region, and when nothing fits or has a price."""
    prices = _lambda_prices(catalogue, region)
    found = candidates(trace, workload, catalogue.instance_types(region), requirements, settings=settings)
    best = found[0]
    forecasts = [
        forecast(trace, workload, prices.rates, architecture, free_tier=free_tier)
        for architecture in requirements.architectures
    ]
    default = min(forecasts, key=lambda each: each.bill.exact_usd)
    requests_usd = float(monthly_requests(trace) / 1_000_000 * REQUESTS_USD_PER_MILLION)
    managed = MonthlyCost(best.low_usd + requests_usd, best.usd + requests_usd, best.high_usd + requests_usd)
    other = _default_cost(default, best)
    question = Question(trace, workload, found, prices.rates, default.architecture, requirements, settings)
    even = break_even_factor(question)
    least = max(1, min(requirements.zones, requirements.minimum_environments))
    instances = instances_for(best.sizing.environments, best.environments_per_instance, least)
    evidence = Evidence(
        trace=trace,
        workload=workload,
        best=best,
        managed_usd=managed.middle,
        default_usd=other.middle,
        default_forecast=default,
        break_even_per_second=None if even is None else even * trace.mean_per_second,
        throttled_share=throttled_share(trace, workload, best),
        least_instances=least,
    )
    verdict = _verdict(managed, other)
    on_demand = best.instance_type.on_demand_usd_per_hour
    assert on_demand is not None
    return Advice(
        region=region,
        trace=trace,
        workload=workload,
        verdict=verdict,
        reasons=three_reasons(evidence),
        managed_instances=managed,
        default=other,
        requests_usd=requests_usd,
        best=best,
        candidates=_best_of_each_family(found),
        considered=len(found),
        cap=cap_for(best, requirements.minimum_environments, requirements.zones),
        default_forecast=default,
        commitments=advise_commitments(instances, on_demand, catalogue.commitments),
        break_even_per_second=evidence.break_even_per_second,
        flips=flips(question),
        rules=rules_of_thumb(evidence),
        assumptions=_assumptions(workload),
        sources=_sources(catalogue, region, best, prices.source),
        throttled_share=evidence.throttled_share,
        instances=instances,
        curve=cost_curve(question),
        allowed_instance_types=_pinned(found, best),
        daily=daily_shape(trace, best.sizing.environments, requirements.minimum_environments),
        minimum_environments=requirements.minimum_environments,
        warnings=_warnings(requirements, trace),
    )


def _lambda_prices(catalogue: Catalogue, region: Region) -> LambdaPrices:
    if region not in catalogue.regions:
        raise InputError(f"the catalogue has no region {region!r}; it has {', '.join(catalogue.regions)}")
    prices = catalogue.lambda_rates(region)
    if isinstance(prices, Unknown):
        raise InputError(str(prices))
    return prices


def with_simulated_throttles(advice: Advice, share: float, minimum_instances: int) -> Advice:
    """The replay's answer in place of the quick estimate, also among the reasons."""
    evidence = Evidence(
        trace=advice.trace,
        workload=advice.workload,
        best=advice.best,
        managed_usd=advice.managed_instances.middle,
        default_usd=advice.default.middle,
        default_forecast=advice.default_forecast,
        break_even_per_second=advice.break_even_per_second,
        throttled_share=share,
        least_instances=minimum_instances,
    )
    return replace(advice, throttled_share=share, reasons=three_reasons(evidence))


def _verdict(managed: MonthlyCost, default: MonthlyCost) -> Verdict:
    """Only when the dearer end of one lies below the cheaper end of the other is it decided."""
    if managed.high < default.low:
        return Verdict.MANAGED_INSTANCES
    if default.high < managed.low:
        return Verdict.DEFAULT
    return Verdict.TOO_CLOSE


def _default_cost(default: DefaultForecast, best: Candidate) -> MonthlyCost:
    """Duration varies as it does for managed instances; requests do not."""
    total = float(default.bill.exact_usd)
    duration = sum(float(item.usd) for item in default.bill.items if item.name != "Requests")
    spread = max(0.0, best.high_usd / best.usd - 1, 1 - best.low_usd / best.usd, 0.05) if best.usd else 0.05
    spread = min(spread, 0.25)
    return MonthlyCost(total - duration * spread, total, total + duration * spread)


def _best_of_each_family(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    chosen: dict[str, Candidate] = {}
    for candidate in found:
        chosen.setdefault(candidate.instance_type.family, candidate)
        if len(chosen) == SHOWN_CANDIDATES:
            break
    return tuple(chosen.values())


def _pinned(found: Sequence[Candidate], best: Candidate) -> tuple[str, ...]:
    """The best type and the next families of its size and processor: a short list of one lowers availability."""
    alike = dict.fromkeys(
        each.instance_type.name
        for each in found
        if each.shape == best.shape
        and each.instance_type.vcpu == best.instance_type.vcpu
        and each.instance_type.architecture is best.instance_type.architecture
        and each.usd <= best.usd * DEARER_BY
    )
    return tuple(alike)[:PINNED_TYPES]


def throttled_share(trace: Trace, workload: Workload, candidate: Candidate) -> float:
    """A quick estimate: what arrives beyond the slots that stood ready two minutes before; a replay knows better."""
    minutes = Minutes.of(trace.counts, workload)
    ready = np.concatenate([candidate.sizing.environments[:1]] * REACTION_MINUTES + [candidate.sizing.environments])
    slots = ready[: len(minutes.in_flight)] * candidate.shape.max_concurrency
    beyond = np.maximum(minutes.in_flight - slots, 0) / np.maximum(minutes.in_flight, 1e-12)
    return float((beyond * trace.counts).sum() / trace.invocations)


def _assumptions(workload: Workload) -> tuple[str, ...]:
    always = (
        "an invocation takes as long on managed instances as on default Lambda, but for the sharing of the CPU",
        "x86_64 and arm64 run it equally fast: no factor is published in the open",
        "a month is 730 hours of this traffic",
        "EBS volumes of managed instances are not billed apart: AWS's price page lists none",
        "no way out of the VPC (NAT, endpoints) is counted",
    )
    return (*workload.assumptions(), *always)


def _sources(catalogue: Catalogue, region: Region, best: Candidate, lambda_source: Source) -> tuple[Source, ...]:
    price = catalogue.on_demand(region, best.instance_type.name)
    assert not isinstance(price, Unknown)
    found = [price.source, lambda_source, catalogue.specifications_source]
    found += list({offer.discount.source.title: offer.discount.source for offer in catalogue.commitments}.values())
    return tuple(found)


def _warnings(requirements: Requirements, trace: Trace) -> tuple[str, ...]:
    warnings = []
    if requirements.minimum_environments < 3:
        warnings.append("fewer than three environments give up cover for the loss of a zone")
    if requirements.allowed_instance_types:
        warnings.append("a short list of allowed types lowers availability (AWS's guide); keep several families")
    if trace.days < 1:
        warnings.append("the trace is shorter than a day: daily peaks are not in it")
    elif trace.days < 7:
        warnings.append("the trace is shorter than a week: weekends may differ")
    return tuple(warnings)


def oldest_source(advice: Advice, today: date) -> int:
    """Age in days of the oldest price the answer rests on."""
    return max((today - source.as_of).days for source in advice.sources[:2])
