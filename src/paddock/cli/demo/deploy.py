"""Deploys the demo's capacity provider and functions through boto3 and the public API, and takes them away again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from paddock.cli import deploying

PROVIDER = "paddock-demo"


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
    provider_arn = deploying.create_provider(api, account, PROVIDER)
    say(f"capacity provider {PROVIDER} is Active; it launches nothing until a version is published")
    for function in functions:
        _create_function(api, account, provider_arn, function)
        say(f"{function.name} ({function.runtime}) created and published to $LATEST.PUBLISHED")
    for function in functions:
        deploying.wait_until_published(api, function.name)
        say(f"{function.name} is Active")


def _create_function(api: Any, account: str, provider_arn: str, function: DemoFunction) -> None:
    api.create_function(
        FunctionName=function.name,
        Runtime=function.runtime,
        Handler=function.handler,
        Role=deploying.role(account, api.meta.region_name),
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
    deploying.remove(api, names, PROVIDER)
