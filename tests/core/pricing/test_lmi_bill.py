"""The bill of managed instances against AWS's example, and against what no bill may do."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from paddock.core.pricing.lmi_bill import ManagedInstancesUsage, Surroundings, managed_instances_bill

MONEY = st.decimals(min_value=0, max_value=100, places=5)
HOURS = st.decimals(min_value=0, max_value=10**7, places=3)
COUNTS = st.integers(min_value=0, max_value=10**12).map(Decimal)
DISCOUNTS = st.decimals(min_value=0, max_value=1, places=3)


def test_the_example_of_awss_price_page() -> None:
    """100 M requests, 2,000 hours of m7g.xlarge, 72 % off by a three-year Savings Plan.

    AWS prints $160.36 because it rounds the discounted hour to $0.0457 first; without that rounding it is $160.352.
    """
    bill = managed_instances_bill(
        ManagedInstancesUsage(Decimal("0.1632"), Decimal(2000), Decimal("0.72"), Decimal(100_000_000))
    )

    assert {item.name: item.usd for item in bill.items} == {
        "EC2 instances": Decimal("91.392"),
        "Management fee": Decimal("48.96"),
        "Requests": Decimal("20.00"),
    }
    assert bill.total_usd == Decimal("160.35")


def test_three_instances_for_a_month() -> None:
    """3 × m7g.xlarge × 730 h at $0.18768 all in."""
    bill = managed_instances_bill(ManagedInstancesUsage(Decimal("0.1632"), Decimal(3 * 730)))

    assert bill.total_usd == Decimal("411.02")


def test_the_way_out_of_the_vpc_is_itemised_where_it_is_used() -> None:
    endpoints = Surroundings(interface_endpoint_hours=Decimal(4 * 3 * 730))

    bill = managed_instances_bill(ManagedInstancesUsage(Decimal("0.1632"), Decimal(2190), surroundings=endpoints))

    assert [item.name for item in bill.items] == ["EC2 instances", "Management fee", "Interface endpoints"]
    assert bill.total_usd == Decimal("411.02") + Decimal("87.60")


@given(MONEY, HOURS, DISCOUNTS, COUNTS)
def test_the_fee_is_never_discounted(hourly: Decimal, hours: Decimal, discount: Decimal, requests: Decimal) -> None:
    plain = managed_instances_bill(ManagedInstancesUsage(hourly, hours, requests=requests))
    discounted = managed_instances_bill(ManagedInstancesUsage(hourly, hours, discount, requests))

    assert plain.exact_usd - discounted.exact_usd == hourly * hours * discount
    assert discounted.exact_usd >= hourly * hours * Decimal("0.15")


@given(MONEY, HOURS, HOURS, DISCOUNTS, COUNTS, COUNTS)
def test_more_of_anything_never_costs_less(
    hourly: Decimal, hours: Decimal, more_hours: Decimal, discount: Decimal, requests: Decimal, more: Decimal
) -> None:
    small = managed_instances_bill(ManagedInstancesUsage(hourly, hours, discount, requests))
    large = managed_instances_bill(ManagedInstancesUsage(hourly, hours + more_hours, discount, requests + more))

    assert small.exact_usd <= large.exact_usd
