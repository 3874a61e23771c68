"""What a command deploys for its own time: a capacity provider of the server's default network, and its removal.

Through boto3 and the public API only.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from paddock.model.arns import partition_of
from paddock.model.errors import StartError

SUBNETS = ("subnet-a", "subnet-b", "subnet-c")
SECURITY_GROUP = "sg-default"
MAX_VCPU_COUNT = 48
DELETE_ATTEMPTS = 120
PAUSE_SECONDS = 0.5
PROVIDER_ATTEMPTS = 60
ACTIVE_ATTEMPTS = 300


def role(account: str, region: str) -> str:
    """The ARN of a role that nobody looks up: only its partition and account must fit."""
    return f"arn:{partition_of(region)}:iam::{account}:role/paddock"


def create_provider(api: Any, account: str, name: str) -> str:
    """Its ARN, once it is Active."""
    created = api.create_capacity_provider(
        CapacityProviderName=name,
        VpcConfig={"SubnetIds": list(SUBNETS), "SecurityGroupIds": [SECURITY_GROUP]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": role(account, api.meta.region_name)},
        CapacityProviderScalingConfig={"MaxVCpuCount": MAX_VCPU_COUNT},
        Tags={"project": name},
    )["CapacityProvider"]
    pause = threading.Event()
    for _ in range(PROVIDER_ATTEMPTS):
        state = api.get_capacity_provider(CapacityProviderName=name)["CapacityProvider"]["State"]
        if state == "Active":
            return str(created["CapacityProviderArn"])
        pause.wait(PAUSE_SECONDS)
    raise StartError(f"capacity provider {name} did not turn Active: see `paddock status`")


def wait_until_published(api: Any, name: str) -> None:
    api.get_waiter("published_version_active").wait(
        FunctionName=name,
        Qualifier="$LATEST.PUBLISHED",
        WaiterConfig={"Delay": 1, "MaxAttempts": ACTIVE_ATTEMPTS},
    )


def remove(api: Any, functions: Sequence[str], provider: str) -> None:
    """Delete what an earlier or this run deployed; what is not there is fine."""
    for name in functions:
        remove_function(api, name)
    pause = threading.Event()
    for _ in range(DELETE_ATTEMPTS):
        try:
            api.delete_capacity_provider(CapacityProviderName=provider)
        except api.exceptions.ResourceNotFoundException:
            return
        except api.exceptions.ResourceConflictException:
            pass  # functions still drain, or the provider itself is on its way out
        pause.wait(PAUSE_SECONDS)
    raise StartError(f"capacity provider {provider} could not be removed: see `paddock status`")


def remove_function(api: Any, name: str) -> None:
    with suppress(api.exceptions.ResourceNotFoundException):
        api.delete_function(FunctionName=name)
