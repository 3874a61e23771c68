"""The formulas of AWS's public LMI calculator, so that one can see where and why we differ.

Source: aws-samples/sample-aws-lambda-managed-instances, tools/pricing-calculator, docs/CALCULATOR_METHODOLOGY.md (March
2026). It takes the concurrency as an input and does not ask whether rate × duration gives it; it has a fixed buffer of
half as much again, flat discounts, nine types, US East (N. Virginia), and a price per 128 MB-millisecond of two digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import TypeVar

from paddock.advisor.documents import InputError
from paddock.core.pricing.bill import Bill, BillItem, exact_product, exact_ratio, itemised
from paddock.core.pricing.lmi_bill import ManagedInstancesUsage, managed_instances_bill
from paddock.core.pricing.rates import HOURS_PER_MONTH, REQUESTS_USD_PER_MILLION
from paddock.model.capacity_provider import Architecture

SCALING_BUFFER = Decimal("1.5")
MIN_FUNCTION_MEMORY_MB = 2048
SYSTEM_VCPU = 1
SYSTEM_MEMORY_MB = 1024
MAX_INSTANCES = 5000
RUNTIME_CONCURRENCY_PER_VCPU: Mapping[str, int] = {"nodejs": 64, "java": 32, "dotnet": 32, "python": 16}
CPU_SHARE: Mapping[str, Decimal] = {
    "io-heavy": Decimal("0.125"),
    "balanced": Decimal("0.25"),
    "cpu-heavy": Decimal("0.5"),
}
MIN_INSTANCES: Mapping[str, int] = {"3az": 3, "5az": 5, "none": 1}
INSTANCE_TYPES: Mapping[str, tuple[int, int, str]] = {
    "c7g.xlarge": (4, 8, "0.1450"),
    "c7g.2xlarge": (8, 16, "0.2900"),
    "c7g.4xlarge": (16, 32, "0.5800"),
    "m7g.xlarge": (4, 16, "0.1632"),
    "m7g.2xlarge": (8, 32, "0.3264"),
    "m7g.4xlarge": (16, 64, "0.6528"),
    "r7g.xlarge": (4, 32, "0.2140"),
    "r7g.2xlarge": (8, 64, "0.4280"),
    "r7g.4xlarge": (16, 128, "0.8570"),
}
USD_PER_128_MB_MS: Mapping[Architecture, Decimal] = {
    Architecture.X86_64: Decimal("2.1E-9"),
    Architecture.ARM64: Decimal("1.7E-9"),
}


Choice = TypeVar("Choice")


class SavingsPlan(StrEnum):
    NONE = "none"
    COMPUTE_1_YEAR = "compute_sp_1yr"
    COMPUTE_3_YEARS = "compute_sp_3yr"
    EC2_INSTANCE_1_YEAR = "ec2_instance_sp"
    RESERVED_3_YEARS = "reserved_3yr"


DISCOUNTS: Mapping[SavingsPlan, tuple[Decimal, Decimal]] = {
    SavingsPlan.NONE: (Decimal(0), Decimal(0)),
    SavingsPlan.COMPUTE_1_YEAR: (Decimal("0.32"), Decimal("0.12")),
    SavingsPlan.COMPUTE_3_YEARS: (Decimal("0.65"), Decimal("0.12")),
    SavingsPlan.EC2_INSTANCE_1_YEAR: (Decimal("0.32"), Decimal(0)),
    SavingsPlan.RESERVED_3_YEARS: (Decimal("0.65"), Decimal(0)),
}
"""Of the EC2 price and of default Lambda's duration."""


@dataclass(frozen=True, slots=True)
class CalculatorInput:
    """The calculator's own fields; its defaults are its form's."""

    target_concurrency: Decimal
    memory_mb_per_execution: Decimal
    requests_per_month: Decimal
    duration_seconds: Decimal
    runtime: str = "python"
    instance_type: str = "c7g.xlarge"
    architecture: Architecture = Architecture.ARM64
    savings_plan: SavingsPlan = SavingsPlan.NONE
    workload_type: str = "balanced"
    zones: str = "3az"
    memory_gib_per_vcpu: int = 2


