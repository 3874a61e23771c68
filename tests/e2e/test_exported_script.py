"""The script that `paddock export boto3` writes, run as a person would against a real server."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROLE, Server, eventually, invoke, package

pytestmark = pytest.mark.e2e

NAME = "exported"


@pytest.fixture
def script(server: Server, tmp_path: Path) -> Path:
    """From advice, as the documentation says, on machines of the kind this one is."""
    kind = ["--architecture", "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"]
    traffic = ["--shape", "weekly", "--rps", "5", "--peak-rps", "20", "--days", "7"]
    function = ["--duration-ms", "50", "--cpu-ms", "5", "--runtime", "python3.13", "--min-environments", "4"]
    advised = server.paddock("advise", *traffic, *function, *kind, "--output", "json", timeout=120)
    assert advised.returncode == 0, advised.stderr
    advice = tmp_path / "advice.json"
    advice.write_text(advised.stdout)
    target = tmp_path / "deploy.py"
    command = [sys.executable, "-m", "paddock.cli.main", "export", "boto3", str(advice)]
    subprocess.run([*command, "--name", NAME, "--to", str(target)], check=True, timeout=60)
    return target


@pytest.fixture
def removed(api: Any) -> Iterator[None]:
    """Whatever the script made is gone afterwards."""
    yield
    api.delete_function(FunctionName=NAME)

    def gone() -> bool:
        try:
            api.delete_capacity_provider(CapacityProviderName=NAME)
        except api.exceptions.ResourceNotFoundException:
            return True
        except api.exceptions.ResourceConflictException:
            return False
        return False

    assert eventually(gone)


@pytest.mark.usefixtures("removed")
def test_it_deploys_a_function_that_answers_with_the_advised_settings(
    server: Server, api: Any, script: Path, tmp_path: Path
) -> None:
    code = tmp_path / "function.zip"
    code.write_bytes(package("plain.py", entry={"plain.py": "app.py"}))
    exports = json.loads(server.paddock("env", "--output", "json").stdout)
    command = [sys.executable, str(script), str(code), ROLE, ROLE, "sg-default", "subnet-a", "subnet-b", "subnet-c"]

    ran = subprocess.run(
        command, env=server.environ | exports, capture_output=True, text=True, timeout=240, check=False
    )

    assert ran.returncode == 0, ran.stderr
    advised = json.loads((tmp_path / "advice.json").read_text())["recommended"]
    answer = invoke(api, NAME, {"do": "echo", "n": 7})
    assert answer["event"] == {"do": "echo", "n": 7}
    assert answer["memory"] == str(advised["memory_mb"])
    managed = api.get_function_configuration(FunctionName=NAME, Qualifier="$LATEST.PUBLISHED")["CapacityProviderConfig"]
    concurrency = managed["LambdaManagedInstancesCapacityProviderConfig"]["PerExecutionEnvironmentMaxConcurrency"]
    assert concurrency == advised["max_concurrency"]

    def minimum_applied() -> bool:
        scaling = api.get_function_scaling_config(FunctionName=NAME, Qualifier="$LATEST.PUBLISHED")
        return bool(scaling.get("AppliedFunctionScalingConfig", {}).get("MinExecutionEnvironments") == 4)

    assert eventually(minimum_applied)
    provider = api.get_capacity_provider(CapacityProviderName=NAME)["CapacityProvider"]
    assert provider["CapacityProviderScalingConfig"]["MaxVCpuCount"] == advised["max_vcpu_count"]
    assert provider["InstanceRequirements"]["AllowedInstanceTypes"] == advised["allowed_instance_types"]
