"""Paddock itself: `paddock up`, and a function deployed through its public API as any client would.

Also measured on the way: how long a new user waits for the first answer, and a republish for Active.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
from botocore.config import Config

from bench.code import FUNCTIONS, handler, package
from bench.cpu import command_lines, group_memory_mb
from bench.processes import Started, started
from bench.runtime_client import MEMORY_MB
from paddock.model.runtimes import find_runtime

FUNCTION = "bench-noop"
PROVIDER = "bench"
ROLE = "arn:aws:iam::000000000000:role/bench"
LATEST_PUBLISHED = "$LATEST.PUBLISHED"
ACTIVE_SECONDS = 120.0
POLL_SECONDS = 0.02
SETTLED_SECONDS = 0.5
_CONFIG = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60)


@dataclass
class Product:
    """A server that is up. `figures` are what was measured on the way, in seconds or MB."""

    server: Started
    url: str
    data_dir: Path
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def key(self) -> tuple[str, str]:
        stored = json.loads((self.data_dir / "credentials.json").read_text())
        return str(stored["access_key_id"]), str(stored["secret_access_key"])

    def client(self) -> Any:
        access_key_id, secret_access_key = self.key
        return boto3.client(
            "lambda",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=_CONFIG,
        )

    def environments(self) -> int:
        """How many there are of the function, as the server's metrics say."""
        with urlopen(f"{self.url}/metrics", timeout=30) as response:  # noqa: S310 - our own server
            lines = response.read().decode().splitlines()
        counts = [line for line in lines if line.startswith("paddock_execution_environment_count{")]
        return sum(int(line.rpartition(" ")[2]) for line in counts if f'"{FUNCTION}"' in line)

    def groups(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The process groups of the platform (server and agents), and those of the runtimes under the agents."""
        lines = command_lines()
        agents = {
            pid for pid, one in lines.items() if "paddock.agent" in one.command and str(self.data_dir) in one.command
        }
        below = set(agents)
        while more := {pid for pid, one in lines.items() if one.parent in below} - below:
            below |= more
        platform = {self.server.group, *(lines[pid].group for pid in agents)}
        runtimes = {lines[pid].group for pid in below} - platform
        return tuple(sorted(platform)), tuple(sorted(runtimes))


@contextmanager
def product(directory: Path, runtimes: Path, *, auth: str = "sigv4") -> Iterator[Product]:
    """`runtimes` is where runtimes are installed: shared with what it is compared to."""
    data_dir = directory / "data"
    data_dir.mkdir(parents=True)
    environment = {**os.environ, "PADDOCK_RUNTIMES_DIR": str(runtimes.absolute())}
    command = [sys.executable, "-m", "paddock.cli.main", "up", "--port", "0", "--auth", auth]
    log = directory / "server.log"
    with started([*command, "--data-dir", data_dir], environment=environment, log=log) as server:
        line = server.line()
        while not line.startswith("ready"):
            line = server.line()
        yield Product(server, next(word for word in line.split() if word.startswith("http")), data_dir)


def deploy(
    there: Product,
    runtime: str,
    slots: int,
    environments: int,
    variables: dict[str, str],
    *,
    task_root: Path = FUNCTIONS / "noop",
    system_log_level: str = "INFO",
) -> None:
    """A provider, a function, and so many environments of it, each with so many slots, ready to be invoked."""
    client = there.client()
    known = find_runtime(runtime)
    assert known is not None, runtime
    began = time.perf_counter()
    provider = client.create_capacity_provider(
        CapacityProviderName=PROVIDER,
        VpcConfig={"SubnetIds": ["subnet-a", "subnet-b", "subnet-c"], "SecurityGroupIds": ["sg-default"]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE},
    )
    arn = provider["CapacityProvider"]["CapacityProviderArn"]
    client.create_function(
        FunctionName=FUNCTION,
        Runtime=runtime,
        Role=ROLE,
        Handler=handler(known.language),
        Code={"ZipFile": package(task_root)},
        MemorySize=MEMORY_MB,
        Environment={"Variables": variables},
        LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": system_log_level},
        CapacityProviderConfig={
            "LambdaManagedInstancesCapacityProviderConfig": {
                "CapacityProviderArn": arn,
                "PerExecutionEnvironmentMaxConcurrency": slots,
            }
        },
        Publish=True,
        PublishTo="LATEST_PUBLISHED",
    )
    wait_until_published(client)
    client.invoke(FunctionName=FUNCTION, Payload=b'{"wait_ms":0}')
    there.figures["CreateCapacityProvider to first answer, s"] = time.perf_counter() - began
    there.figures["publish to Active on running instances, s"] = _republish(client)
    client.put_function_scaling_config(
        FunctionName=FUNCTION,
        Qualifier=LATEST_PUBLISHED,
        FunctionScalingConfig={"MinExecutionEnvironments": environments, "MaxExecutionEnvironments": environments},
    )
    _wait_for_environments(there, environments)
    platform, runtimes = _settled_groups(there)
    agents = [group for group in platform if group != there.server.group]
    there.figures["memory of an idle agent, MB"] = sum(map(group_memory_mb, agents)) / max(len(agents), 1)
    there.figures["memory of an idle environment, MB"] = sum(map(group_memory_mb, runtimes)) / environments
    there.figures["memory of the server, MB"] = group_memory_mb(there.server.group)


def wait_until_published(client: Any) -> None:
    deadline = time.monotonic() + ACTIVE_SECONDS
    while time.monotonic() < deadline:
        found = client.get_function_configuration(FunctionName=FUNCTION, Qualifier=LATEST_PUBLISHED)
        if found["State"] == "Failed" or found.get("LastUpdateStatus") == "Failed":
            raise RuntimeError(f"publishing failed: {found.get('StateReason') or found.get('LastUpdateStatusReason')}")
        if found["State"] == "Active" and found.get("LastUpdateStatus", "Successful") == "Successful":
            return
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"{FUNCTION} was not Active within {ACTIVE_SECONDS} s")


def _republish(client: Any) -> float:
    """With a changed configuration, because publishing what is published already changes nothing."""
    client.update_function_configuration(FunctionName=FUNCTION, Timeout=5)
    client.get_waiter("function_updated_v2").wait(FunctionName=FUNCTION)
    began = time.perf_counter()
    client.publish_version(FunctionName=FUNCTION, PublishTo="LATEST_PUBLISHED")
    wait_until_published(client)
    return time.perf_counter() - began


def _wait_for_environments(there: Product, wanted: int) -> None:
    """Until no more than the wanted ones run, so that no measurement shares the machine with one that ends."""
    deadline = time.monotonic() + ACTIVE_SECONDS
    while time.monotonic() < deadline:
        if there.environments() == wanted:
            return
        time.sleep(0.1)
    raise RuntimeError(f"there were not {wanted} environments within {ACTIVE_SECONDS} s: {there.environments()}")


def _settled_groups(there: Product) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Environments that were replaced or are no longer wanted leave the count before their processes have ended."""
    deadline = time.monotonic() + ACTIVE_SECONDS
    groups = there.groups()
    while time.monotonic() < deadline:
        time.sleep(SETTLED_SECONDS)
        before, groups = groups, there.groups()
        if groups == before:
            return groups
    raise RuntimeError(f"processes came and went for {ACTIVE_SECONDS} s")
