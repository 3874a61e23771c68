"""A real server, agents and clients. One server for the session; tests that kill it start their own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
RUNTIMES_DIR = REPOSITORY / ".cache"
READY_SECONDS = 60
DEBIAN_AWS = "/usr/bin/aws"
ROLE = "arn:aws:iam::000000000000:role/any"
QUICKLY = {"Delay": 0.2, "MaxAttempts": 1500}
"""How botocore's waiters ask: their own pauses, of 1 to 15 seconds, are for a service far away."""


def package(*names: str, entry: dict[str, str] | None = None) -> bytes:
    """A deployment package of functions beside this file, under the names in `entry` where those differ."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.write(HERE / "functions" / name, (entry or {}).get(name, name))
    return buffer.getvalue()


@dataclass
class Server:
    """A `paddock up` process and clients that speak to it."""

    process: subprocess.Popen[str]
    url: str
    data_dir: Path
    environ: dict[str, str]

    def client(self, service: str, **config: Any) -> Any:
        keys = json.loads((self.data_dir / "credentials.json").read_text())
        session: Any = boto3.session.Session(
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
            region_name="us-east-1",
        )
        settings = {"retries": {"total_max_attempts": 1}, "max_pool_connections": 64, "read_timeout": 60, **config}
        return session.client(service, endpoint_url=self.url, config=Config(**settings))

    def paddock(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "paddock.cli.main", *arguments, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=self.environ, check=False)

    def aws(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """The real `aws` command, in a shell prepared as the documentation says."""
        aws = str(Path(sys.executable).parent / "aws")
        exports = self.paddock("env", "--output", "json")
        environ = self.environ | json.loads(exports.stdout) | {"AWS_PAGER": "", "AWS_CONFIG_FILE": "/dev/null"}
        return subprocess.run(
            [sys.executable, aws, *arguments], capture_output=True, text=True, timeout=timeout, env=environ, check=False
        )

    @contextmanager
    def aws_started(self, program: str, *arguments: str, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
        """An `aws` command that goes on until the block ends, or for `seconds` at the most."""
        exports = self.paddock("env", "--output", "json")
        environ = self.environ | json.loads(exports.stdout) | {"AWS_PAGER": "", "AWS_CONFIG_FILE": "/dev/null"}
        # The CLI 2 of Debian 12 is older than AWS_ENDPOINT_URL.
        command = ["timeout", str(seconds), program, "--endpoint-url", self.url, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
            yield process
            process.terminate()

    def kill(self) -> None:
        """What a power cut does to the server process; its agents go on."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> str:
        """SIGTERM and what it printed since."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=60)
        return output


def start_server(
    data_dir: Path, *flags: str, environ: Mapping[str, str] | None = None, within: Sequence[str] = ()
) -> Server:
    """`environ` goes over what this process has; `within` is a command that executes the one behind it."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PADDOCK_"))}
    variables |= {"PADDOCK_RUNTIMES_DIR": str(RUNTIMES_DIR), **(environ or {})}
    command = [sys.executable, "-m", "paddock.cli.main", "up", "--port", "0", "--data-dir", str(data_dir), *flags]
    log = data_dir.parent / f"{data_dir.name}.server.log"
    with log.open("a") as stderr:
        process = subprocess.Popen([*within, *command], stdout=subprocess.PIPE, stderr=stderr, text=True, env=variables)
    assert process.stdout is not None
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if line.startswith("ready"):
            return Server(process, line.split()[1], data_dir, variables)
        if not line and process.poll() is not None:
            break
    process.kill()
    raise AssertionError(f"no ready line; see {log}: {log.read_text()[-2000:]}")


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Ask until it holds or the time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start_server(tmp_path_factory.mktemp("paddock") / "data")
    yield running
    running.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers on one data directory that the test may kill; all is ended afterwards."""
    started: list[Server] = []

    def start(*flags: str, **more: Any) -> Server:
        started.append(start_server(tmp_path / "data", *flags, **more))
        return started[-1]

    yield start
    if started:
        last = started[-1] if started[-1].process.poll() is None else start_server(tmp_path / "data")
        last.stop()


@pytest.fixture(scope="session")
def aws_v2() -> str:
    """Version 2 of the AWS CLI, which alone has `logs tail`. It is no Python package: Debian's is taken."""
    if os.environ.get("CI") and os.geteuid() == 0 and not _is_aws_v2():
        subprocess.run(["apt-get", "update", "-qq"], check=False, timeout=300)
        subprocess.run(["apt-get", "install", "-y", "-qq", "awscli"], check=False, timeout=600)
    if not _is_aws_v2():
        pytest.skip("needs version 2 of the AWS CLI: apt-get install awscli")
    return DEBIAN_AWS


def _is_aws_v2() -> bool:
    try:
        version = subprocess.run([DEBIAN_AWS, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        return False
    return version.stdout.startswith("aws-cli/2")


@pytest.fixture(scope="session")
def api(server: Server) -> Any:
    return server.client("lambda")


@pytest.fixture(scope="session")
def provider(api: Any) -> str:
    """The ARN of a provider that most tests share."""
    return create_provider(api, "shared")


def create_provider(api: Any, name: str, **more: Any) -> str:
    created = api.create_capacity_provider(
        CapacityProviderName=name,
        VpcConfig={"SubnetIds": ["subnet-a", "subnet-b", "subnet-c"], "SecurityGroupIds": ["sg-default"]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE},
        **more,
    )
    return str(created["CapacityProvider"]["CapacityProviderArn"])


def create_function(api: Any, provider_arn: str, name: str, *, publish: bool = True, **more: Any) -> dict[str, Any]:
    """A Python function that answers as `functions/plain.py` does, unless told otherwise."""
    concurrency = more.pop("max_concurrency", 4)
    arguments: dict[str, Any] = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "plain.handler",
        "Role": ROLE,
        "Code": {"ZipFile": package("plain.py")},
        "MemorySize": 2048,
        "Timeout": 5,
        "CapacityProviderConfig": {
            "LambdaManagedInstancesCapacityProviderConfig": {
                "CapacityProviderArn": provider_arn,
                "PerExecutionEnvironmentMaxConcurrency": concurrency,
            }
        },
    } | more
    if arguments.get("PackageType") == "Image":
        del arguments["Runtime"], arguments["Handler"]
    if publish:
        arguments |= {"Publish": True, "PublishTo": "LATEST_PUBLISHED"}
    created = api.create_function(**arguments)
    if publish:
        wait_active(api, name)
    return dict(created)


def wait_active(api: Any, name: str, qualifier: str = "$LATEST.PUBLISHED") -> None:
    api.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=qualifier, WaiterConfig=QUICKLY)


def invoke(api: Any, name: str, event: Any, **more: Any) -> Any:
    """The function's answer; a function error is returned as its document under `error`."""
    response = api.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **more)
    answer = json.loads(response["Payload"].read() or b"null")
    return {"error": answer} if response.get("FunctionError") else answer


@pytest.fixture(scope="session")
def function(api: Any, provider: str) -> str:
    """A published function that tests share and must not change."""
    create_function(api, provider, "shared")
    return "shared"
