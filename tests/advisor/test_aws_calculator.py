"""The ten cases that AWS's calculator keeps for itself (tools/pricing-calculator/tests/test-cases.json, March 2026)."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paddock.advisor.aws_calculator import CalculatorInput, SavingsPlan, calculate
from paddock.advisor.documents import InputError

BASIC = CalculatorInput(
    target_concurrency=Decimal(100),
    memory_mb_per_execution=Decimal(512),
    requests_per_month=Decimal(1_000_000),
    duration_seconds=Decimal(60),
)
TEN_MILLION = replace(BASIC, requests_per_month=Decimal(10_000_000))


@pytest.mark.parametrize(
    ("given", "environments", "base", "instances", "managed_usd", "default_usd"),
    [
        (BASIC, 25, 9, 14, "1704.385", "408.2"),
        (replace(BASIC, workload_type="io-heavy"), 13, 5, 8, "974.02", "408.2"),
        (replace(BASIC, workload_type="cpu-heavy"), 50, 17, 26, "3165.115", "408.2"),
        (replace(TEN_MILLION, savings_plan=SavingsPlan.COMPUTE_1_YEAR), 25, 9, 14, "1231.977", "3592.4"),
        (replace(TEN_MILLION, savings_plan=SavingsPlan.COMPUTE_3_YEARS), 25, 9, 14, "742.95", "3592.4"),
        (replace(BASIC, target_concurrency=Decimal(50)), 13, 5, 8, "974.02", "408.2"),
        (replace(BASIC, target_concurrency=Decimal(200)), 50, 17, 26, "3165.115", "408.2"),
        (replace(BASIC, zones="5az"), 25, 9, 14, "1704.385", "408.2"),
    ],
)
def test_a_case_of_awss_calculator_is_met_exactly(
    given: CalculatorInput, environments: int, base: int, instances: int, managed_usd: str, default_usd: str
) -> None:
    """The two cases that are missing here vary only how self-managed EC2 is packed, which is not asked of us."""
    found = calculate(given)

    assert (found.environments, found.base_instances, found.instances) == (environments, base, instances)
    assert found.managed_instances.exact_usd == Decimal(managed_usd)
    assert found.default_lambda.exact_usd == Decimal(default_usd)


def test_its_default_case_asks_for_four_times_the_concurrency_its_traffic_has() -> None:
    assert round(calculate(BASIC).mean_concurrency, 1) == Decimal("22.8")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (replace(BASIC, instance_type="m9g.xlarge"), "no instance type"),
        (replace(BASIC, runtime="rust"), "no runtime"),
        (replace(BASIC, target_concurrency=Decimal(0)), "above 0"),
        (replace(BASIC, target_concurrency=Decimal(10**6)), "stops at 5000"),
    ],
)
def test_what_it_cannot_answer_is_refused(given: CalculatorInput, says: str) -> None:
    with pytest.raises(InputError, match=says):
        calculate(given)
