from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from paddock.core.pricing.bill import Bill, BillItem, exact_product, exact_ratio, itemised, to_cents

AMOUNTS = st.decimals(min_value=0, max_value=10**12, places=10)


def test_only_the_total_is_rounded_and_half_a_cent_goes_up() -> None:
    bill = Bill(tuple(BillItem(name, Decimal(1), "piece", Decimal("0.0025")) for name in ("a", "b")))

    assert bill.exact_usd == Decimal("0.0050")
    assert bill.total_usd == Decimal("0.01")
    assert to_cents(Decimal("0.0049")) == Decimal("0.00")


def test_what_was_not_used_is_no_item() -> None:
    bill = itemised(
        BillItem("used", Decimal(1), "piece", Decimal(1)), BillItem("idle", Decimal(0), "piece", Decimal(1)), None
    )

    assert [item.name for item in bill.items] == ["used"]


def test_a_bill_of_nothing_is_zero() -> None:
    assert itemised().total_usd == Decimal("0.00")


@given(AMOUNTS, AMOUNTS)
def test_products_are_exact_however_long_their_factors(one: Decimal, other: Decimal) -> None:
    assert Fraction(exact_product(one, other)) == Fraction(one) * Fraction(other)


def test_a_ratio_is_not_cut_at_the_usual_28_digits() -> None:
    assert str(exact_ratio(Decimal(1), Decimal(3))).count("3") == 60
