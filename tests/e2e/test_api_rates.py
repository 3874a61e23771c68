"""AWS's request quotas in a real server, as a real SDK meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import Server, create_provider

pytestmark = pytest.mark.e2e


def test_an_sdk_is_refused_beyond_the_quota_and_gets_through_by_trying_again(
    own_server: Callable[..., Server],
) -> None:
    slow = {"PADDOCK_CAPACITY_PROVIDER_WRITES_PER_SECOND": "0.2"}
    server = own_server("--api-rates", "aws", environ=slow)
    create_provider(server.client("lambda"), "first")

    impatient = server.client("lambda")
    with pytest.raises(ClientError) as refused:
        create_providers(impatient, 100)

    answer: Any = refused.value.response
    assert answer["Error"]["Code"] == "TooManyRequestsException"
    assert answer["Reason"] == "CallerRateLimitExceeded"
    assert 1 <= int(answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) <= 5
    patient = server.client("lambda", retries={"mode": "standard", "total_max_attempts": 20})
    assert create_provider(patient, "second").endswith(":second")


def test_nobody_is_refused_by_default(api: Any) -> None:
    for _ in range(40):
        api.get_account_settings()


def create_providers(api: Any, count: int) -> None:
    for number in range(count):
        create_provider(api, f"at-once-{number}")
