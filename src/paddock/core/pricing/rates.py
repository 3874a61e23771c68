"""The unit prices a bill is made from. AWS's list prices of US East (N. Virginia) are the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from paddock.model.capacity_provider import Architecture

MANAGEMENT_FEE_RATE = Decimal("0.15")
"""Of each instance's On-Demand price, never discounted (aws.amazon.com/lambda/pricing, Managed Instances)."""

REQUESTS_USD_PER_MILLION = Decimal("0.20")
"""The same for both kinds of Lambda (aws.amazon.com/lambda/pricing)."""

FREE_REQUESTS = Decimal(1_000_000)
FREE_GB_SECONDS = Decimal(400_000)
"""Per month, for default Lambda without provisioned concurrency (aws.amazon.com/lambda/pricing)."""

FREE_EPHEMERAL_STORAGE_MB = 512
HOURS_PER_MONTH = Decimal(730)
"""AWS's convention on its pricing pages and in its calculators: 365 days × 24 ÷ 12."""


@dataclass(frozen=True, slots=True)
class Tier:
    """The price of the next `gb_seconds` of a month; None is the rest."""

    gb_seconds: Decimal | None
    usd_per_gb_second: Decimal


Tiers = tuple[Tier, ...]


def _tiers(*rows: tuple[int | None, str]) -> Tiers:
    return tuple(Tier(None if size is None else Decimal(size), Decimal(usd)) for size, usd in rows)


def _per_architecture(x86_64: str, arm64: str) -> Mapping[Architecture, Decimal]:
    return {Architecture.X86_64: Decimal(x86_64), Architecture.ARM64: Decimal(arm64)}


def _default_duration() -> Mapping[Architecture, Tiers]:
    return {
        Architecture.X86_64: _tiers(
            (6_000_000_000, "0.0000166667"), (9_000_000_000, "0.0000150000"), (None, "0.0000133334")
        ),
        Architecture.ARM64: _tiers(
            (7_500_000_000, "0.0000133334"), (11_250_000_000, "0.0000120001"), (None, "0.0000106667")
        ),
    }


@dataclass(frozen=True, slots=True)
class LambdaRates:
    """Default Lambda's prices in one region. Defaults: US East (N. Virginia), AWS's price page of 2026.

    Tiers count the month's GB-seconds per architecture, region and payer. None is a price nobody has told us.
    """

    duration: Mapping[Architecture, Tiers] = field(default_factory=_default_duration)
    requests_usd_per_million: Decimal = REQUESTS_USD_PER_MILLION
    free_requests: Decimal = FREE_REQUESTS
    free_gb_seconds: Decimal = FREE_GB_SECONDS
    provisioned_usd_per_gb_second: Mapping[Architecture, Decimal] | None = field(
        default_factory=lambda: _per_architecture("0.0000041667", "0.0000033334")
    )
    provisioned_duration_usd_per_gb_second: Mapping[Architecture, Decimal] | None = field(
        default_factory=lambda: _per_architecture("0.0000097222", "0.0000077778")
    )
    ephemeral_storage_usd_per_gb_second: Decimal | None = Decimal("0.0000000309")
    snapstart_cache_usd_per_gb_second: Decimal | None = Decimal("0.0000015046")
    snapstart_restore_usd_per_gb: Decimal | None = Decimal("0.0001397998")
    streaming_usd_per_gb: Decimal | None = Decimal("0.008")
    durable_operations_usd_per_million: Decimal | None = Decimal("8.00")
    durable_written_usd_per_gb: Decimal | None = Decimal("0.25")
    durable_retained_usd_per_gb_month: Decimal | None = Decimal("0.15")
    tenant_environment_usd_per_gb: Mapping[Architecture, Decimal] | None = field(
        default_factory=lambda: {Architecture.X86_64: Decimal("0.000167")}
    )


@dataclass(frozen=True, slots=True)
class NetworkRates:
    """What stands around managed instances in a VPC. Defaults: US East (N. Virginia), pages of VPC, EBS, CloudWatch."""

    nat_gateway_usd_per_hour: Decimal = Decimal("0.045")
    nat_gateway_usd_per_gb: Decimal = Decimal("0.045")
    interface_endpoint_usd_per_hour: Decimal = Decimal("0.01")
    interface_endpoint_usd_per_gb: Decimal = Decimal("0.01")
    gp3_usd_per_gib_month: Decimal = Decimal("0.08")
    logs_usd_per_gb: Decimal = Decimal("0.50")
