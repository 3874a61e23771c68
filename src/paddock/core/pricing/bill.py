"""A bill: items with quantity, unit price and amount, their exact sum. Only the total is rounded, once, to cents."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

CENT = Decimal("0.01")
MILLION = Decimal(1_000_000)
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
"""Wide enough that no product of two inputs of 28 digits is ever rounded."""


@dataclass(frozen=True, slots=True)
class BillItem:
    """`unit` names what the quantity counts and the unit price is for, e.g. `instance-hour`."""

    name: str
    quantity: Decimal
    unit: str
    unit_price_usd: Decimal

    @property
    def usd(self) -> Decimal:
        """The exact amount, not rounded to cents."""
        with localcontext(_EXACT):
            return self.quantity * self.unit_price_usd


@dataclass(frozen=True, slots=True)
class Bill:
    items: tuple[BillItem, ...]

    @property
    def exact_usd(self) -> Decimal:
        with localcontext(_EXACT):
            return sum((item.usd for item in self.items), Decimal(0))

    @property
    def total_usd(self) -> Decimal:
        return to_cents(self.exact_usd)


def to_cents(usd: Decimal) -> Decimal:
    with localcontext(_EXACT):
        return usd.quantize(CENT)


def itemised(*items: BillItem | None) -> Bill:
    """The items that were used; what has no quantity is left out."""
    return Bill(tuple(item for item in items if item is not None and item.quantity != 0))


def exact_ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    with localcontext(_EXACT):
        return numerator / denominator


def exact_product(*factors: Decimal) -> Decimal:
    with localcontext(_EXACT):
        product = Decimal(1)
        for factor in factors:
            product *= factor
        return product
