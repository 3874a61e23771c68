"""How much to promise AWS, from how much is used in each hour.

With discount D the last dollar promised pays when it is used in more than 1 − D of the hours: the best promise covers
the D-quantile of the hourly use. Only EC2 hours count; the management fee is never discounted and never eligible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from paddock.core.pricing.commitments import CommitmentOffer, CommitmentPlan, effective_discount
from paddock.core.pricing.rates import HOURS_PER_MONTH

MINUTES_PER_HOUR = 60


@dataclass(frozen=True, slots=True)
class CommitmentAdvice:
    """Savings are USD a month. `covered_usd_per_hour` is at On-Demand prices, `promised_usd_per_hour` what is paid."""

    offer: CommitmentOffer
    covered_usd_per_hour: float
    promised_usd_per_hour: float
    saving_low_usd: float
    saving_usd: float
    saving_high_usd: float
    effective_discount: float
    condition: str


def hourly_use(instances: NDArray[np.int64], on_demand_usd_per_hour: float) -> NDArray[np.float64]:
    """USD of EC2 in each hour, at On-Demand prices; the last hour may be shorter."""
    starts = np.arange(0, len(instances), MINUTES_PER_HOUR)
    lengths = np.minimum(MINUTES_PER_HOUR, len(instances) - starts)
    return np.add.reduceat(instances, starts) / lengths * on_demand_usd_per_hour


def covered(hourly: NDArray[np.float64], discount: float) -> float:
    """The level to cover: the discount's quantile of the hours."""
    return float(np.quantile(hourly, discount, method="inverted_cdf"))


def cost_per_hour(hourly: NDArray[np.float64], level: float, discount: float) -> float:
    """What EC2 costs in a mean hour when `level` is promised: the promise always, the rest On-Demand."""
    return level * (1 - discount) + float(np.maximum(hourly - level, 0).mean())


def advise_commitments(
    instances: NDArray[np.int64], on_demand_usd_per_hour: Decimal, offers: Sequence[CommitmentOffer]
) -> tuple[CommitmentAdvice, ...]:
    """Every plan, each at its best level; the largest saving at the middle of its range first."""
    hourly = hourly_use(instances, float(on_demand_usd_per_hour))
    found = [_advice(hourly, offer) for offer in offers]
    return tuple(sorted(found, key=lambda advice: -advice.saving_usd))


def _advice(hourly: NDArray[np.float64], offer: CommitmentOffer) -> CommitmentAdvice:
    """The level is chosen at the low end of the range: a promise must not rest on the hoped-for rate."""
    level = covered(hourly, float(offer.discount.low))
    plain = float(hourly.mean())
    savings = [
        (plain - cost_per_hour(hourly, level, float(discount))) * float(HOURS_PER_MONTH)
        for discount in (offer.discount.low, offer.discount.middle, offer.discount.high)
    ]
    return CommitmentAdvice(
        offer=offer,
        covered_usd_per_hour=level,
        promised_usd_per_hour=level * (1 - float(offer.discount.low)),
        saving_low_usd=savings[0],
        saving_usd=savings[1],
        saving_high_usd=savings[2],
        effective_discount=float(effective_discount(offer.discount.middle)),
        condition=_CONDITIONS[offer.plan],
    )


_CONDITIONS = {
    CommitmentPlan.COMPUTE_SAVINGS_PLAN: "holds for any family and region, default Lambda and Fargate",
    CommitmentPlan.EC2_INSTANCE_SAVINGS_PLAN: "holds for one family in one region: pin it with AllowedInstanceTypes",
    CommitmentPlan.RESERVED_INSTANCES: "holds for one type in one region: pin it; applied before Savings Plans",
}
