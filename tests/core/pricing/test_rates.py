"""AWS's published figures stand here once; what is built on them is tested elsewhere."""

from decimal import Decimal

from paddock.core.pricing.rates import HOURS_PER_MONTH, LambdaRates, NetworkRates
from paddock.model.capacity_provider import Architecture


def test_a_month_is_365_days_in_twelve_parts() -> None:
    assert Decimal(365 * 24) / 12 == HOURS_PER_MONTH


def test_tiers_get_cheaper_and_the_last_one_has_no_end() -> None:
    for tiers in LambdaRates().duration.values():
        prices = [tier.usd_per_gb_second for tier in tiers]
        assert prices == sorted(prices, reverse=True)
        assert [tier.gb_seconds is None for tier in tiers] == [False, False, True]


def test_arm64_duration_costs_four_fifths_and_its_tiers_are_wider() -> None:
    x86, arm = (LambdaRates().duration[architecture] for architecture in (Architecture.X86_64, Architecture.ARM64))

    assert round(arm[0].usd_per_gb_second / x86[0].usd_per_gb_second, 4) == Decimal("0.8000")
    assert [tier.gb_seconds for tier in x86[:2]] == [6_000_000_000, 9_000_000_000]
    assert [tier.gb_seconds for tier in arm[:2]] == [7_500_000_000, 11_250_000_000]


def test_nothing_of_a_network_is_free() -> None:
    rates = NetworkRates()

    assert min(rates.nat_gateway_usd_per_hour, rates.interface_endpoint_usd_per_hour, rates.logs_usd_per_gb) > 0
