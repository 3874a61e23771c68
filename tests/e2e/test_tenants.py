"""Functions with tenant isolation, through real boto3 and AWS's runtime clients."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.runtimes import RuntimeStore, RuntimeUnavailable
from tests.e2e.conftest import QUICKLY, ROLE, RUNTIMES_DIR, Server, eventually, package

pytestmark = pytest.mark.e2e

TENANTS = ("blue", "green", "Tenant 7/eu-1")
PER_TENANT = {"TenantIsolationMode": "PER_TENANT"}
KINDS = {"python": ("python3.13", "tenant.py"), "nodejs": ("nodejs22.x", "tenant.mjs")}


def create(api: Any, name: str, runtime: str, file: str, **more: Any) -> str:
    try:
        RuntimeStore(RUNTIMES_DIR).ensure(runtime)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))
    api.create_function(
        FunctionName=name,
        Runtime=runtime,
        Handler="tenant.handler",
        Role=ROLE,
        Code={"ZipFile": package(file)},
        TenancyConfig=PER_TENANT,
        LoggingConfig={"LogFormat": "JSON"},
        **more,
    )
    api.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    return name


def ask(api: Any, name: str, tenant_id: str, **event: Any) -> Any:
    answer = api.invoke(FunctionName=name, TenantId=tenant_id, Payload=json.dumps(event))
    return json.load(answer["Payload"])


def logged(server: Server, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every line of the function's log that is JSON, with its stream."""
    logs = server.client("logs")
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        for event in itertools.chain.from_iterable(page["events"] for page in pages):
            if event["message"].startswith("{"):
                yield event["logStreamName"], json.loads(event["message"])
    except logs.exceptions.ResourceNotFoundException:
        return


@pytest.fixture(scope="module", params=KINDS)
def tenanted(request: pytest.FixtureRequest, api: Any) -> str:
    runtime, file = KINDS[request.param]
    return create(api, f"tenants-{request.param}", runtime, file)


def test_the_mode_is_shown_and_cannot_be_changed(api: Any, tenanted: str) -> None:
    shown = api.get_function_configuration(FunctionName=tenanted)
    assert shown["TenancyConfig"] == PER_TENANT
    assert "TenancyConfig" not in api.meta.service_model.shape_for("UpdateFunctionConfigurationRequest").members


def test_no_environment_ever_sees_two_tenants(api: Any, tenanted: str) -> None:
    """At once and one after another."""
    with ThreadPoolExecutor(6) as pool:
        at_once = list(pool.map(lambda tenant: (tenant, ask(api, tenanted, tenant)), TENANTS * 4))
    after = [(tenant, ask(api, tenanted, tenant)) for tenant in TENANTS * 12]

    for tenant, answer in at_once + after:
        assert answer["tenant"] == tenant
        assert answer["seen"] == [tenant]
    assert len({answer["environment"] for _, answer in after}) < len(after), "its own tenant uses it again"


def test_records_and_lines_name_the_tenant(server: Server, api: Any, tenanted: str) -> None:
    ask(api, tenanted, "blue")

    def named() -> dict[str, set[str]]:
        """What of each stream's lines names which tenant."""
        found: dict[str, set[str]] = {}
        for stream, line in logged(server, tenanted):
            if line.get("type") in {"platform.start", "platform.report"}:
                found.setdefault(stream, set()).add(f"{line['type']} {line['record']['tenantId']}")
            elif line.get("message") == "working" and "nodejs" not in tenanted:  # whose client leaves it out
                found.setdefault(stream, set()).add(f"line {line['tenantId']}")
        return found

    complete = {"platform.start blue", "platform.report blue"} | ({"line blue"} if "python" in tenanted else set())
    assert eventually(lambda: complete in named().values())
    assert all(len({entry.split(" ", 1)[1] for entry in entries}) == 1 for entries in named().values())


def test_asynchronous_invocations_stay_with_their_tenant(server: Server, api: Any) -> None:
    name = create(api, "tenants-async", *KINDS["python"])
    for tenant in TENANTS:
        payload = json.dumps({"do": "fail"} if tenant == "blue" else {})
        answer = api.invoke(FunctionName=name, TenantId=tenant, InvocationType="Event", Payload=payload)
        assert answer["StatusCode"] == 202

    def reports() -> list[tuple[str, str]]:
        return [
            (stream, line["record"]["tenantId"])
            for stream, line in logged(server, name)
            if line.get("type") == "platform.report"
        ]

    assert eventually(lambda: len(reports()) == len(TENANTS))
    by_stream = {stream: {tenant for of, tenant in reports() if of == stream} for stream, _ in reports()}
    assert sorted(tenant for (tenant,) in by_stream.values()) == sorted(TENANTS)


def test_a_stream_is_answered_for_a_tenant(api: Any, tenanted: str) -> None:
    answer = api.invoke_with_response_stream(FunctionName=tenanted, TenantId="green", Payload="{}")
    pieces = [event["PayloadChunk"]["Payload"] for event in answer["EventStream"] if "PayloadChunk" in event]
    assert json.loads(b"".join(pieces))["seen"] == ["green"]


@pytest.mark.parametrize("operation", ["invoke", "invoke_with_response_stream"])
def test_without_a_tenant_it_is_not_invoked(api: Any, tenanted: str, operation: str) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(api, operation)(FunctionName=tenanted, Payload="{}")
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException"
    assert error["Message"] == (
        "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try "
        "again."
    )
