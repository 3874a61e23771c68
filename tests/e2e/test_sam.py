"""What the page on tools promises for the real `sam` command, which has a lock file and an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import QUICKLY, ROLE, Server, eventually, start_server
from tests.programs import sam_command

pytestmark = [pytest.mark.e2e, pytest.mark.toolchain]

TEMPLATE = f"""
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: src, Handler: app.handler, Runtime: python3.{sys.version_info.minor}}}
"""
HANDLER = "def handler(event, context):\n    print('told by', event)\n    return {'first': event}\n"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:hello"

PATIENCE_SECONDS = 300
"""Each look is a `sam` command, which takes many seconds to begin on a slow machine."""

Sam = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app/src").mkdir(parents=True)
    (tmp_path / "app/template.yaml").write_text(TEMPLATE)
    (tmp_path / "app/src/app.py").write_text(HANDLER)
    return tmp_path / "app"


@pytest.fixture(scope="module")
def sam_cli() -> list[str]:
    return sam_command()


@pytest.fixture
def server_of_project(tmp_path: Path, project: Path) -> Iterator[Server]:
    running = start_server(tmp_path / "data", "--hot-reload-dir", str(project))
    yield running
    running.stop()


@pytest.fixture
def sam(sam_cli: list[str], server_of_project: Server, project: Path) -> Sam:
    exports = json.loads(server_of_project.paddock("env", "--output", "json").stdout)
    home = {"HOME": str(project.parent), "AWS_CONFIG_FILE": "/dev/null", "SAM_CLI_TELEMETRY": "0"}
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run(*arguments: str, status: int = 0) -> str:
        ended = subprocess.run(
            [*sam_cli, *arguments],
            cwd=project,
            env=server_of_project.environ | exports | home | path,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert ended.returncode == status, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    return run


def test_a_build_is_invoked_its_logs_are_read_and_the_next_build_is_deployed(
    server_of_project: Server, project: Path, sam: Sam
) -> None:
    sam("build")
    api = server_of_project.client("lambda")
    api.create_function(
        FunctionName="hello",
        Runtime="python3.13",
        Handler="app.handler",
        Role=ROLE,
        Code={"S3Bucket": "hot-reload", "S3Key": str(project / ".aws-sam/build/Hello")},
    )
    api.get_waiter("function_active_v2").wait(FunctionName="hello", WaiterConfig=QUICKLY)

    def answer() -> str:
        return sam("remote", "invoke", "--event", '{"name": "you"}', ARN)

    assert '{"first": {"name": "you"}}' in answer()
    assert eventually(
        lambda: "told by {'name': 'you'}" in sam("logs", "--cw-log-group", "/aws/lambda/hello"), PATIENCE_SECONDS
    )

    (project / "src/app.py").write_text(HANDLER.replace("first", "second"))
    sam("build")
    assert eventually(lambda: '{"second": {"name": "you"}}' in answer(), PATIENCE_SECONDS)


def test_a_deployment_says_that_there_is_no_cloudformation(sam: Sam) -> None:
    sam("build")

    said = sam("deploy", "--stack-name", "any", "--resolve-s3", "--no-confirm-changeset", status=1)

    assert "The service 'cloudformation' is not to be had here" in said
