from __future__ import annotations

import pytest

from paddock.model.ids import AvailabilityZone
from paddock.model.zones import zone_id


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        ("us-east-1a", "use1-az1"),
        ("us-west-2d", "usw2-az4"),
        ("eu-central-1b", "euc1-az2"),
        ("ap-southeast-2c", "apse2-az3"),
        ("ap-northeast-1a", "apne1-az1"),
        ("us-gov-west-1a", "usgw1-az1"),
        ("cn-north-1b", "cnn1-az2"),
        ("il-central-1a", "ilc1-az1"),
    ],
)
def test_zone_ids_are_made_as_aws_makes_them(zone: str, found: str) -> None:
    assert zone_id(AvailabilityZone(zone)) == found
