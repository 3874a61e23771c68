"""The buckets by tables, and that no sequence of calls gets more than its rate and one burst."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.api_rates import ApiQuota, ApiRateExceeded, ApiRateMeter, ApiRates, quota_of


@pytest.mark.parametrize(
    ("operation", "quota", "rate"),
    [
        ("CreateCapacityProvider", ApiQuota.CAPACITY_PROVIDER_WRITES, 1),
        ("UpdateCapacityProvider", ApiQuota.CAPACITY_PROVIDER_WRITES, 1),
        ("DeleteCapacityProvider", ApiQuota.CAPACITY_PROVIDER_WRITES, 1),
        ("GetCapacityProvider", ApiQuota.CAPACITY_PROVIDER_READS, 15),
        ("ListCapacityProviders", ApiQuota.CAPACITY_PROVIDER_READS, 15),
        ("ListFunctionVersionsByCapacityProvider", ApiQuota.CAPACITY_PROVIDER_READS, 15),
        ("GetFunction", ApiQuota.GET_FUNCTION, 100),
        ("GetFunctionConfiguration", ApiQuota.CONTROL_PLANE, 15),
        ("PutFunctionScalingConfig", ApiQuota.CONTROL_PLANE, 15),
        ("CreateFunction", ApiQuota.CONTROL_PLANE, 15),
    ],
)
def test_an_operation_has_the_quota_and_the_rate_that_aws_publishes(
    operation: str, quota: ApiQuota, rate: float
) -> None:
    assert quota_of(operation) is quota
    assert ApiRates().of(quota) == rate


@pytest.mark.parametrize(
    ("rate", "calls", "allowed"),
    [
        (1.0, [0.0, 0.1, 0.9, 1.0, 1.5, 2.0], [True, False, False, True, False, True]),
        (2.0, [0.0, 0.0, 0.0, 0.5, 0.6, 5.0, 5.0, 5.0], [True, True, False, True, False, True, True, False]),
        (0.5, [0.0, 1.0, 2.0, 3.9, 4.0], [True, False, True, False, True]),
        (1.0, [10.0, 9.0, 10.5, 11.0], [True, False, False, True]),
    ],
    ids=["one a second", "a burst is one second's worth", "less than one a second", "a clock that goes back"],
)
def test_a_bucket_fills_with_time_and_holds_no_more_than_a_seconds_worth(
    rate: float, calls: list[float], allowed: list[bool]
) -> None:
    meter = ApiRateMeter(ApiRates(capacity_provider_writes=rate))
    assert [meter.take("CreateCapacityProvider", now) is None for now in calls] == allowed


@pytest.mark.parametrize(("rate", "wait"), [(15.0, 1), (1.0, 1), (0.25, 4)])
def test_a_refusal_says_why_and_when_to_come_back(rate: float, wait: int) -> None:
    meter = ApiRateMeter(ApiRates(control_plane=rate))
    refused = None
    while refused is None:
        refused = meter.take("ListFunctions", 7.0)
    assert refused == ApiRateExceeded(
        ApiQuota.CONTROL_PLANE, wait, f"control plane requests exceed {rate:g} per second"
    )
    assert meter.take("ListFunctions", 7.0 + wait) is None


def test_quotas_are_apart() -> None:
    meter = ApiRateMeter(ApiRates())
    assert meter.take("CreateCapacityProvider", 0.0) is None
    assert meter.take("CreateCapacityProvider", 0.0) is not None
    assert meter.take("GetCapacityProvider", 0.0) is None
    assert meter.take("GetFunction", 0.0) is None
    assert meter.take("CreateFunction", 0.0) is None


@given(
    rate=st.floats(0.1, 50),
    gaps=st.lists(st.floats(0, 2), max_size=200),
)
def test_no_one_gets_more_than_the_rate_and_one_burst(rate: float, gaps: list[float]) -> None:
    meter = ApiRateMeter(ApiRates(get_function=rate))
    now = 0.0
    taken = 0
    for gap in gaps:
        now += gap
        taken += meter.take("GetFunction", now) is None
    assert taken <= max(1.0, rate) + rate * now + 1e-6
