"""The real `aws` command, `paddock`'s own commands, signatures and the log tools against a real server."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import Server, create_function, eventually, invoke

pytestmark = pytest.mark.e2e


def test_the_aws_command_lists_and_invokes(server: Server, function: str, tmp_path: Path) -> None:
    listed = server.aws("lambda", "list-functions", "--query", "Functions[].FunctionName", "--output", "json")
    assert function in json.loads(listed.stdout), listed.stderr

    answer = tmp_path / "answer.json"
    invoked = server.aws(
        "lambda", "invoke", "--function-name", function,
        "--payload", '{"from": "cli"}', str(answer),
    )  # fmt: skip
    assert invoked.returncode == 0, invoked.stderr
    assert json.loads(answer.read_text())["event"] == {"from": "cli"}


def test_aws_logs_tail_follows_what_a_function_says(server: Server, api: Any, function: str, aws_v2: str) -> None:
    with server.aws_started(aws_v2, "logs", "tail", f"/aws/lambda/{function}", "--since", "10m", "--follow") as tail:
        invoke(api, function, {"do": "log", "text": "for-the-tail"})
        assert tail.stdout is not None
        shown = next((line for line in tail.stdout if "for-the-tail" in line), "")

    assert "for-the-tail" in shown


def test_log_lines_carry_the_request_id_and_platform_events(server: Server, api: Any, function: str) -> None:
    invoke(api, function, {"do": "log", "text": "attributed"})

    assert eventually(lambda: "attributed" in server.paddock("logs", function, "--since", "2h").stdout)
    shown = server.paddock("logs", function, "--since", "2h")
    kinds = {word for word in ("platform.initStart", "platform.start", "platform.report") if word in shown.stdout}
    assert kinds == {"platform.initStart", "platform.start", "platform.report"}
    assert "platform.runtimeDone" not in shown.stdout


def test_the_code_link_of_get_function_works(api: Any, function: str) -> None:
    location = api.get_function(FunctionName=function)["Code"]["Location"]

    with urllib.request.urlopen(location, timeout=10) as response:
        archive = zipfile.ZipFile(io.BytesIO(response.read()))

    assert archive.namelist() == ["plain.py"]


def test_a_wrong_secret_and_an_unknown_key_are_refused(server: Server) -> None:
    keys = json.loads((server.data_dir / "credentials.json").read_text())
    for key_id, secret, code in [
        (keys["access_key_id"], "x" * 40, "InvalidSignatureException"),
        ("AKIAUNKNOWN00000000", "x" * 40, "UnrecognizedClientException"),
    ]:
        client = boto3.client(
            "lambda", endpoint_url=server.url, region_name="us-east-1",
            aws_access_key_id=key_id, aws_secret_access_key=secret,
        )  # fmt: skip
        with pytest.raises(ClientError) as caught:
            client.list_functions()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_an_operation_that_is_not_built_says_so(api: Any) -> None:
    with pytest.raises(ClientError, match="parity") as caught:
        api.get_function_recursion_config(FunctionName="any")

    assert caught.value.response["Error"]["Code"] == "NotImplementedException"


def test_health_and_status(server: Server, function: str) -> None:
    with urllib.request.urlopen(f"{server.url}/health", timeout=10) as response:
        assert response.status == 200

    shown = server.paddock("status")

    assert shown.returncode == 0, shown.stderr
    assert "shared" in shown.stdout


def test_env_prints_exports_that_a_shell_takes(server: Server) -> None:
    shown = server.paddock("env")

    assert shown.returncode == 0
    assert f"export AWS_ENDPOINT_URL={server.url}" in shown.stdout
    assert "export AWS_SECRET_ACCESS_KEY=" in shown.stdout


def test_paginators_and_tags(api: Any, provider: str) -> None:
    for number in range(3):
        create_function(api, provider, f"page-{number}", publish=False, Tags={"n": str(number)})

    names = [
        each["FunctionName"]
        for page in api.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
        for each in page["Functions"]
    ]

    assert {"page-0", "page-1", "page-2"} <= set(names)
    assert len(names) == len(set(names))
    arn = api.get_function_configuration(FunctionName="page-1")["FunctionArn"]
    assert api.list_tags(Resource=arn)["Tags"] == {"n": "1"}
