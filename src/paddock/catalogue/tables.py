"""The catalogue as a value: ask it for types, prices and their provenance. It reads no file and knows no clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from paddock.core.pricing.commitments import CommitmentOffer, DiscountRange
from paddock.core.pricing.rates import LambdaRates, NetworkRates
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import AvailabilityZone, Region
from paddock.model.instance_types import InstanceType, parse_instance_type_name
from paddock.model.prices import Confidence, Price, Source, Unknown

STALE_AFTER_DAYS = 180
"""AWS moved no C/M/R list price in the 16 months between two tables we compared, but new families come every year."""

_SMALLEST_OF_SERIES: Mapping[str, tuple[str, ...]] = {
    "c": ("medium", "large"),
    "m": ("medium",),
    "r": ("medium",),
}
"""Sizes too small: Lambda takes C from `.xlarge`, M and R from `.large` (AWS's LMI guide for its agents, 2026-08)."""


class CatalogueError(Exception):
    """A table cannot be read; the text names file and place."""


@dataclass(frozen=True, slots=True)
class Offering:
    """Zone letters of a family in a region, and the sizes that differ from it (an empty string is: not offered)."""

    usual: str
    different: Mapping[str, str]

    def zones_of(self, size: str) -> str:
        return self.different.get(size, self.usual)


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """USD per vCPU-hour, the same for all sizes of a family but metal."""

    usd: Decimal
    source: Source


@dataclass(frozen=True, slots=True)
class LambdaPrices:
    rates: LambdaRates
    source: Source


@dataclass(frozen=True, slots=True)
class NetworkPrices:
    rates: NetworkRates
    source: Source


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`types` are without region; `unit_prices` by region and family; `exact_prices` by region and type, which win."""

    types: Mapping[str, InstanceType]
    offerings: Mapping[Region, Mapping[str, Offering]]
    unit_prices: Mapping[Region, Mapping[str, UnitPrice]]
    exact_prices: Mapping[Region, Mapping[str, Price]]
    lambda_prices: Mapping[Region, LambdaPrices]
    network_prices: Mapping[Region, NetworkPrices]
    commitments: tuple[CommitmentOffer, ...]
    lambda_discount: DiscountRange
    specifications_source: Source

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(sorted({*self.offerings, *self.unit_prices, *self.exact_prices}))

    def instance_type(self, region: Region, name: str) -> InstanceType | None:
        """The type as `region` has it, with its zones and price; None where it does not exist or is not offered."""
        known = self.types.get(name)
        offer = self.offerings.get(region, {}).get(name.partition(".")[0])
        letters = offer.zones_of(name.partition(".")[2]) if offer is not None else ""
        if known is None or not letters:
            return None
        price = self.on_demand(region, name)
        return replace(
            known,
            zones=tuple(AvailabilityZone(region + letter) for letter in letters),
            on_demand_usd_per_hour=price.usd if isinstance(price, Price) else None,
        )

    def instance_types(
        self,
        region: Region,
        *,
        architecture: Architecture | None = None,
        families: Collection[str] | None = None,
        all_types: bool = False,
    ) -> tuple[InstanceType, ...]:
        """Types offered in `region`, by default only those Lambda takes for managed instances; smallest first."""
        found = []
        for name, known in self.types.items():
            fits = architecture in (None, known.architecture) and (families is None or known.family in families)
            if fits and (all_types or taken_by_lambda(name)):
                offered = self.instance_type(region, name)
                if offered is not None:
                    found.append(offered)
        return tuple(sorted(found, key=lambda offered: (offered.vcpu, offered.memory_gib, offered.name)))

    def on_demand(self, region: Region, name: str) -> Price | Unknown:
        """Linux, shared tenancy, per hour."""
        exact = self.exact_prices.get(region, {}).get(name)
        if exact is not None:
            return exact
        what = f"On-Demand price of {name} in {region}"
        known = self.types.get(name)
        if known is None:
            return Unknown(what, "no such C, M or R type in the catalogue")
        unit = self.unit_prices.get(region, {}).get(known.family)
        if unit is None:
            return Unknown(what, "no table has it; run `paddock prices refresh`")
        return Price(unit.usd * known.vcpu, "instance-hour", unit.source)

    def lambda_rates(self, region: Region) -> LambdaPrices | Unknown:
        found = self.lambda_prices.get(region)
        return found or Unknown(f"default-Lambda prices in {region}", "no such region in the catalogue")

    def network_rates(self, region: Region) -> NetworkPrices | Unknown:
        found = self.network_prices.get(region)
        return found or Unknown(f"prices of NAT, endpoints, disks and logs in {region}", "only us-east-1 is shipped")


def taken_by_lambda(name: str) -> bool:
    """Does Lambda launch this type as a managed instance? AWS's list is on its price page; this is the published rule.

    Left out besides the small sizes: bare metal and flex types, which no source has seen in use.
    """
    parsed = parse_instance_type_name(name)
    if parsed is None or parsed.series not in _SMALLEST_OF_SERIES:
        return False
    too_small = parsed.size in _SMALLEST_OF_SERIES[parsed.series]
    return not (too_small or parsed.is_metal or parsed.attributes.endswith("flex"))


def confidence_of(agreeing_sizes: int, *, checked: bool) -> Confidence:
    """Of a repaired unit price: `checked` against a second table, or at least two sizes of the family agree."""
    if checked:
        return Confidence.HIGH
    return Confidence.MEDIUM if agreeing_sizes > 1 else Confidence.LOW
