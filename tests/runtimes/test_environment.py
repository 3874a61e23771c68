"""The variables of an environment's processes, by tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

import pytest

from paddock.runtimes.environment import (
    AWS_LAYOUT,
    CredentialEndpoint,
    EnvironmentFacts,
    Layout,
    MetadataEndpoint,
    PackageType,
    ProcessKind,
    managed_environment,
)

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
FACTS = EnvironmentFacts(
    function_name="orders",
    version="7",
    memory_mb=4096,
    handler="app.handler",
    region="eu-central-1",
    runtime_api="127.0.0.1:9001",
    log_group="/aws/lambda/orders",
    log_stream="2026/01/01/[7]abc",
    max_concurrency=32,
    credentials=CREDENTIALS,
)
COMMON = {
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_LAMBDA_FUNCTION_NAME": "orders",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "4096",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    **CREDENTIALS,
}
ZIP_ONLY = {
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": (
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
    ),
}
RUNTIME_ONLY = {
    "AWS_LAMBDA_MAX_CONCURRENCY": "32",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[7]abc",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
    "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
    "_AWS_XRAY_DAEMON_PORT": "2000",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
}


@pytest.mark.parametrize(
    ("package_type", "process", "expected"),
    [
        (PackageType.ZIP, ProcessKind.RUNTIME, COMMON | ZIP_ONLY | RUNTIME_ONLY | {"_HANDLER": "app.handler"}),
        (PackageType.ZIP, ProcessKind.EXTENSION, COMMON | ZIP_ONLY),
        (PackageType.IMAGE, ProcessKind.RUNTIME, COMMON | RUNTIME_ONLY | {"AWS_EXECUTION_ENV": "AWS_Lambda_Image"}),
        (PackageType.IMAGE, ProcessKind.EXTENSION, COMMON),
    ],
)
def test_each_kind_of_process_gets_exactly_its_set(
    package_type: PackageType, process: ProcessKind, expected: dict[str, str]
) -> None:
    assert managed_environment(replace(FACTS, package_type=package_type), AWS_LAYOUT, process) == expected


def test_default_lambda_has_no_maximum_concurrency() -> None:
    variables = managed_environment(replace(FACTS, max_concurrency=None), AWS_LAYOUT, ProcessKind.RUNTIME)
    assert "AWS_LAMBDA_MAX_CONCURRENCY" not in variables
    assert variables["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"


def test_what_is_only_sometimes_known_is_only_then_set() -> None:
    facts = replace(
        FACTS,
        log_level="WARN",
        metadata=MetadataEndpoint("127.0.0.1:9002", "bearer"),
        telemetry_socket=PurePath("/run/logs.sock"),
    )
    added = {
        "AWS_LAMBDA_LOG_LEVEL": "WARN",
        "AWS_LAMBDA_METADATA_API": "127.0.0.1:9002",
        "AWS_LAMBDA_METADATA_TOKEN": "bearer",
    }
    assert managed_environment(facts, AWS_LAYOUT, ProcessKind.EXTENSION) == COMMON | ZIP_ONLY | added
    runtime = managed_environment(facts, AWS_LAYOUT, ProcessKind.RUNTIME)
    assert runtime["_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"] == "/run/logs.sock"


@pytest.mark.parametrize("process", list(ProcessKind))
def test_a_customer_overrides_the_eight_and_nothing_else(process: ProcessKind) -> None:
    customer = {
        "TZ": "Europe/Berlin",
        "PATH": "/mine",
        "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
        "AWS_REGION": "mine",
        "_HANDLER": "mine",
        "_AWS_XRAY_DAEMON_PORT": "mine",
        "AWS_LAMBDA_MAX_CONCURRENCY": "9999",
        "AWS_EXECUTION_ENV": "mine",
        "_X": "mine",
        "TABLE": "orders",
    }
    plain = managed_environment(FACTS, AWS_LAYOUT, process)
    expected = plain | {"TZ": "Europe/Berlin", "PATH": "/mine", "AWS_LAMBDA_LOG_LEVEL": "DEBUG", "TABLE": "orders"}
    assert managed_environment(replace(FACTS, customer=customer), AWS_LAYOUT, process) == expected


def test_without_a_mount_namespace_the_places_are_the_real_directories() -> None:
    layout = Layout(PurePath("/e/task"), PurePath("/r/runtime"), PurePath("/r/lang"), PurePath("/e/opt"))
    variables = managed_environment(FACTS, layout, ProcessKind.RUNTIME)
    assert variables["LAMBDA_TASK_ROOT"] == "/e/task"
    assert variables["LAMBDA_RUNTIME_DIR"] == "/r/runtime"
    assert variables["PATH"] == "/r/lang/bin:/usr/local/bin:/usr/bin/:/bin:/e/opt/bin"
    assert not [name for name, value in variables.items() if "/var/" in value or ":/opt" in value]


def test_secrets_do_not_show_when_the_facts_are_printed() -> None:
    facts = replace(FACTS, customer={"PASSWORD": "hunter2"}, metadata=MetadataEndpoint("a:1", "bearer"))
    assert not [secret for secret in ("secret", "hunter2", "bearer") if secret in repr(facts)]


def test_where_sdks_can_fetch_credentials_they_are_no_variables() -> None:
    """Static keys win over an endpoint in every SDK, and are never renewed."""
    facts = replace(FACTS, credential_endpoint=CredentialEndpoint("http://127.0.0.1:1/credentials", "bearer"))
    variables = managed_environment(facts, AWS_LAYOUT, ProcessKind.RUNTIME)
    assert not CREDENTIALS.keys() & variables.keys()
    assert variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:1/credentials"
    assert variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == "bearer"
    assert "bearer" not in repr(facts)


def test_a_customers_own_credential_endpoint_is_left_alone() -> None:
    endpoint = CredentialEndpoint("http://127.0.0.1:1/credentials", "bearer")
    customer = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:2/mine"}
    facts = replace(FACTS, credential_endpoint=endpoint, customer=customer)
    variables = managed_environment(facts, AWS_LAYOUT, ProcessKind.RUNTIME)
    assert variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:2/mine"
    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN" not in variables
    assert not CREDENTIALS.keys() & variables.keys()