@dataclass(frozen=True, slots=True)
class CalculatorAnswer:
    concurrency_per_vcpu: int
    function_memory_mb: int
    vcpu_per_environment: int
    concurrency_per_environment: int
    environments: int
    environments_per_instance: int
    base_instances: int
    instances: int
    managed_instances: Bill
    default_lambda: Bill
    mean_concurrency: Decimal
    """What rate × duration gives, which the calculator does not compare with the concurrency it is given."""


def calculate(given: CalculatorInput) -> CalculatorAnswer:
    """Raises InputError where the calculator would fail, and for choices it does not have."""
    vcpu, memory_gb, hourly = _looked_up("instance type", INSTANCE_TYPES, given.instance_type)
    runtime_limit = _looked_up("runtime", RUNTIME_CONCURRENCY_PER_VCPU, given.runtime)
    share = _looked_up("workload type", CPU_SHARE, given.workload_type)
    least_instances = _looked_up("zone setting", MIN_INSTANCES, given.zones)
    _must_be_positive(given)

    memory_per_vcpu = Decimal(given.memory_gib_per_vcpu * 1024)
    concurrency_per_vcpu = max(1, min(runtime_limit, int(memory_per_vcpu // given.memory_mb_per_execution)))
    memory_mb = max(MIN_FUNCTION_MEMORY_MB, _ceiling(given.memory_mb_per_execution * concurrency_per_vcpu))
    vcpu_per_environment = _ceiling(memory_mb / memory_per_vcpu)
    sustainable = min(int(1 / share), runtime_limit) * vcpu_per_environment
    environments = _ceiling(given.target_concurrency / sustainable)
    by_vcpu = (vcpu - SYSTEM_VCPU) // vcpu_per_environment
    by_memory = (memory_gb * 1024 - SYSTEM_MEMORY_MB) // memory_mb
    per_instance = max(1, min(by_vcpu, by_memory))
    base = max(least_instances, _ceiling(Decimal(environments) / per_instance))
    instances = max(least_instances, _ceiling(base * SCALING_BUFFER))
    if instances > MAX_INSTANCES:
        raise InputError(f"AWS's calculator stops at {MAX_INSTANCES} instances; this needs {instances}")

    ec2_discount, lambda_discount = DISCOUNTS[given.savings_plan]
    usage = ManagedInstancesUsage(
        on_demand_usd_per_hour=Decimal(hourly),
        instance_hours=instances * HOURS_PER_MONTH,
        discount=ec2_discount,
        requests=given.requests_per_month,
    )
    return CalculatorAnswer(
        concurrency_per_vcpu=concurrency_per_vcpu,
        function_memory_mb=memory_mb,
        vcpu_per_environment=vcpu_per_environment,
        concurrency_per_environment=sustainable,
        environments=environments,
        environments_per_instance=per_instance,
        base_instances=base,
        instances=instances,
        managed_instances=managed_instances_bill(usage),
        default_lambda=_default_lambda(given, lambda_discount),
        mean_concurrency=given.requests_per_month * given.duration_seconds / (HOURS_PER_MONTH * 3600),
    )


def _default_lambda(given: CalculatorInput, discount: Decimal) -> Bill:
    milliseconds = exact_product(given.requests_per_month, given.duration_seconds, Decimal(1000))
    blocks = exact_ratio(exact_product(milliseconds, given.memory_mb_per_execution), Decimal(128))
    return itemised(
        BillItem("Duration", blocks, "128 MB-ms", exact_product(USD_PER_128_MB_MS[given.architecture], 1 - discount)),
        BillItem("Requests", given.requests_per_month / 1_000_000, "million requests", REQUESTS_USD_PER_MILLION),
    )


def _looked_up(what: str, table: Mapping[str, Choice], name: str) -> Choice:
    if name not in table:
        raise InputError(f"AWS's calculator has no {what} {name!r}: it has {', '.join(table)}")
    return table[name]


def _must_be_positive(given: CalculatorInput) -> None:
    for what, value in (
        ("concurrency", given.target_concurrency),
        ("memory per execution", given.memory_mb_per_execution),
        ("requests per month", given.requests_per_month),
        ("duration", given.duration_seconds),
    ):
        if value <= 0:
            raise InputError(f"the {what} must be above 0")


def _ceiling(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_CEILING))
