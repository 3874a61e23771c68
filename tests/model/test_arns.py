from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from paddock.model.arns import Place, parse_capacity_provider, parse_function, parse_layer, partition_of
from paddock.model.ids import AccountId, CapacityProviderName, FunctionName, LayerName, Region

ACCOUNT = AccountId("123456789012")
HERE = Place(Region("us-east-1"), ACCOUNT)


@pytest.mark.parametrize(
    ("text", "name", "qualifier", "region", "account"),
    [
        ("f", "f", None, None, None),
        ("f:prod", "f", "prod", None, None),
        ("f:$LATEST", "f", "$LATEST", None, None),
        ("f:$LATEST.PUBLISHED", "f", "$LATEST.PUBLISHED", None, None),
        ("function:f", "f", None, None, None),
        ("123456789012:function:f", "f", None, None, "123456789012"),
        ("123456789012:function:f:7", "f", "7", None, "123456789012"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:f", "f", None, "eu-west-1", "123456789012"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:f:7", "f", "7", "eu-west-1", "123456789012"),
        ("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f", "f", None, "us-gov-west-1", "123456789012"),
    ],
)
def test_a_function_is_read_from_each_form_that_lambda_takes(
    text: str, name: str, qualifier: str | None, region: str | None, account: str | None
) -> None:
    found = parse_function(text)

    assert found is not None
    assert (found.name, found.qualifier, found.region, found.account_id) == (name, qualifier, region, account)


@pytest.mark.parametrize(
    "text", ["", "f g", "f:", ":f", "f:a:b:c", "arn:aws:s3:::bucket", "f\n", "f:$OLDEST", "f.g", "../f"]
)
def test_what_names_no_function_is_none(text: str) -> None:
    assert parse_function(text) is None


@pytest.mark.parametrize("qualifier", [None, "7", "$LATEST.PUBLISHED"])
def test_a_function_arn_is_read_as_it_was_written(qualifier: str | None) -> None:
    found = parse_function(HERE.function_arn(FunctionName("f"), qualifier))

    assert found is not None
    assert (found.name, found.qualifier, found.region, found.account_id) == ("f", qualifier, "us-east-1", ACCOUNT)


def test_a_capacity_provider_is_read_from_its_name_and_its_arn() -> None:
    name = CapacityProviderName("p-1_2")

    by_name = parse_capacity_provider(name)
    assert (by_name.name, by_name.region, by_name.account_id) == ("p-1_2", None, None)
    by_arn = parse_capacity_provider(HERE.capacity_provider_arn(name))
    assert (by_arn.name, by_arn.region, by_arn.account_id) == ("p-1_2", "us-east-1", ACCOUNT)


def test_a_layer_is_read_from_its_name_its_arn_and_the_arn_of_a_version() -> None:
    name = LayerName("l-1_2")

    by_name = parse_layer(name)
    assert (by_name.name, by_name.version, by_name.region, by_name.account_id) == ("l-1_2", None, None, None)
    by_arn = parse_layer(HERE.layer_arn(name))
    assert (by_arn.name, by_arn.version, by_arn.region, by_arn.account_id) == ("l-1_2", None, "us-east-1", ACCOUNT)
    assert parse_layer(HERE.layer_version_arn(name, 12)).version == 12


def test_every_region_of_aws_is_in_its_partition() -> None:
    known: Any = botocore.session.get_session()
    partitions = known.get_available_partitions()
    regions = {name: known.get_available_regions("lambda", name) for name in partitions}

    assert {"aws", "aws-cn", "aws-us-gov", "aws-eusc"} <= regions.keys()
    assert all(partition_of(region) == name for name, found in regions.items() for region in found)
    assert all(parse_function(f"arn:{name}:lambda:{found[0]}:{ACCOUNT}:function:f") for name, found in regions.items())


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-central-1", "aws")],
)
def test_the_partition_follows_the_region(region: str, partition: str) -> None:
    place = Place(Region(region), ACCOUNT)

    assert place.partition == partition
    assert place.function_arn(FunctionName("f")) == f"arn:{partition}:lambda:{region}:{ACCOUNT}:function:f"
    assert place.log_group_arn("/aws/lambda/f") == f"arn:{partition}:logs:{region}:{ACCOUNT}:log-group:/aws/lambda/f"
    assert place.root_arn() == f"arn:{partition}:iam::{ACCOUNT}:root"
    assert place.root_arn("210987654321") == f"arn:{partition}:iam::210987654321:root"
