"""What a function's own SDK signs with, and that this server takes it."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from tests.e2e.conftest import Server, create_function, invoke, package

pytestmark = pytest.mark.e2e


def test_on_managed_instances_boto3_signs_with_what_the_credential_endpoint_gives(
    api: Any, provider: str, server: Server
) -> None:
    create_function(
        api,
        provider,
        "signs",
        Handler="signs.handler",
        Code={"ZipFile": package("signs.py")},
        Environment={"Variables": {"AWS_ENDPOINT_URL": server.url}},
        Timeout=30,
    )
    found = invoke(api, "signs", {})
    assert (found["method"], found["variables"]) == ("container-role", [])
    assert found["key"].startswith("ASIA"), "a session, not the key pair of the server"
    assert "signs" in found["names"]


def test_on_default_lambda_credentials_are_variables(api: Any, server: Server) -> None:
    api.create_function(
        FunctionName="signs-by-default",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="signs.handler",
        Code={"ZipFile": package("signs.py")},
        Environment={"Variables": {"AWS_ENDPOINT_URL": server.url}},
        Timeout=30,
    )
    api.get_waiter("function_active_v2").wait(FunctionName="signs-by-default", WaiterConfig={"Delay": 1})
    found = invoke(api, "signs-by-default", {})
    assert (found["method"], len(found["variables"])) == ("env", 3)
    assert found["key"].startswith("ASIA"), "a session, not the key pair of the server"
    assert "signs-by-default" in found["names"]


def test_the_zone_is_told_to_a_function(api: Any, provider: str) -> None:
    create_function(api, provider, "knows-its-zone")
    seen = invoke(api, "knows-its-zone", {"do": "variables"})
    connection = http.client.HTTPConnection(seen["AWS_LAMBDA_METADATA_API"], timeout=30)
    headers = {"Authorization": f"Bearer {seen['AWS_LAMBDA_METADATA_TOKEN']}"}
    connection.request("GET", "/2026-01-15/metadata/execution-environment", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200
    assert json.loads(body)["AvailabilityZoneID"].startswith("use1-az")
