from decimal import Decimal

import pytest

from paddock.core.pricing.bill import to_cents
from paddock.core.pricing.commitments import effective_discount


@pytest.mark.parametrize(
    ("discount", "worth_percent"),
    [("0.17", "14.78"), ("0.28", "24.35"), ("0.32", "27.83"), ("0.50", "43.48"), ("0.65", "56.52"), ("0.72", "62.61")],
)
def test_a_discount_is_worth_less_on_managed_instances_because_the_fee_has_none(
    discount: str, worth_percent: str
) -> None:
    assert to_cents(effective_discount(Decimal(discount)) * 100) == Decimal(worth_percent)
