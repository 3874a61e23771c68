"""The bill of default Lambda: requests, GB-seconds in tiers after the free tier, and what can be switched on besides.

Rules as AWS's price page words them: the free tier does not apply to functions with provisioned concurrency; a Compute
Savings Plan takes its discount off duration and provisioned concurrency, never off requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from paddock.core.pricing.bill import MILLION, Bill, BillItem, exact_product, exact_ratio, itemised
from paddock.core.pricing.rates import FREE_EPHEMERAL_STORAGE_MB, LambdaRates, Tiers
from paddock.model.capacity_provider import Architecture

_MS_PER_SECOND = Decimal(1000)
_MB_PER_GB = Decimal(1024)
FREE_STREAMED_GB = Decimal(100)


@dataclass(frozen=True, slots=True)
class ProvisionedConcurrency:
    """`gb_seconds` held ready, whether used or not; `duration_gb_seconds` of invocations that ran on it."""

    gb_seconds: Decimal
    duration_gb_seconds: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Extras:
    """SnapStart (not billed for Java), response streaming beyond 6 MB a request, durable functions, tenant isolation.

    `tenant_environments_gb` is the memory of all environments that were started for tenants, together.
    """

    snapstart_cache_gb_seconds: Decimal = Decimal(0)
    snapstart_restore_gb: Decimal = Decimal(0)
    streamed_gb: Decimal = Decimal(0)
    durable_operations: Decimal = Decimal(0)
    durable_written_gb: Decimal = Decimal(0)
    durable_retained_gb_months: Decimal = Decimal(0)
    tenant_environments_gb: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class LambdaUsage:
    """A month of one architecture in one region. `duration_discount` is a fraction, 0 to 1."""

    requests: Decimal
    gb_seconds: Decimal
    architecture: Architecture = Architecture.X86_64
    free_tier: bool = False
    ephemeral_storage_gb_seconds: Decimal = Decimal(0)
    provisioned: ProvisionedConcurrency | None = None
    extras: Extras = Extras()
    duration_discount: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        assert 0 <= self.duration_discount <= 1
        assert min(self.requests, self.gb_seconds, self.ephemeral_storage_gb_seconds) >= 0


class MissingRateError(Exception):
    """Something is used whose price in this region nobody has told us."""


def gb_seconds(requests: Decimal, duration_ms: Decimal, memory_mb: Decimal) -> Decimal:
    """`duration_ms` is the billed duration: AWS rounds each invocation up to the next millisecond."""
    return exact_product(requests, exact_ratio(duration_ms, _MS_PER_SECOND), exact_ratio(memory_mb, _MB_PER_GB))


def ephemeral_storage_gb_seconds(requests: Decimal, duration_ms: Decimal, ephemeral_storage_mb: Decimal) -> Decimal:
    """Only what lies above the 512 MB that every function has."""
    billed_mb = max(Decimal(0), ephemeral_storage_mb - FREE_EPHEMERAL_STORAGE_MB)
    return gb_seconds(requests, duration_ms, billed_mb)


def lambda_bill(usage: LambdaUsage, rates: LambdaRates | None = None) -> Bill:
    """Raises MissingRateError when something is used that has no price in `rates`."""
    rates = rates or LambdaRates()
    free = usage.free_tier and usage.provisioned is None
    requests = max(Decimal(0), usage.requests - (rates.free_requests if free else 0))
    duration = max(Decimal(0), usage.gb_seconds - (rates.free_gb_seconds if free else 0))
    paid = 1 - usage.duration_discount
    return itemised(
        BillItem("Requests", exact_ratio(requests, MILLION), "million requests", rates.requests_usd_per_million),
        *_tiered(duration, rates.duration[usage.architecture], paid),
        _priced(
            "Ephemeral storage",
            usage.ephemeral_storage_gb_seconds,
            "GB-second",
            rates.ephemeral_storage_usd_per_gb_second,
        ),
        *_provisioned(usage, rates, paid),
        *_extras(usage.extras, rates),
        _tenants(usage, rates),
    )


def _tiered(total: Decimal, tiers: Tiers, paid: Decimal) -> Iterator[BillItem]:
    left = total
    for number, tier in enumerate(tiers, start=1):
        here = left if tier.gb_seconds is None else min(left, tier.gb_seconds)
        name = "Duration" if number == 1 else f"Duration, tier {number}"
        yield BillItem(name, here, "GB-second", exact_product(tier.usd_per_gb_second, paid))
        left -= here


def _provisioned(usage: LambdaUsage, rates: LambdaRates, paid: Decimal) -> Iterator[BillItem | None]:
    if usage.provisioned is None:
        return
    held = rates.provisioned_usd_per_gb_second
    used = rates.provisioned_duration_usd_per_gb_second
    for name, quantity, table in (
        ("Provisioned concurrency", usage.provisioned.gb_seconds, held),
        ("Duration on provisioned concurrency", usage.provisioned.duration_gb_seconds, used),
    ):
        usd = None if table is None else exact_product(table[usage.architecture], paid)
        yield _priced(name, quantity, "GB-second", usd)


def _extras(extras: Extras, rates: LambdaRates) -> Iterator[BillItem | None]:
    streamed = max(Decimal(0), extras.streamed_gb - FREE_STREAMED_GB)
    operations = exact_ratio(extras.durable_operations, MILLION)
    yield _priced(
        "SnapStart cache", extras.snapstart_cache_gb_seconds, "GB-second", rates.snapstart_cache_usd_per_gb_second
    )
    yield _priced("SnapStart restore", extras.snapstart_restore_gb, "GB", rates.snapstart_restore_usd_per_gb)
    yield _priced("Response streaming", streamed, "GB", rates.streaming_usd_per_gb)
    yield _priced("Durable operations", operations, "million operations", rates.durable_operations_usd_per_million)
    yield _priced("Durable data written", extras.durable_written_gb, "GB", rates.durable_written_usd_per_gb)
    yield _priced(
        "Durable data retained",
        extras.durable_retained_gb_months,
        "GB-month",
        rates.durable_retained_usd_per_gb_month,
    )


def _tenants(usage: LambdaUsage, rates: LambdaRates) -> BillItem | None:
    """For each new environment, by its memory; held for nothing."""
    table = rates.tenant_environment_usd_per_gb or {}
    usd = table.get(usage.architecture)
    return _priced("Environments of tenants", usage.extras.tenant_environments_gb, "GB", usd)


def _priced(name: str, quantity: Decimal, unit: str, usd: Decimal | None) -> BillItem | None:
    if quantity == 0:
        return None
    if usd is None:
        raise MissingRateError(f"the price of {name.lower()} is not known here; refresh the prices or give it")
    return BillItem(name, quantity, unit, usd)
