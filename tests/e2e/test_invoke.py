"""Invoking through real boto3: what comes back, what is refused, and what one bad function does to its neighbours."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import Server, create_function, eventually, invoke, package

pytestmark = pytest.mark.e2e


def test_an_answer_carries_version_request_id_and_context(api: Any, function: str) -> None:
    response = api.invoke(FunctionName=function, Payload=b'{"do": "echo", "n": 1}')
    answer = json.loads(response["Payload"].read())

    assert response["StatusCode"] == 200
    assert response["ExecutedVersion"] == "$LATEST.PUBLISHED"
    assert answer["request_id"] == response["ResponseMetadata"]["RequestId"]
    assert answer["event"] == {"do": "echo", "n": 1}
    assert answer["version"] == "$LATEST.PUBLISHED"
    assert answer["memory"] == "2048"
    assert 4000 < answer["remaining_ms"] <= 5000


def test_an_empty_payload_is_an_empty_object(api: Any, function: str) -> None:
    response = api.invoke(FunctionName=function)

    assert json.loads(response["Payload"].read())["event"] == {}


def test_several_invocations_share_one_environment(api: Any, function: str) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: invoke(api, function, {"do": "wait", "seconds": 1}), range(12)))

    environments = {answer["environment"] for answer in answers}
    assert len(environments) == 3
    assert len({(answer["environment"], answer["pid"]) for answer in answers}) == 12


def test_beyond_capacity_the_caller_gets_429_at_once_and_nothing_hangs(server: Server, api: Any, provider: str) -> None:
    create_function(api, provider, "small", max_concurrency=1)
    client = server.client("lambda", max_pool_connections=64)

    def attempt(_: int) -> Any:
        try:
            return invoke(client, "small", {"do": "wait", "seconds": 2})["version"]
        except ClientError as error:
            return error.response

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(attempt, range(20)))

    refused = [outcome for outcome in outcomes if outcome != "$LATEST.PUBLISHED"]
    assert len(refused) == 17
    assert {each["Error"]["Code"] for each in refused} == {"TooManyRequestsException"}
    assert {each["Reason"] for each in refused} == {"ConcurrentInvocationLimitExceeded"}
    assert {each["ResponseMetadata"]["HTTPStatusCode"] for each in refused} == {429}
    assert all(each["ResponseMetadata"]["HTTPHeaders"]["retry-after"] for each in refused)


def test_dry_run_runs_nothing(api: Any, function: str) -> None:
    response = api.invoke(FunctionName=function, InvocationType="DryRun")

    assert response["StatusCode"] == 204


def test_tail_logs_are_refused_as_aws_refuses_them(api: Any, function: str) -> None:
    with pytest.raises(
        ClientError, match="Tail logs are not supported for functions configured with capacity provider"
    ):
        api.invoke(FunctionName=function, LogType="Tail")


def test_the_client_context_reaches_the_function(api: Any, function: str) -> None:
    context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()

    assert invoke(api, function, {}, ClientContext=context)["event"] == {}


def test_latest_is_never_invocable(api: Any, provider: str, function: str) -> None:
    with pytest.raises(ClientError, match=r"can't be invoked with \$LATEST qualifier"):
        api.invoke(FunctionName=function, Qualifier="$LATEST")
    create_function(api, provider, "unpublished", publish=False)
    with pytest.raises(ClientError, match="no published version exists") as caught:
        api.invoke(FunctionName="unpublished")
    assert caught.value.response["Error"]["Code"] == "NoPublishedVersionException"


@pytest.mark.parametrize(
    ("name", "qualifier", "code"),
    [("nowhere", None, "ResourceNotFoundException"), ("shared", "77", "ResourceNotFoundException")],
)
def test_unknown_names_are_not_found(api: Any, function: str, name: str, qualifier: str | None, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        api.invoke(FunctionName=name, **({"Qualifier": qualifier} if qualifier else {}))

    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_payload_that_is_no_json_is_refused_before_any_runtime_sees_it(api: Any, function: str) -> None:
    with pytest.raises(ClientError) as caught:
        api.invoke(FunctionName=function, Payload=b"{not json")

    assert caught.value.response["Error"]["Code"] == "InvalidRequestContentException"
    assert invoke(api, function, {})["event"] == {}


def test_a_payload_beyond_six_megabytes_is_refused(api: Any, function: str) -> None:
    with pytest.raises(ClientError) as caught:
        api.invoke(FunctionName=function, Payload=b'"' + b"x" * 6_291_600 + b'"')

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert caught.value.response["Error"]["Code"] == "RequestEntityTooLargeException"


def test_an_answer_of_six_megabytes_passes_and_one_of_seven_is_a_function_error(api: Any, function: str) -> None:
    assert len(invoke(api, function, {"do": "big", "bytes": 6_000_000})) == 6_000_000

    error = invoke(api, function, {"do": "big", "bytes": 7_000_000})["error"]
    assert error["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_raising_handler_is_a_function_error_with_its_type(api: Any, function: str) -> None:
    error = invoke(api, function, {"do": "fail", "text": "no such order"})["error"]

    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no such order")


def test_a_timeout_is_a_function_error_and_the_environment_goes_on(api: Any, provider: str) -> None:
    create_function(api, provider, "hangs", Timeout=1)

    error = invoke(api, "hangs", {"do": "wait", "seconds": 3})["error"]

    assert error["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in error["errorMessage"]
    assert invoke(api, "hangs", {})["event"] == {}


def test_a_function_that_exits_fails_only_its_own_invocation(api: Any, provider: str) -> None:
    create_function(api, provider, "leaves")
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(invoke, api, "leaves", {"do": "wait", "seconds": 2}) for _ in range(3)]
        error = invoke(api, "leaves", {"do": "leave"})["error"]
        answers = [future.result() for future in waiting]

    assert error["errorType"] == "Runtime.ExitError"
    assert all("error" not in answer for answer in answers)
    assert invoke(api, "leaves", {})["event"] == {}


def test_fifty_megabytes_of_output_and_a_forking_function_disturb_nobody(
    api: Any, provider: str, function: str
) -> None:
    create_function(api, provider, "noisy", Timeout=60)
    with ThreadPoolExecutor(2) as pool:
        flood = pool.submit(invoke, api, "noisy", {"do": "flood", "kilobytes": 50 * 1024})
        fork = pool.submit(invoke, api, "noisy", {"do": "fork", "times": 20})
        neighbours = [invoke(api, function, {"n": n})["event"] for n in range(20)]

    assert neighbours == [{"n": n} for n in range(20)]
    assert len(fork.result()["children"]) == 20
    assert flood.result() == {"printed": 50 * 1024}


def test_a_handler_that_does_not_import_fails_its_publish_with_the_runtimes_error(api: Any, provider: str) -> None:
    create_function(
        api, provider, "broken", publish=False, Handler="broken.handler", Code={"ZipFile": package("broken.py")}
    )
    version = api.publish_version(FunctionName="broken")["Version"]

    state = _settled(api, "broken", version)

    assert state["State"] == "Failed"
    assert state["StateReasonCode"] == "FunctionError.RuntimeInitError"
    assert "a_module_that_is_nowhere" in state["StateReason"] or "Runtime.ImportModuleError" in state["StateReason"]


def test_a_function_that_exits_at_import_fails_its_publish(api: Any, provider: str) -> None:
    create_function(
        api, provider, "exits", publish=False, Handler="exits.handler", Code={"ZipFile": package("exits.py")}
    )
    version = api.publish_version(FunctionName="exits")["Version"]

    assert _settled(api, "exits", version)["State"] == "Failed"


def _settled(api: Any, name: str, version: str) -> Any:
    def read() -> Any:
        return api.get_function_configuration(FunctionName=name, Qualifier=version)

    assert eventually(lambda: read()["State"] != "Pending")
    return read()


def test_environment_variables_are_lambdas_and_the_customers(api: Any, provider: str) -> None:
    create_function(api, provider, "variables", Environment={"Variables": {"GREETING": "hello"}})

    seen = invoke(api, "variables", {"do": "variables"})

    assert seen["GREETING"] == "hello"
    assert seen["AWS_LAMBDA_MAX_CONCURRENCY"] == "4"
    assert seen["AWS_LAMBDA_INITIALIZATION_TYPE"] == "lambda-managed-instances"
    assert seen["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    assert seen["TZ"] == ":UTC"
    assert "PADDOCK_RUNTIMES_DIR" not in seen
    assert not {name for name in seen if name.startswith("PADDOCK")}


def test_an_asynchronous_invoke_is_accepted_and_runs(api: Any, function: str, server: Server) -> None:
    accepted = api.invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps({"do": "log", "text": "from-async"}).encode()
    )

    assert accepted["StatusCode"] == 202
    assert _logged(server, function, "from-async")


def _logged(server: Server, function: str, text: str) -> bool:
    logs = server.client("logs")
    group = f"/aws/lambda/{function}"
    return eventually(
        lambda: bool(logs.filter_log_events(logGroupName=group, filterPattern=f'"{text}"')["events"]), seconds=20
    )
