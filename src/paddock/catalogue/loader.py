"""Reads the shipped tables, and a user's refreshed prices over them, into a `Catalogue`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from paddock.catalogue.tables import (
    Catalogue,
    CatalogueError,
    LambdaPrices,
    NetworkPrices,
    Offering,
    UnitPrice,
    confidence_of,
)
from paddock.core.pricing.commitments import CommitmentOffer, CommitmentPlan, DiscountRange, PaymentOption
from paddock.core.pricing.rates import LambdaRates, NetworkRates, Tier, Tiers
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import Region
from paddock.model.instance_types import InstanceType
from paddock.model.prices import Confidence, Price, Source

CATALOGUE_DATA = Path(__file__).parent / "data"
CHECKED_REGION = Region("us-east-1")
"""Here every repaired price was compared with AWS's list of July 2026."""


def load(refreshed: Path | None = None) -> Catalogue:
    """Prices of `refreshed`, the file `paddock prices refresh` writes, win. CatalogueError when it is damaged."""
    shipped = _shipped()
    if refreshed is None or not refreshed.exists():
        return shipped
    try:
        return _overlay(shipped, json.loads(refreshed.read_text(encoding="utf-8"), parse_float=Decimal))
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise CatalogueError(f"{refreshed}: not a file that `paddock prices refresh` wrote ({error})") from error


@cache
def _shipped() -> Catalogue:
    specifications = _read("specifications.json")
    offerings = _read("offerings.json")
    lambda_table = _read("lambda.json")
    commitments = _read("commitments.json")
    regions = [Region(region) for region in offerings["regions"]]
    return Catalogue(
        types=_types(specifications["families"]),
        offerings={region: _region_offerings(offerings["regions"][region]) for region in regions},
        unit_prices=_unit_prices(_read("on_demand.json"), _read("cited.json")),
        exact_prices={},
        lambda_prices={region: _lambda_prices(lambda_table, region) for region in regions},
        network_prices=_network_prices(_read("extras.json")),
        commitments=_commitments(commitments),
        lambda_discount=_discount(commitments["lambda_under_compute_savings_plan"], commitments["sources"]),
        specifications_source=_source(specifications["source"], Confidence.HIGH),
    )


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CATALOGUE_DATA / name).read_text(encoding="utf-8"), parse_float=Decimal)
    return document


def _source(row: Mapping[str, Any], confidence: Confidence | None = None) -> Source:
    return Source(
        title=str(row["title"]),
        as_of=date.fromisoformat(row["as_of"]),
        confidence=confidence or Confidence(row["confidence"]),
    )


