"""What a command deploys for its own time names the partition of the region it deploys to."""

from __future__ import annotations

import pytest

from paddock.cli.deploying import role


@pytest.mark.parametrize(
    ("region", "arn"),
    [
        ("eu-central-1", "arn:aws:iam::000000000000:role/paddock"),
        ("cn-north-1", "arn:aws-cn:iam::000000000000:role/paddock"),
        ("us-gov-west-1", "arn:aws-us-gov:iam::000000000000:role/paddock"),
    ],
)
def test_the_role_is_of_the_regions_partition(region: str, arn: str) -> None:
    assert role("000000000000", region) == arn
