from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from paddock.awsapi.messages import Request
from paddock.awsapi.operations import Call
from paddock.awsapi.sigv4 import Identity
from paddock.model.ids import AccountId
from paddock.server.caller_identity import caller_identity

ACCOUNT = AccountId("123456789012")


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_the_caller_is_the_root_of_the_account_in_the_region_s_partition(region: str, partition: str) -> None:
    call = Call(
        service="sts",
        operation="GetCallerIdentity",
        params={},
        identity=Identity("key", ACCOUNT, region, "sts"),
        region=region,
        request_id="id",
        now=datetime(2026, 11, 23, tzinfo=UTC),
        request=Request("POST", b"/", "/", "", {}),
    )
    assert asyncio.run(caller_identity(call)) == {
        "UserId": ACCOUNT,
        "Account": ACCOUNT,
        "Arn": f"arn:{partition}:iam::{ACCOUNT}:root",
    }
