"""Lambda's quotas of requests per second, through a real front with real boto3 clients and a clock that is set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.awsapi.operations import Operations
from paddock.controlplane.api_rates import rate_limited
from paddock.controlplane.operations import OPERATIONS
from paddock.core.api_rates import ApiRateMeter, ApiRates
from paddock.model.errors import ApiError
from tests.awsapi.fronts import client, front_of, served
from tests.controlplane.harness import ROLE, Harness
from tests.controlplane.world import World, run

VPC = {"SubnetIds": ["subnet-a"], "SecurityGroupIds": []}


@contextmanager
def limited(harness: Harness, rates: ApiRates) -> Iterator[str]:
    meter = ApiRateMeter(rates)
    operations = Operations()
    for each in OPERATIONS:
        if each.service == "lambda":
            handler = rate_limited(each.name, partial(each.handler, harness.api), meter, harness.clock)
            operations.register(each.service, each.name, handler, level=each.level)
    with served(front_of(operations)) as url:
        yield url


def create(api: Any, name: str) -> None:
    api.create_capacity_provider(
        CapacityProviderName=name, VpcConfig=VPC, PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE}
    )


def test_too_many_requests_are_refused_in_awss_words_until_there_is_room_again(harness: Harness) -> None:
    with limited(harness, ApiRates(capacity_provider_writes=0.25)) as url:
        api = client("lambda", url)
        create(api, "first")
        harness.later(1)
        with pytest.raises(ClientError) as refused:
            create(api, "second")
        assert api.list_capacity_providers()["CapacityProviders"][0]["CapacityProviderArn"].endswith(":first")
        harness.later(3)
        create(api, "second")

    answer: Any = refused.value.response
    assert answer["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate exceeded"}
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "3"
    assert (answer["Reason"], answer["Type"], answer["retryAfterSeconds"]) == ("CallerRateLimitExceeded", "User", "3")


@pytest.mark.parametrize(("rates", "allowed"), [(None, 40), (ApiRates(), 15)])
def test_the_control_plane_limits_requests_only_when_told_to(rates: ApiRates | None, allowed: int) -> None:
    async def scenario(world: World) -> None:
        assert await answered(world, 40) == allowed
        await asyncio.sleep(1)
        assert await answered(world, 40) == allowed

    run(scenario, api_rates=rates)


async def answered(world: World, requests: int) -> int:
    """How many of so many requests at once are not refused."""
    codes = []
    for _ in range(requests):
        try:
            await world.call("GetAccountSettings")
        except ApiError as error:
            codes.append(error.code)
    assert set(codes) <= {"TooManyRequestsException"}
    return requests - len(codes)
