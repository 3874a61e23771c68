"""Reads the operator's network: which subnets lie in which zones, and which security groups there are.

vpc_id: vpc-mine
subnets:
  - {subnet_id: subnet-1, zone: us-east-1a, cidr_block: 10.0.0.0/20}
security_groups: [sg-web]        # the first is the default
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import yaml

from paddock.model.errors import SettingsError
from paddock.model.ids import AvailabilityZone, Region, SecurityGroupId, SubnetId
from paddock.model.network import Network, Subnet, default_network

MAX_SUBNETS = 200
"""AWS's default quota of subnets in one VPC."""

_SUBNET_ID = re.compile(r"subnet-[0-9a-z]+")
_GROUP_ID = re.compile(r"sg-[0-9a-zA-Z]+")


def load_network(path: Path | None, region: Region) -> Network:
    """The default network without a file. Raises `SettingsError` that names the file and the fault."""
    if path is None:
        return default_network(region)
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    try:
        return _network(loaded, region)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SettingsError(f"{path}: {what}; it takes vpc_id, subnets and security_groups") from error


def _network(loaded: Any, region: Region) -> Network:
    if not isinstance(loaded, dict):
        raise ValueError("it must hold a mapping")  # noqa: TRY004  # a fault of the file, not of a type
    subnets = tuple(_subnet(each, region) for each in loaded["subnets"])
    groups = tuple(SecurityGroupId(_matching(_GROUP_ID, each)) for each in loaded["security_groups"])
    if not 1 <= len(subnets) <= MAX_SUBNETS:
        raise ValueError(f"subnets must be 1 to {MAX_SUBNETS}")
    if len({subnet.subnet_id for subnet in subnets}) != len(subnets):
        raise ValueError("a subnet stands there twice")
    if not groups:
        raise ValueError("security_groups must name one at least")
    return Network(str(loaded["vpc_id"]), subnets, groups, groups[0])


def _subnet(each: Any, region: Region) -> Subnet:
    zone = str(each["zone"])
    if not re.fullmatch(re.escape(region) + "[a-z]", zone):
        raise ValueError(f"{zone} is no zone of {region}")
    block = ipaddress.ip_network(str(each["cidr_block"]))
    return Subnet(SubnetId(_matching(_SUBNET_ID, each["subnet_id"])), AvailabilityZone(zone), str(block))


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not pattern.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no id like {pattern.pattern}")
    return str(value)
