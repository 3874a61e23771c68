"""The same traffic on managed instances and on default Lambda, priced side by side, for a report of a run."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from paddock.catalogue import Catalogue
from paddock.core.pricing.bill import Bill, exact_product, exact_ratio
from paddock.core.pricing.lambda_bill import LambdaUsage, gb_seconds, lambda_bill
from paddock.core.pricing.lmi_bill import ManagedInstancesUsage, managed_instances_bill
from paddock.core.pricing.rates import HOURS_PER_MONTH
from paddock.model.ids import Region
from paddock.model.instance_types import InstanceType
from paddock.model.prices import Source, Unknown


@dataclass(frozen=True, slots=True)
class MeasuredTraffic:
    """What was seen. `memory_mb` is what default Lambda would be given, which need not be LMI's 2 GB minimum."""

    requests_per_second: float
    average_duration_ms: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class CostComparison:
    """Two bills for the same hours; where a price is not known the bill is `Unknown`, never zero."""

    hours: Decimal
    managed_instances: Bill | Unknown
    default_lambda: Bill | Unknown
    sources: tuple[Source, ...]


def compare_costs(
    catalogue: Catalogue,
    region: Region,
    instance_type: InstanceType,
    instance_count: int,
    traffic: MeasuredTraffic,
    *,
    hours: Decimal = HOURS_PER_MONTH,
) -> CostComparison:
    """What `hours` of this traffic cost On-Demand (default: a month); no free tier, commitment or way out of a VPC."""
    rate = Decimal(str(traffic.requests_per_second))
    requests = exact_product(rate, hours, Decimal(3600))
    sources: list[Source] = []

    hourly = catalogue.on_demand(region, instance_type.name)
    managed: Bill | Unknown
    if isinstance(hourly, Unknown):
        managed = hourly
    else:
        sources.append(hourly.source)
        usage = ManagedInstancesUsage(hourly.usd, exact_product(Decimal(instance_count), hours), requests=requests)
        managed = managed_instances_bill(usage)

    rates = catalogue.lambda_rates(region)
    default: Bill | Unknown
    if isinstance(rates, Unknown):
        default = rates
    else:
        sources.append(rates.source)
        amount = gb_seconds(requests, Decimal(str(traffic.average_duration_ms)), Decimal(traffic.memory_mb))
        default = lambda_bill(LambdaUsage(requests, amount, instance_type.architecture), rates.rates)
    return CostComparison(hours, managed, default, tuple(sources))


def break_even_requests_per_second(comparison: CostComparison, traffic: MeasuredTraffic) -> Decimal | None:
    """The rate at which both cost the same on these instances (requests have one price for both); None if unknown."""
    if isinstance(comparison.managed_instances, Unknown) or isinstance(comparison.default_lambda, Unknown):
        return None
    fixed = sum((item.usd for item in comparison.managed_instances.items if item.name != "Requests"), Decimal(0))
    duration = sum((item.usd for item in comparison.default_lambda.items if item.name != "Requests"), Decimal(0))
    if duration == 0:
        return None
    return exact_product(Decimal(str(traffic.requests_per_second)), exact_ratio(fixed, duration))
