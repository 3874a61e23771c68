"""Default Lambda's bill against examples that AWS and others publish, and against what no bill may do."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.pricing.bill import to_cents
from paddock.core.pricing.lambda_bill import (
    Extras,
    LambdaUsage,
    MissingRateError,
    ProvisionedConcurrency,
    ephemeral_storage_gb_seconds,
    gb_seconds,
    lambda_bill,
)
from paddock.core.pricing.rates import LambdaRates
from paddock.model.capacity_provider import Architecture

X86 = Architecture.X86_64
ARM = Architecture.ARM64
NOTHING = Decimal(0)


def usage(
    requests: int, duration_ms: int, memory_mb: int, architecture: Architecture = X86, *, free_tier: bool = False
) -> LambdaUsage:
    amount = gb_seconds(Decimal(requests), Decimal(duration_ms), Decimal(memory_mb))
    return LambdaUsage(Decimal(requests), amount, architecture, free_tier=free_tier)


@pytest.mark.parametrize(
    ("case", "total"),
    [
        # aws.amazon.com/lambda/pricing, "mobile application backend": 1,536 MB, 3 M requests of 120 ms, free tier.
        (usage(3_000_000, 120, 1536, free_tier=True), "2.73"),
        (usage(3_000_000, 120, 1536, ARM, free_tier=True), "2.27"),
        # aws.amazon.com/lambda/pricing until 2020, example 1, at today's ten digits (the page rounded them).
        (usage(3_000_000, 1000, 512, free_tier=True), "18.73"),
        # infracost, lambda_function_test.golden: 100,000 requests of 350 ms; no free tier.
        (usage(100_000, 350, 128), "0.09"),
        (usage(100_000, 350, 128, ARM), "0.08"),
        (usage(100_000, 350, 512), "0.31"),
        (usage(100_000, 350, 512, ARM), "0.25"),
        # The same golden file, over the tiers of both architectures.
        (usage(6_000_000_000, 1024, 512), "52400.10"),
        (usage(9_000_000_000, 1024, 1024), "150040.20"),
        # Its tiers of 30 billion GB-seconds and its requests (the file itself charges only a part of the third tier).
        (LambdaUsage(Decimal(15_000_000_000), Decimal(30_000_000_000)), "438001.20"),
    ],
)
def test_a_published_example_is_met_to_the_cent(case: LambdaUsage, total: str) -> None:
    assert lambda_bill(case).total_usd == Decimal(total)


@pytest.mark.parametrize(
    ("architecture", "amount", "tiers"),
    [
        # infracost's golden output for 30 and 37.5 billion GB-seconds.
        (X86, 30_000_000_000, ["100000.20", "135000.00", "200001.00"]),
        (ARM, 37_500_000_000, ["100000.50", "135001.13", "200000.63"]),
        (X86, 9_216_000_000, ["100000.20", "48240.00"]),
        (ARM, 11_520_000_000, ["100000.50", "48240.40"]),
    ],
)
def test_each_tier_is_an_item_of_its_own(architecture: Architecture, amount: int, tiers: list[str]) -> None:
    bill = lambda_bill(LambdaUsage(NOTHING, Decimal(amount), architecture))

    assert [to_cents(item.usd) for item in bill.items] == [Decimal(usd) for usd in tiers]


def test_provisioned_concurrency_is_paid_for_being_held_and_again_for_running() -> None:
    """aws.amazon.com/lambda/pricing: 1,024 MB, concurrency 1,000 for 2 hours, 1.2 M executions of one second."""
    provisioned = ProvisionedConcurrency(Decimal(1000 * 2 * 3600), Decimal(1_200_000))

    bill = lambda_bill(LambdaUsage(Decimal(1_200_000), NOTHING, provisioned=provisioned, free_tier=True))

    assert [to_cents(item.usd) for item in bill.items] == [Decimal(usd) for usd in ("0.24", "30.00", "11.67")]
    assert bill.total_usd == Decimal("41.91")


def test_only_storage_above_512_mb_is_paid_for() -> None:
    """aws.amazon.com/lambda/pricing: 8 GB of ephemeral storage is paid for 7.5 GB."""
    assert ephemeral_storage_gb_seconds(Decimal(10), Decimal(1000), Decimal(512)) == 0
    assert ephemeral_storage_gb_seconds(Decimal(10), Decimal(1000), Decimal(8192)) == Decimal(75)


def test_extras_are_items_and_the_first_100_gb_of_streaming_are_free() -> None:
    extras = Extras(
        streamed_gb=Decimal(150), durable_operations=Decimal(3_000_000), durable_retained_gb_months=Decimal(2)
    )

    bill = lambda_bill(LambdaUsage(NOTHING, NOTHING, extras=extras))

    assert {item.name: item.usd for item in bill.items} == {
        "Response streaming": Decimal("0.400"),
        "Durable operations": Decimal("24.00"),
        "Durable data retained": Decimal("0.30"),
    }


def test_environments_of_tenants_are_paid_by_their_memory_when_they_start() -> None:
    extras = Extras(tenant_environments_gb=Decimal(1500))

    [item] = lambda_bill(LambdaUsage(NOTHING, NOTHING, extras=extras)).items
    assert (item.name, item.usd) == ("Environments of tenants", Decimal("0.2505"))
    with pytest.raises(MissingRateError, match="environments of tenants"):
        lambda_bill(LambdaUsage(NOTHING, NOTHING, Architecture.ARM64, extras=extras))


def test_what_has_no_known_price_is_refused_by_name_and_never_free() -> None:
    rates = LambdaRates(ephemeral_storage_usd_per_gb_second=None)

    with pytest.raises(MissingRateError, match="ephemeral storage"):
        lambda_bill(LambdaUsage(NOTHING, NOTHING, ephemeral_storage_gb_seconds=Decimal(1)), rates)


def test_the_free_tier_covers_small_use_entirely() -> None:
    assert lambda_bill(usage(1_000_000, 100, 1024, free_tier=True)).items == ()


COUNTS = st.integers(min_value=0, max_value=10**11)
DURATIONS = st.integers(min_value=1, max_value=900_000)
MEMORIES = st.integers(min_value=128, max_value=10_240)
DISCOUNTS = st.decimals(min_value=0, max_value=1, places=3)
ARCHITECTURES = st.sampled_from(Architecture)


@given(COUNTS, COUNTS, DURATIONS, MEMORIES, ARCHITECTURES, st.booleans())
def test_more_traffic_never_costs_less(
    few: int, more: int, duration_ms: int, memory_mb: int, architecture: Architecture, free_tier: bool
) -> None:
    small = lambda_bill(usage(few, duration_ms, memory_mb, architecture, free_tier=free_tier))
    large = lambda_bill(usage(few + more, duration_ms, memory_mb, architecture, free_tier=free_tier))

    assert small.exact_usd <= large.exact_usd


@given(COUNTS, DURATIONS, MEMORIES, ARCHITECTURES, DISCOUNTS)
def test_a_discount_never_raises_the_bill_and_never_touches_requests(
    requests: int, duration_ms: int, memory_mb: int, architecture: Architecture, discount: Decimal
) -> None:
    plain = usage(requests, duration_ms, memory_mb, architecture)
    discounted = LambdaUsage(plain.requests, plain.gb_seconds, architecture, duration_discount=discount)

    assert lambda_bill(discounted).exact_usd <= lambda_bill(plain).exact_usd
    assert lambda_bill(discounted).exact_usd >= Decimal(requests) * Decimal("0.0000002")


@given(COUNTS, DURATIONS, MEMORIES, ARCHITECTURES)
def test_the_free_tier_saves_at_most_what_it_is_worth(
    requests: int, duration_ms: int, memory_mb: int, architecture: Architecture
) -> None:
    without = lambda_bill(usage(requests, duration_ms, memory_mb, architecture)).exact_usd
    with_it = lambda_bill(usage(requests, duration_ms, memory_mb, architecture, free_tier=True)).exact_usd

    assert 0 <= without - with_it <= Decimal("0.20") + 400_000 * Decimal("0.0000166667")
