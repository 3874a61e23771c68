"""Functions without a capacity provider, through real boto3: they run as default Lambda does."""

from __future__ import annotations

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.launchers.processes import all_stats, environ_holds
from tests.e2e.conftest import QUICKLY, ROLE, Server, eventually, invoke, package

pytestmark = pytest.mark.e2e


def create(api: Any, name: str, *files: str, **more: Any) -> str:
    """A Python function with Lambda's defaults, unless told otherwise."""
    arguments = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "plain.handler",
        "Role": ROLE,
        "Code": {"ZipFile": package(*(files or ("plain.py",)))},
    } | more
    api.create_function(**arguments)
    api.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    return name


@pytest.fixture(scope="module")
def default(api: Any) -> str:
    return create(api, "default")


def test_defaults_are_those_of_lambda(api: Any, default: str) -> None:
    shown = api.get_function_configuration(FunctionName=default)

    assert (shown["MemorySize"], shown["Timeout"], shown["State"]) == (128, 3, "Active")
    assert shown["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/default"}
    assert "CapacityProviderConfig" not in shown


def test_latest_is_invoked_in_one_environment_again_and_again(api: Any, default: str) -> None:
    answers = [invoke(api, default, {"n": n}) for n in range(3)]

    assert {answer["version"] for answer in answers} == {"$LATEST"}
    assert [answer["event"] for answer in answers] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert len({answer["environment"] for answer in answers}) == 1


def test_the_runtime_runs_one_request_at_a_time_and_knows_it(api: Any, default: str) -> None:
    variables = invoke(api, default, {"do": "variables"})

    assert variables["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert "AWS_LAMBDA_MAX_CONCURRENCY" not in variables


def test_requests_at_once_have_an_environment_each(api: Any, default: str) -> None:
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: invoke(api, default, {"do": "wait", "seconds": 2}), range(5)))

    assert len({answer["environment"] for answer in answers}) == 5


def test_the_tail_of_the_log_comes_with_the_answer(api: Any, default: str) -> None:
    create(api, "tailed")
    first, second = (
        base64.b64decode(
            api.invoke(FunctionName="tailed", LogType="Tail", Payload=json.dumps({"do": "log", "text": text}))[
                "LogResult"
            ]
        ).decode()
        for text in ("one", "two")
    )

    assert re.fullmatch(
        r"START RequestId: (\S+) Version: \$LATEST\n"
        r'(\{"said": "one"\}\none|one\n\{"said": "one"\})\n'
        r"END RequestId: \1\n"
        r"REPORT RequestId: \1\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n",
        first,
    )
    assert "one" not in second
    assert "Init Duration" not in second


def test_the_log_is_kept_as_text(server: Server, api: Any) -> None:
    create(api, "logged")
    invoke(api, "logged", {"do": "log", "text": "something said"})
    logs = server.client("logs")

    def messages() -> list[str]:
        try:
            events = logs.filter_log_events(logGroupName="/aws/lambda/logged")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"].rstrip() for event in events]

    assert eventually(lambda: any(line.startswith("REPORT") for line in messages()))
    kinds = [line.split()[0] for line in messages() if line.split()[0].isupper()]
    assert kinds == ["INIT_START", "START", "END", "REPORT"]
    assert "something said" in messages()


def test_a_function_error_leaves_the_environment_as_it_is(api: Any, default: str) -> None:
    failed = invoke(api, default, {"do": "fail", "text": "on purpose"})

    assert failed["error"]["errorMessage"] == "on purpose"
    assert invoke(api, default, {})["version"] == "$LATEST"


