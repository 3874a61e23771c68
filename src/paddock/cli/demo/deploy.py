"""Deploys the demo's capacity provider and functions through boto3 and the public API, and takes them away again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from paddock.model.errors import StartError

PROVIDER = "paddock-demo"
SUBNETS = ("subnet-a", "subnet-b", "subnet-c")
SECURITY_GROUP = "sg-default"
ROLE = "arn:aws:iam::{account}:role/paddock-demo"
DELETE_ATTEMPTS = 120
DELETE_PAUSE_SECONDS = 0.5
PROVIDER_ATTEMPTS = 60


@dataclass(frozen=True, slots=True)
class DemoFunction:
    """What is deployed: `package` is the ZIP."""

    name: str
    runtime: str
    handler: str
    package: bytes = field(repr=False)
    max_concurrency: int
    environment: dict[str, str]


def deploy(api: Any, account: str, functions: tuple[DemoFunction, ...], say: Callable[[str], None]) -> None:
    """Create the provider and publish every function; returns when all of them are Active."""
    provider_arn = _create_provider(api, account)
    say(f"capacity provider {PROVIDER} is Active; it launches nothing until a version is published")
    for function in functions:
        _create_function(api, account, provider_arn, function)
        say(f"{function.name} ({function.runtime}) created and published to $LATEST.PUBLISHED")
    for function in functions:
        api.get_waiter("published_version_active").wait(
            FunctionName=function.name, Qualifier="$LATEST.PUBLISHED", WaiterConfig={"Delay": 1, "MaxAttempts": 300}
        )
        say(f"{function.name} is Active")


def _create_provider(api: Any, account: str) -> str:
    created = api.create_capacity_provider(
        CapacityProviderName=PROVIDER,
        VpcConfig={"SubnetIds": list(SUBNETS), "SecurityGroupIds": [SECURITY_GROUP]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE.format(account=account)},
        CapacityProviderScalingConfig={"MaxVCpuCount": 48},
        Tags={"project": "paddock-demo"},
    )["CapacityProvider"]
    pause = threading.Event()
    for _ in range(PROVIDER_ATTEMPTS):
        state = api.get_capacity_provider(CapacityProviderName=PROVIDER)["CapacityProvider"]["State"]
        if state == "Active":
            return str(created["CapacityProviderArn"])
        pause.wait(DELETE_PAUSE_SECONDS)
    raise StartError(f"capacity provider {PROVIDER} did not turn Active: see `paddock status`")


def _create_function(api: Any, account: str, provider_arn: str, function: DemoFunction) -> None:
    api.create_function(
        FunctionName=function.name,
        Runtime=function.runtime,
        Handler=function.handler,
        Role=ROLE.format(account=account),
        Code={"ZipFile": function.package},
        MemorySize=2048,
        Timeout=10,
        Environment={"Variables": function.environment},
        CapacityProviderConfig={
            "LambdaManagedInstancesCapacityProviderConfig": {
                "CapacityProviderArn": provider_arn,
                "PerExecutionEnvironmentMaxConcurrency": function.max_concurrency,
            }
        },
        Publish=True,
        PublishTo="LATEST_PUBLISHED",
        Tags={"project": "paddock-demo"},
    )


def remove(api: Any, names: tuple[str, ...]) -> None:
    """Delete what an earlier or this run deployed; what is not there is fine."""
    for name in names:
        with suppress(api.exceptions.ResourceNotFoundException):
            api.delete_function(FunctionName=name)
    pause = threading.Event()
    for _ in range(DELETE_ATTEMPTS):
        try:
            api.delete_capacity_provider(CapacityProviderName=PROVIDER)
        except api.exceptions.ResourceNotFoundException:
            return
        except api.exceptions.ResourceConflictException:
            pass  # functions still drain, or the provider itself is on its way out
        pause.wait(DELETE_PAUSE_SECONDS)
    raise StartError(f"capacity provider {PROVIDER} could not be removed: see `paddock status`")
