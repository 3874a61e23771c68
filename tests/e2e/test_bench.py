"""`paddock bench` as a person runs it, and the simulator against the live platform where both must say the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from paddock.model.capacity_provider import Architecture
from paddock.model.fleet import EnvironmentShape, ScalingBounds
from paddock.model.instance_types import InstanceType
from paddock.simulator.exact_replay import exact_replay
from paddock.simulator.invocations import Invocations
from paddock.simulator.trace_replay import ReplaySettings
from tests.e2e.conftest import Server, create_function, eventually, invoke

pytestmark = pytest.mark.e2e

FUNCTION = "import time\n\n\ndef handler(event, context):\n    time.sleep(0.05)\n    return {'slept': True}\n"
TRACE = "minute,count\n0,30\n1,60\n2,30\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A function and a trace."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").write_text(FUNCTION)
    (tmp_path / "trace.csv").write_text(TRACE)
    return tmp_path / "app", tmp_path / "trace.csv"


def left_behind(api: Any) -> list[str]:
    functions = [each["FunctionName"] for each in api.list_functions()["Functions"]]
    providers = [each["CapacityProviderArn"] for each in api.list_capacity_providers()["CapacityProviders"]]
    return [name for name in functions + providers if "paddock-bench" in name]


def test_a_package_is_benched_with_forecast_beside_measurement_and_nothing_stays(
    server: Server, api: Any, files: tuple[Path, Path]
) -> None:
    app, trace = files
    asked = ["--trace", str(trace), "--seconds", "5", "--scale", "8", "--output", "json"]

    ran = server.paddock("bench", str(app), *asked, timeout=240)

    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    managed = next(each for each in report["comparisons"] if each["kind"] == "managed_instances")
    assert report["scale"] == 8
    assert managed["forecast"]["requests"] == managed["measured"]["requests"] > 0
    for figures in (managed["forecast"], managed["measured"]):
        assert figures["answered"] + figures["throttles"] + figures["errors"] == figures["requests"]
        assert figures["mean_ms"] >= 50
    default = next(each for each in report["comparisons"] if each["kind"] == "default")
    assert default["unavailable"] is None
    assert default["measured"]["requests"] == managed["measured"]["requests"]
    assert default["measured"]["throttles"] == 0
    assert default["measured"]["environments_started"] is not None
    assert left_behind(api) == []


def test_ctrl_c_ends_it_and_removes_what_it_deployed(server: Server, api: Any, files: tuple[Path, Path]) -> None:
    app, trace = files
    command = [sys.executable, "-m", "paddock.cli.main", "bench", str(app), "--trace", str(trace)]
    command += ["--seconds", "120", "--squeeze", "--scale", "5", "--data-dir", str(server.data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=server.environ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "managed instances:" in line:
                break
        assert left_behind(api)
        process.send_signal(signal.SIGINT)
        assert process.wait(400) == 130

    assert eventually(lambda: left_behind(api) == [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "no function 'nobody' is deployed"),
        (["nobody", "--scale", "1e9"], "no function 'nobody' is deployed"),
        (["APP", "--event", "TRACE"], "is no JSON"),
        (["APP", "--trace-function", "x"], "x"),
    ],
)
def test_what_cannot_be_benched_is_refused_in_a_line(
    server: Server, files: tuple[Path, Path], arguments: list[str], said: str
) -> None:
    app, trace = files
    given = [str(app) if each == "APP" else str(trace) if each == "TRACE" else each for each in arguments]

    ran = server.paddock("bench", *given, "--trace", str(trace))

    assert ran.returncode == 2
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_the_live_platform_refuses_as_many_as_the_simulator(server: Server, api: Any, provider: str) -> None:
    """Thirty at once for twelve slots that cannot become more: eighteen are refused, here and there."""
    create_function(api, provider, "held", max_concurrency=4)
    held = {"MinExecutionEnvironments": 3, "MaxExecutionEnvironments": 3}
    api.put_function_scaling_config(
        FunctionName="held", Qualifier="$LATEST.PUBLISHED", FunctionScalingConfig=dict(held)
    )

    def applied() -> bool:
        answer = api.get_function_scaling_config(FunctionName="held", Qualifier="$LATEST.PUBLISHED")
        return bool(answer.get("AppliedFunctionScalingConfig") == held)

    assert eventually(applied)
    client = server.client("lambda")

    def attempt(_: int) -> str:
        try:
            invoke(client, "held", {"do": "wait", "seconds": 4})
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "ok"

    with ThreadPoolExecutor(30) as pool:
        live = list(pool.map(attempt, range(30)))
    simulated = exact_replay(
        Invocations(np.zeros(30), np.zeros(30), np.full(30, 4.0)),
        EnvironmentShape(2048, 1.0, 4),
        InstanceType("m7i.xlarge", 4, 16.0, Architecture.X86_64),
        ReplaySettings(bounds=ScalingBounds(3, 3)),
        settled=False,
    )

    assert live.count("TooManyRequestsException") == simulated.throttled == 18
    assert live.count("ok") == simulated.served == 12