def _types(families: Mapping[str, Any]) -> dict[str, InstanceType]:
    types = {}
    for family, shared in families.items():
        for size, (vcpu, memory_gib, baseline_gbps, peak_gbps) in shared["sizes"].items():
            name = f"{family}.{size}"
            types[name] = InstanceType(
                name=name,
                vcpu=vcpu,
                memory_gib=float(memory_gib),
                architecture=Architecture(shared["architecture"]),
                cores=max(1, vcpu // shared["threads_per_core"]),
                manufacturer=shared["manufacturer"],
                network_baseline_gbps=float(baseline_gbps),
                network_peak_gbps=float(peak_gbps),
            )
    return types


def _region_offerings(families: Mapping[str, Any]) -> dict[str, Offering]:
    return {
        family: Offering(offer, {}) if isinstance(offer, str) else Offering(offer[0], offer[1])
        for family, offer in families.items()
    }


def _unit_prices(repaired: Mapping[str, Any], cited: Mapping[str, Any]) -> dict[Region, dict[str, UnitPrice]]:
    prices: dict[Region, dict[str, UnitPrice]] = {}
    for region, families in repaired["regions"].items():
        checked = region == CHECKED_REGION
        prices[Region(region)] = {
            family: UnitPrice(Decimal(usd), _source(repaired["source"], confidence_of(agreeing, checked=checked)))
            for family, (usd, agreeing) in families.items()
        }
    for region, families in cited["regions"].items():
        entered = {
            family: UnitPrice(Decimal(usd), _source(cited["source"], Confidence.HIGH))
            for family, usd in families.items()
        }
        prices.setdefault(Region(region), {}).update(entered)
    return prices


def _lambda_prices(table: Mapping[str, Any], region: Region) -> LambdaPrices:
    """Where only the first tier is known, it is the price of all: nobody with traffic for the others trusts a hint."""
    shared = LambdaRates(
        requests_usd_per_million=Decimal(table["requests_usd_per_million"]),
        free_requests=Decimal(table["free_requests"]),
        free_gb_seconds=Decimal(table["free_gb_seconds"]),
    )
    home = table[CHECKED_REGION]
    full = replace(
        shared,
        duration={Architecture(name): _tiers(rows) for name, rows in home["duration"].items()},
        provisioned_usd_per_gb_second=_by_architecture(home["provisioned"]),
        provisioned_duration_usd_per_gb_second=_by_architecture(home["provisioned_duration"]),
        ephemeral_storage_usd_per_gb_second=Decimal(home["ephemeral_storage"]),
        snapstart_cache_usd_per_gb_second=Decimal(home["snapstart_cache"]),
        snapstart_restore_usd_per_gb=Decimal(home["snapstart_restore"]),
        streaming_usd_per_gb=Decimal(home["streaming_per_gb"]),
        durable_operations_usd_per_million=Decimal(home["durable_operations_per_million"]),
        durable_written_usd_per_gb=Decimal(home["durable_written_per_gb"]),
        durable_retained_usd_per_gb_month=Decimal(home["durable_retained_per_gb_month"]),
        tenant_environment_usd_per_gb=_by_architecture(home["tenant_environment_per_gb"]),
    )
    if region == CHECKED_REGION:
        return LambdaPrices(full, _source(table["sources"]["page"]))
    return _hinted(table, region, full)


def _hinted(table: Mapping[str, Any], region: Region, full: LambdaRates) -> LambdaPrices:
    storage = table["ephemeral_storage_exceptions"].get(region)
    only_known = replace(
        full,
        provisioned_usd_per_gb_second=None,
        provisioned_duration_usd_per_gb_second=None,
        ephemeral_storage_usd_per_gb_second=None if storage is None else Decimal(storage),
        snapstart_cache_usd_per_gb_second=None,
        snapstart_restore_usd_per_gb=None,
        streaming_usd_per_gb=None,
        durable_operations_usd_per_million=None,
        durable_written_usd_per_gb=None,
        durable_retained_usd_per_gb_month=None,
        tenant_environment_usd_per_gb=None,
    )
    first_tier = table["first_tier_exceptions_x86_64"].get(region)
    if first_tier is None:
        return LambdaPrices(only_known, _source(table["sources"]["uniform"]))
    arm64_share = Decimal("0.8")  # arm64 costs four fifths of x86_64 in us-east-1
    duration = {
        Architecture.X86_64: (Tier(None, Decimal(first_tier)),),
        Architecture.ARM64: (Tier(None, Decimal(first_tier) * arm64_share),),
    }
    return LambdaPrices(replace(only_known, duration=duration), _source(table["sources"]["exception"]))


def _tiers(rows: Iterable[tuple[str | None, str]]) -> Tiers:
    return tuple(Tier(None if size is None else Decimal(size), Decimal(usd)) for size, usd in rows)


def _by_architecture(row: Mapping[str, str]) -> dict[Architecture, Decimal]:
    return {Architecture(name): Decimal(usd) for name, usd in row.items()}


def _network_prices(table: Mapping[str, Any]) -> dict[Region, NetworkPrices]:
    row = {name: Decimal(usd) for name, usd in table[CHECKED_REGION].items()}
    rates = NetworkRates(
        nat_gateway_usd_per_hour=row["nat_gateway_hour"],
        nat_gateway_usd_per_gb=row["nat_gateway_gb"],
        interface_endpoint_usd_per_hour=row["interface_endpoint_hour"],
        interface_endpoint_usd_per_gb=row["interface_endpoint_gb"],
        gp3_usd_per_gib_month=row["gp3_gib_month"],
        logs_usd_per_gb=row["logs_gb"],
    )
    return {CHECKED_REGION: NetworkPrices(rates, _source(table["source"]))}


def _discount(row: Mapping[str, str], sources: Mapping[str, Any]) -> DiscountRange:
    return DiscountRange(Decimal(row["low"]), Decimal(row["high"]), _source(sources[row["source"]]))


def _commitments(table: Mapping[str, Any]) -> tuple[CommitmentOffer, ...]:
    return tuple(
        CommitmentOffer(
            plan=CommitmentPlan(row["plan"]),
            years=row["years"],
            payment=PaymentOption(row["payment"]),
            discount=_discount(row, table["sources"]),
        )
        for row in table["plans"]
    )


def _overlay(shipped: Catalogue, document: Mapping[str, Any]) -> Catalogue:
    exact = {}
    for region, kept in document["regions"].items():
        source = _source(kept["source"])
        prices = {name: Price(Decimal(usd), "instance-hour", source) for name, usd in kept["prices"].items()}
        exact[Region(region)] = prices
    return replace(shipped, exact_prices=exact)
