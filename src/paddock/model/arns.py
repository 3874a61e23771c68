"""ARNs and names as callers may write them. Builds the ones we show, reads the ones we are given; decides nothing else.

Lambda takes a function as a name, a partial ARN (`123456789012:function:name`) or an ARN, each with a qualifier behind
it; a capacity provider as a name or an ARN.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from paddock.model.ids import AccountId, CapacityProviderName, CodeSigningConfigId, FunctionName, LayerName, Region

_FUNCTION = re.compile(
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:)?"
    r"(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?"
    r"(?:(?P<account>\d{12}):)?"
    r"(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_CAPACITY_PROVIDER = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):capacity-provider:(?P<name>[a-zA-Z0-9-_]+)"
)
_LAYER = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[a-zA-Z0-9-_]+)"
    r"(?::(?P<version>\d+))?"
)


_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
)
"""By the beginning of their regions' names, as in AWS's list of endpoints; every other region is in `aws`."""


def partition_of(region: str) -> str:
    return next((partition for beginning, partition in _PARTITIONS if region.startswith(beginning)), "aws")


@dataclass(frozen=True, slots=True)
class Place:
    """Where this server is, as ARNs say it."""

    region: Region
    account_id: AccountId

    @property
    def partition(self) -> str:
        return partition_of(self.region)

    def root_arn(self, account_id: str | None = None) -> str:
        """The root of an account, ours unless another is named: it stands for the account as a whole."""
        return f"arn:{self.partition}:iam::{account_id or self.account_id}:root"

    def function_arn(self, name: FunctionName, qualifier: str | None = None) -> str:
        arn = f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{name}"
        return f"{arn}:{qualifier}" if qualifier else arn

    def capacity_provider_arn(self, name: CapacityProviderName) -> str:
        return f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:capacity-provider:{name}"

    def layer_arn(self, name: LayerName) -> str:
        return f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:layer:{name}"

    def layer_version_arn(self, name: LayerName, version: int) -> str:
        return f"{self.layer_arn(name)}:{version}"

    def code_signing_config_arn(self, config_id: CodeSigningConfigId) -> str:
        return f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:code-signing-config:{config_id}"

    def log_group_arn(self, name: str) -> str:
        return f"arn:{self.partition}:logs:{self.region}:{self.account_id}:log-group:{name}"


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """A function as a caller wrote it; `region` and `account_id` are None where they left them out."""

    name: FunctionName
    qualifier: str | None
    region: Region | None
    account_id: AccountId | None


def parse_function(text: str) -> FunctionReference | None:
    match = _FUNCTION.fullmatch(text)
    if match is None:
        return None
    return FunctionReference(
        name=FunctionName(match["name"]),
        qualifier=match["qualifier"],
        region=Region(match["region"]) if match["region"] else None,
        account_id=AccountId(match["account"]) if match["account"] else None,
    )


@dataclass(frozen=True, slots=True)
class CapacityProviderReference:
    name: CapacityProviderName
    region: Region | None
    account_id: AccountId | None


def parse_capacity_provider(text: str) -> CapacityProviderReference:
    """A name is taken as it is: whether it may be one, the API's input check has said."""
    match = _CAPACITY_PROVIDER.fullmatch(text)
    if match is None:
        return CapacityProviderReference(CapacityProviderName(text), None, None)
    return CapacityProviderReference(
        CapacityProviderName(match["name"]), Region(match["region"]), AccountId(match["account"])
    )


@dataclass(frozen=True, slots=True)
class LayerReference:
    """A layer as a caller wrote it; `region` and `account_id` are None for a name, `version` unless it was given."""

    name: LayerName
    version: int | None
    region: Region | None
    account_id: AccountId | None


def parse_layer(text: str) -> LayerReference:
    """A name is taken as it is, as of a capacity provider."""
    match = _LAYER.fullmatch(text)
    if match is None:
        return LayerReference(LayerName(text), None, None, None)
    version = match["version"]
    return LayerReference(
        LayerName(match["name"]),
        int(version) if version else None,
        Region(match["region"]),
        AccountId(match["account"]),
    )
