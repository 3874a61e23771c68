"""What is promised to AWS for a discount, and how much of it to promise.

A commitment is paid whether used or not, so it is a newsvendor's question: with discount D, one more dollar an hour of
it pays as long as it is used in more than 1 - D of the hours. Only EC2 hours are eligible, never the management fee, so
a discount D is worth D ÷ 1.15 of what managed instances cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from paddock.core.pricing.bill import exact_ratio
from paddock.core.pricing.rates import MANAGEMENT_FEE_RATE
from paddock.model.prices import Source


class CommitmentPlan(StrEnum):
    COMPUTE_SAVINGS_PLAN = "compute_savings_plan"
    EC2_INSTANCE_SAVINGS_PLAN = "ec2_instance_savings_plan"
    RESERVED_INSTANCES = "reserved_instances"


class PaymentOption(StrEnum):
    NO_UPFRONT = "no_upfront"
    PARTIAL_UPFRONT = "partial_upfront"
    ALL_UPFRONT = "all_upfront"


@dataclass(frozen=True, slots=True)
class DiscountRange:
    """Fractions of the On-Demand price. No open table has every rate: the range is what was seen."""

    low: Decimal
    high: Decimal
    source: Source

    @property
    def middle(self) -> Decimal:
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class CommitmentOffer:
    plan: CommitmentPlan
    years: int
    payment: PaymentOption
    discount: DiscountRange

    @property
    def follows_any_instance_type(self) -> bool:
        """Lambda chooses and rotates types; a plan bound to one family holds only where that family is pinned."""
        return self.plan is CommitmentPlan.COMPUTE_SAVINGS_PLAN


def effective_discount(discount: Decimal) -> Decimal:
    """Of the whole hourly cost of a managed instance, fee included."""
    return exact_ratio(discount, 1 + MANAGEMENT_FEE_RATE)
