"""The bill of Lambda Managed Instances: instance hours, the fee on their undiscounted price, requests.

There is no duration charge. The discount is what a Savings Plan or Reserved Instances take off the instance hours; the
fee and the requests never have one (aws.amazon.com/lambda/pricing, Managed Instances).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from paddock.core.pricing.bill import MILLION, Bill, BillItem, exact_product, exact_ratio, itemised
from paddock.core.pricing.rates import MANAGEMENT_FEE_RATE, REQUESTS_USD_PER_MILLION, NetworkRates


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a fair comparison adds: the way out of the VPC, disks, logs.

    Whether AWS bills the instances' disks is not published.
    """

    nat_gateway_hours: Decimal = Decimal(0)
    nat_gateway_gb: Decimal = Decimal(0)
    interface_endpoint_hours: Decimal = Decimal(0)
    interface_endpoint_gb: Decimal = Decimal(0)
    ebs_gib_months: Decimal = Decimal(0)
    logs_gb: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class ManagedInstancesUsage:
    """One instance type's part of a period. `discount` is a fraction of the EC2 price, 0 to 1."""

    on_demand_usd_per_hour: Decimal
    instance_hours: Decimal
    discount: Decimal = Decimal(0)
    requests: Decimal = Decimal(0)
    surroundings: Surroundings = Surroundings()

    def __post_init__(self) -> None:
        assert 0 <= self.discount <= 1
        assert min(self.on_demand_usd_per_hour, self.instance_hours, self.requests) >= 0


def managed_instances_bill(
    usage: ManagedInstancesUsage,
    *,
    management_fee_rate: Decimal = MANAGEMENT_FEE_RATE,
    requests_usd_per_million: Decimal = REQUESTS_USD_PER_MILLION,
    network: NetworkRates | None = None,
) -> Bill:
    hourly = usage.on_demand_usd_per_hour
    return itemised(
        BillItem("EC2 instances", usage.instance_hours, "instance-hour", exact_product(hourly, 1 - usage.discount)),
        BillItem("Management fee", usage.instance_hours, "instance-hour", exact_product(hourly, management_fee_rate)),
        BillItem("Requests", exact_ratio(usage.requests, MILLION), "million requests", requests_usd_per_million),
        *_surroundings(usage.surroundings, network or NetworkRates()),
    )


def _surroundings(used: Surroundings, rates: NetworkRates) -> tuple[BillItem, ...]:
    return (
        BillItem("NAT gateways", used.nat_gateway_hours, "gateway-hour", rates.nat_gateway_usd_per_hour),
        BillItem("NAT gateway traffic", used.nat_gateway_gb, "GB", rates.nat_gateway_usd_per_gb),
        BillItem(
            "Interface endpoints", used.interface_endpoint_hours, "endpoint-hour", rates.interface_endpoint_usd_per_hour
        ),
        BillItem("Interface endpoint traffic", used.interface_endpoint_gb, "GB", rates.interface_endpoint_usd_per_gb),
        BillItem("EBS gp3", used.ebs_gib_months, "GiB-month", rates.gp3_usd_per_gib_month),
        BillItem("Logs", used.logs_gb, "GB", rates.logs_usd_per_gb),
    )