def test_a_timeout_ends_the_environment_and_the_next_request_has_a_new_one(api: Any) -> None:
    create(api, "slow", Timeout=1)
    before = invoke(api, "slow", {})["environment"]
    late = invoke(api, "slow", {"do": "wait", "seconds": 30})
    after = invoke(api, "slow", {})["environment"]

    assert late["error"]["errorType"] == "Sandbox.Timedout"
    assert late["error"]["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert before != after


def test_a_process_that_ends_is_told_to_the_caller_and_replaced(api: Any) -> None:
    create(api, "leaving")
    before = invoke(api, "leaving", {})["environment"]
    left = invoke(api, "leaving", {"do": "leave"})

    assert left["error"]["errorType"] == "Runtime.ExitError"
    assert left["error"]["errorMessage"].endswith("Error: Runtime exited with error: exit status 1")
    assert invoke(api, "leaving", {})["environment"] != before


def test_an_init_that_fails_is_the_answer_of_each_invocation(api: Any) -> None:
    create(api, "unimportable", Handler="missing.handler")
    for _ in range(2):
        failed = invoke(api, "unimportable", {})
        assert failed["error"]["errorType"] == "Runtime.ImportModuleError"
        assert "No module named 'missing'" in failed["error"]["errorMessage"]


def test_an_update_is_in_force_when_it_is_successful(api: Any) -> None:
    create(api, "updated")
    assert invoke(api, "updated", {})["memory"] == "128"
    changed = api.update_function_configuration(FunctionName="updated", MemorySize=256)
    assert changed["LastUpdateStatus"] == "InProgress"
    api.get_waiter("function_updated_v2").wait(FunctionName="updated", WaiterConfig=QUICKLY)

    assert invoke(api, "updated", {})["memory"] == "256"


def test_versions_and_aliases_are_invoked_by_their_names(api: Any) -> None:
    create(api, "numbered", Publish=True)
    api.get_waiter("published_version_active").wait(FunctionName="numbered", Qualifier="1", WaiterConfig=QUICKLY)
    api.create_alias(FunctionName="numbered", Name="live", FunctionVersion="1")

    assert invoke(api, "numbered", {}, Qualifier="1")["version"] == "1"
    assert invoke(api, "numbered", {}, Qualifier="live")["version"] == "1"
    assert invoke(api, "numbered", {})["version"] == "$LATEST"


def test_reserved_concurrency_throttles_what_is_beyond_it(api: Any) -> None:
    create(api, "reserved")
    api.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as throttled:
        invoke(api, "reserved", {})
    api.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=2)

    def attempt(_: int) -> str:
        try:
            return str(invoke(api, "reserved", {"do": "wait", "seconds": 2})["version"])
        except ClientError as error:
            return reason(error)

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(attempt, range(4)))
    api.delete_function_concurrency(FunctionName="reserved")

    assert throttled.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert reason(throttled.value) == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert outcomes == ["$LATEST", "$LATEST", *["ReservedFunctionConcurrentInvocationLimitExceeded"] * 2]
    assert "ReservedConcurrentExecutions" not in api.get_function_concurrency(FunctionName="reserved")


def test_provisioned_environments_are_ready_before_the_first_request(api: Any) -> None:
    create(api, "provisioned", Publish=True)
    api.create_alias(FunctionName="provisioned", Name="live", FunctionVersion="1")
    api.put_provisioned_concurrency_config(
        FunctionName="provisioned", Qualifier="live", ProvisionedConcurrentExecutions=2
    )

    def status() -> Any:
        return api.get_provisioned_concurrency_config(FunctionName="provisioned", Qualifier="live")

    assert eventually(lambda: status()["Status"] == "READY")
    assert status()["AvailableProvisionedConcurrentExecutions"] == 2
    variables = invoke(api, "provisioned", {"do": "variables"}, Qualifier="live")
    assert variables["AWS_LAMBDA_INITIALIZATION_TYPE"] == "provisioned-concurrency"
    api.delete_provisioned_concurrency_config(FunctionName="provisioned", Qualifier="live")
    with pytest.raises(ClientError, match="No Provisioned Concurrency Config found"):
        status()


def test_a_deleted_function_is_gone_at_once(api: Any) -> None:
    create(api, "brief")
    invoke(api, "brief", {})
    deleted = api.delete_function(FunctionName="brief")

    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(api.exceptions.ResourceNotFoundException):
        invoke(api, "brief", {})


def test_an_idle_environment_ends(own_server: Any, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "settings.yaml").write_text("default_lambda_idle_seconds: 2\n")
    server = own_server()
    api = server.client("lambda")
    create(api, "resting")
    first = invoke(api, "resting", {})

    assert _runs(first["environment"])
    assert eventually(lambda: not _runs(first["environment"]), 30)
    assert invoke(api, "resting", {})["environment"] != first["environment"]


def test_it_does_not_matter_which_router_is_asked(own_server: Any) -> None:
    server = own_server("--routers", "2")
    create(server.client("lambda"), "routed")
    clients = [server.client("lambda") for _ in range(6)]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda client: invoke(client, "routed", {"do": "wait", "seconds": 1}), clients))

    assert len({answer["environment"] for answer in answers}) == 6


def test_status_shows_what_runs_and_why(server: Server, api: Any, default: str) -> None:
    invoke(api, default, {})
    said = server.paddock("status").stdout

    assert "default Lambda" in said
    assert re.search(r"\d invocations? waits? and", said)


def test_its_instance_is_not_shown_as_one_of_the_customers(server: Server, default: str) -> None:
    reservations = server.client("ec2").describe_instances(IncludeManagedResources=True)["Reservations"]

    types = {instance["InstanceType"] for each in reservations for instance in each["Instances"]}
    assert "default-lambda" not in types


def reason(error: ClientError) -> str:
    response: Any = error.response
    return str(response["Reason"])


def _runs(environment: str) -> bool:
    """Process ids are of no use: those of an environment are its own."""
    marker = f"AWS_LAMBDA_LOG_STREAM_NAME={environment}".encode()
    return any(environ_holds(stat.pid, marker) for stat in all_stats())
