"""The front as real clients see it."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.message import Message
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddock.awsapi import eventstream
from paddock.awsapi.calls import Calls
from paddock.awsapi.front import SHORT_WAY
from paddock.awsapi.limits import MIB
from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.operations import Call, Operations
from paddock.awsapi.plain import PlainRoute
from paddock.model.errors import ApiError, not_found
from tests.awsapi.fronts import SERVICES, Invoked, client, front_of, served
from tests.awsapi.shapes import as_received, outputs, valid_inputs
from tests.awsapi.signing import ACCOUNT, KEY_ID

LAMBDA = SERVICES.named("lambda").model
SHORT = {declaration.name for declaration in SHORT_WAY}
ANSWERED_IN_THE_PIPELINE = [name for name in LAMBDA.operation_names if name not in SHORT]


class Echo:
    """Every operation of Lambda is built: it remembers what it was called with and answers what the test wants."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answer: Mapping[str, Any] = {}
        self.operations = Operations()
        for name in LAMBDA.operation_names:
            self.operations.register("lambda", name, self.handle)

    async def handle(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        return self.answer


def one_operation(name: str, handler: Any, service: str = "lambda") -> Operations:
    operations = Operations()
    operations.register(service, name, handler)
    return operations


async def nothing(_call: Call) -> None:
    return None


def refused(call: Any, **parameters: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = cast("dict[str, Any]", caught.value.response)
    return response | {"Status": response["ResponseMetadata"]["HTTPStatusCode"]}


def fetched(url: str, **options: Any) -> tuple[int, Message, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **options), timeout=10) as response:
            return response.status, response.headers, response.read()
    except HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture(scope="module")
def echo() -> Iterator[tuple[Echo, Any]]:
    handlers = Echo()
    with served(front_of(handlers.operations)) as url:
        yield handlers, client("lambda", url)


@pytest.mark.parametrize("operation", ANSWERED_IN_THE_PIPELINE)
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_boto3_and_the_front_understand_one_another(
    echo: tuple[Echo, Any], operation: str, data: st.DataObject
) -> None:
    handlers, lambda_client = echo
    model = LAMBDA.operation_model(operation)
    sent = data.draw(valid_inputs(model.input_shape))
    handlers.answer = data.draw(outputs(model.output_shape))
    handlers.calls.clear()

    answered = getattr(lambda_client, xform_name(operation))(**sent)

    (call,) = handlers.calls
    assert (call.operation, call.account_id, call.region) == (operation, ACCOUNT, "us-east-1")
    assert call.params == as_received(model.input_shape, sent)
    assert answered.pop("ResponseMetadata")["RequestId"] == call.request_id
    assert answered == handlers.answer


def test_an_operation_not_built_says_so_once_and_is_not_retried() -> None:
    with served(front_of()) as url:
        response = refused(client("lambda", url).list_layers)

    assert response["Status"] == 501
    assert response["Error"] == {
        "Code": "NotImplementedException",
        "Message": "Paddock does not do lambda ListLayers yet; what it does is in docs/reference/parity.md",
    }
    assert response["ResponseMetadata"]["RetryAttempts"] == 0


def test_what_is_not_built_is_still_authenticated_and_checked() -> None:
    with served(front_of()) as url:
        assert (
            refused(client("lambda", url, secret="other").list_layers)["Error"]["Code"] == "InvalidSignatureException"
        )
        response = refused(client("lambda", url).list_layers, MaxItems=1000)
        assert response["Error"]["Code"] == "ValidationException"


def test_a_wrong_region_is_named() -> None:
    with served(front_of()) as url:
        error = refused(client("lambda", url, region="eu-west-1").list_functions)["Error"]

    assert error == {
        "Code": "InvalidSignatureException",
        "Message": "Credential should be scoped to a valid region, not 'eu-west-1'. ",
    }


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("logs", "describe_log_groups", "InvalidSignatureException", 403),
        ("cloudwatch", "list_metrics", "InvalidSignatureException", 403),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch", 403),
        ("ec2", "describe_instances", "AuthFailure", 401),
    ],
)
def test_a_bad_signature_is_refused_in_each_services_words(service: str, call: str, code: str, status: int) -> None:
    with served(front_of()) as url:
        response = refused(getattr(client(service, url, secret="other"), call))

    assert (response["Error"]["Code"], response["Status"]) == (code, status)


def test_an_unsigned_request_is_refused() -> None:
    with served(front_of()) as url:
        status, headers, body = fetched(f"{url}/2015-03-31/functions")

    assert (status, headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    assert json.loads(body) == {"message": "Missing Authentication Token"}
    assert headers["x-amzn-RequestId"]


def test_without_authentication_anything_goes() -> None:
    callers: list[Call] = []

    async def remember(call: Call) -> None:
        callers.append(call)

    with served(front_of(one_operation("ListFunctions", remember), auth="none")) as url:
        client("lambda", url, secret="other", region="eu-west-1").list_functions()
        assert fetched(f"{url}/2015-03-31/functions")[0] == 200

    assert [call.identity.access_key_id for call in callers] == [KEY_ID, ""]
    assert {(call.account_id, call.region) for call in callers} == {(ACCOUNT, "us-east-1")}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:1"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:4600"}, 200),
        ({"Host": "paddock:4600"}, 200),
        ({"Host": "box.localhost:4600"}, 200),
        ({"Host": "localhost:4600", "Origin": "http://localhost:4600"}, 200),
        ({"Host": "localhost:4600", "Origin": "https://evil.example"}, 403),
        ({"Host": "localhost:4600", "Origin": "null"}, 403),
        ({"Host": "rebound.evil.example:4600"}, 403),
        ({"Host": "rebound.evil.example:4600", "Origin": "http://rebound.evil.example:4600"}, 403),
    ],
)
def test_without_authentication_no_web_page_acts_for_whoever_has_it_open(headers: dict[str, str], status: int) -> None:
    with served(front_of(one_operation("ListFunctions", nothing), auth="none")) as url:
        assert fetched(f"{url}/2015-03-31/functions", headers=headers)[0] == status


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "answer"),
    [
        (
            "logs",
            "DescribeLogStreams",
            {"logGroupName": "g"},
            {"logStreams": [{"logStreamName": "s", "storedBytes": 1}]},
        ),
        ("cloudwatch", "ListMetrics", {"Namespace": "AWS/Lambda"}, {"Metrics": [{"MetricName": "Errors"}]}),
        ("sts", "GetCallerIdentity", {}, {"Account": ACCOUNT, "Arn": "arn:aws:iam::1:root", "UserId": ACCOUNT}),
        (
            "ec2",
            "DescribeInstances",
            {"Filters": [{"Name": "tag:a", "Values": ["b", "c"]}], "InstanceIds": ["i-1", "i-2"]},
            {"Reservations": [{"Instances": [{"InstanceId": "i-1", "LaunchTime": datetime(2026, 1, 2, tzinfo=UTC)}]}]},
        ),
    ],
)
def test_other_services_are_spoken_as_well(
    service: str, operation: str, parameters: dict[str, Any], answer: dict[str, Any]
) -> None:
    seen: list[Mapping[str, Any]] = []

    async def handle(call: Call) -> Mapping[str, Any]:
        seen.append(call.params)
        return answer

    with served(front_of(one_operation(operation, handle, service))) as url:
        answered = getattr(client(service, url), xform_name(operation))(**parameters)

    assert seen == [parameters]
    assert {name: answered[name] for name in answer} == answer


def test_a_service_that_is_not_here_is_named() -> None:
    with served(front_of()) as url:
        error = refused(client("iam", url).list_users)["Error"]

    assert error["Code"] == "InvalidAction"
    assert error["Message"].startswith("The service 'iam' is not to be had here; these are: ")


@pytest.mark.parametrize("size", [1, 7 * MIB])
def test_s3_is_refused_in_s3s_own_form_with_what_to_do(size: int) -> None:
    with served(front_of()) as url:
        s3 = client("s3", url)
        error = refused(s3.put_object, Bucket="code", Key="app.zip", Body=b"x" * size)
        alike = refused(s3.list_buckets)

    assert (error["Status"], error["Error"]["Code"]) == (501, "NotImplemented")
    assert error["Error"]["Message"].startswith("Paddock has no S3. Set AWS_ENDPOINT_URL_S3 to ")
    assert error["ResponseMetadata"]["RequestId"] == error["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    assert alike["Error"] == error["Error"]


def test_a_bucket_asked_for_is_not_said_to_be_absent() -> None:
    """A client that heard 404 would go on to make it."""
    with served(front_of()) as url:
        assert refused(client("s3", url).head_bucket, Bucket="code")["Status"] == 501


def test_a_handlers_errors_reach_the_client_as_the_models_exceptions() -> None:
    async def missing(_call: Call) -> None:
        raise not_found("Function not found: f")

    with served(front_of(one_operation("GetFunction", missing))) as url:
        lambda_client = client("lambda", url)
        with pytest.raises(lambda_client.exceptions.ResourceNotFoundException) as caught:
            lambda_client.get_function(FunctionName="f")

    assert caught.value.response["Message"] == "Function not found: f"
    assert caught.value.response["Type"] == "User"


@pytest.mark.parametrize("answer", [None, {"NoSuchMember": 1}, {"LastModified": "a\r\nb"}])
def test_an_unexpected_failure_is_500_without_a_traceback(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_call: Call) -> Mapping[str, Any]:
        if answer is None:
            raise ZeroDivisionError("secret thing")
        return cast("Mapping[str, Any]", answer)

    with served(front_of(one_operation("GetFunctionConfiguration", fail))) as url:
        lambda_client = client("lambda", url)
        if answer and "LastModified" in answer:
            assert lambda_client.get_function_configuration(FunctionName="f")["LastModified"] == "a\r\nb"
            return
        response = refused(lambda_client.get_function_configuration, FunctionName="f")

    assert (response["Error"]["Code"], response["Status"]) == ("ServiceException", 500)
    assert "secret" not in str(response)
    assert response["ResponseMetadata"]["RequestId"] in caplog.text
    assert "ZeroDivisionError" in caplog.text or "NoSuchMember" in caplog.text


def test_too_many_calls_in_progress_are_told_to_come_back() -> None:
    waiting = threading.Event()
    release: list[Any] = []

    async def wait(_call: Call) -> None:
        event = asyncio.Event()
        release.append((asyncio.get_running_loop(), event))
        waiting.set()
        await event.wait()

    with served(front_of(one_operation("ListFunctions", wait), calls=Calls(at_most=1))) as url:
        first = threading.Thread(target=client("lambda", url).list_functions)
        first.start()
        assert waiting.wait(10)
        response = refused(client("lambda", url).list_functions)
        for loop, event in release:
            loop.call_soon_threadsafe(event.set)
        first.join(10)

    assert (response["Error"]["Code"], response["Status"]) == ("TooManyRequestsException", 429)
    assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"


def test_a_call_in_progress_is_cancelled_when_the_server_ends_and_does_not_end_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("paddock.awsapi.calls.CLOSING_GRACE_SECONDS", 0.01)
    waiting = threading.Event()

    async def hang(_call: Call) -> None:
        waiting.set()
        await asyncio.Event().wait()

    def ask(url: str) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011 - the connection ends somehow
            client("lambda", url).list_functions()

    with served(front_of(one_operation("ListFunctions", hang))) as url:
        asking = threading.Thread(target=ask, args=(url,))
        asking.start()
        assert waiting.wait(10)
    asking.join(10)
    assert not asking.is_alive()


# --- the short way ---


@pytest.mark.parametrize(
    ("function", "qualifier", "expected"),
    [
        ("f", None, ("f", None)),
        ("f:1", None, ("f:1", None)),
        ("f", "$LATEST.PUBLISHED", ("f", "$LATEST.PUBLISHED")),
        (
            "arn:aws:lambda:us-east-1:123456789012:function:f:live",
            "live",
            ("arn:aws:lambda:us-east-1:123456789012:function:f:live", "live"),
        ),
    ],
)
def test_an_invoke_reaches_the_router(function: str, qualifier: str | None, expected: tuple[str, str | None]) -> None:
    invoked = Invoked()
    named = {"FunctionName": function} | ({"Qualifier": qualifier} if qualifier else {})
    with served(front_of(invoked=invoked)) as url:
        answered = client("lambda", url).invoke(**named, Payload=b'{"a": 1}')
        assert json.load(answered["Payload"]) == {"a": 1}
        assert answered["ExecutedVersion"] == "1"

    assert invoked.calls == [(*expected, b'{"a": 1}')]


def test_an_invoke_with_a_file_as_payload_is_continued() -> None:
    body = b'"' + b"x" * (3 * MIB) + b'"'
    with served(front_of()) as url:
        answered = client("lambda", url).invoke(FunctionName="f", Payload=io.BytesIO(body))
        assert cast("StreamingBody", answered["Payload"]).read() == body


def test_an_invoke_must_be_signed_and_its_errors_are_lambdas() -> None:
    def throttle(*_given: Any) -> None:
        members = {"Reason": "ConcurrentInvocationLimitExceeded", "retryAfterSeconds": "1", "Type": "User"}
        raise ApiError("TooManyRequestsException", "Rate Exceeded.", members=members)

    with served(front_of(invoked=throttle)) as url:
        response = refused(client("lambda", url, secret="other").invoke, FunctionName="f")
        assert (response["Error"]["Code"], response["Status"]) == ("InvalidSignatureException", 403)
        response = refused(client("lambda", url).invoke, FunctionName="f")
        assert (response["Status"], response["Reason"]) == (429, "ConcurrentInvocationLimitExceeded")


def test_a_streamed_invoke_is_read_by_boto3() -> None:
    def stream(
        _request: Request, responder: Responder, request_id: str, _function: str, _qualifier: str | None
    ) -> None:
        out = responder.start(200, (("Content-Type", eventstream.CONTENT_TYPE), ("x-amzn-RequestId", request_id)))
        out.write(eventstream.payload_chunk(b"one"))
        out.write(eventstream.payload_chunk(b"two"))
        out.write(eventstream.invoke_complete())
        out.end()

    with served(front_of(invoked=stream)) as url:
        answered = client("lambda", url).invoke_with_response_stream(FunctionName="f")
        events = list(answered["EventStream"])

    assert events == [
        {"PayloadChunk": {"Payload": b"one"}},
        {"PayloadChunk": {"Payload": b"two"}},
        {"InvokeComplete": {}},
    ]


@pytest.mark.parametrize(
    ("path", "size", "named"),
    [
        ("/2015-03-31/functions/f/invocations", 7 * MIB, "6291456 bytes for the InvokeFunction operation"),
        ("/2015-03-31/functions", 71_000_000, "70167211 bytes for the CreateFunction operation"),
        ("/2017-10-31/anything", 7 * MIB, "6291456 bytes"),
    ],
)
def test_a_body_that_is_too_large_is_refused_by_name(path: str, size: int, named: str) -> None:
    with served(front_of()) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        response = connection.getresponse()
        document = json.loads(response.read())
        connection.close()

    assert (response.status, response.headers["x-amzn-ErrorType"]) == (413, "RequestEntityTooLargeException")
    assert document["message"] == f"Request must be smaller than {named}"


def test_code_of_fifty_megabytes_is_taken() -> None:
    sizes: list[int] = []

    async def measure(call: Call) -> None:
        sizes.append(len(call.params["ZipFile"]))

    with served(front_of(one_operation("UpdateFunctionCode", measure))) as url:
        client("lambda", url).update_function_code(FunctionName="f", ZipFile=bytes(50 * MIB))

    assert sizes == [50 * MIB]


# --- paths outside AWS's API ---


def test_plain_routes_need_no_signature_and_may_wait() -> None:
    def health(_request: Request, responder: Responder) -> None:
        responder.send(200, (), b"ok")

    async def below(request: Request, responder: Responder) -> None:
        await asyncio.sleep(0)
        if request.path.endswith("missing"):
            raise ApiError("AccessDenied", "no such link", status=403)
        if request.path.endswith("broken"):
            raise KeyError(request.path)
        responder.send(200, (), request.path.encode())

    routes = [
        PlainRoute("/health", health),
        PlainRoute("/_paddock/", below, prefix=True),
        PlainRoute("/_paddock/code/", health, prefix=True),
    ]
    with served(front_of(plain_routes=routes)) as url:
        assert fetched(f"{url}/health")[2] == b"ok"
        assert fetched(f"{url}/healthy")[0] == 403
        assert fetched(f"{url}/_paddock/x")[2] == b"/_paddock/x"
        assert fetched(f"{url}/_paddock/code/1")[2] == b"ok"
        assert fetched(f"{url}/_paddock/missing")[0] == 403
        assert fetched(f"{url}/_paddock/broken")[0] == 500


def test_a_plain_route_that_fails_in_the_middle_of_a_stream_cuts_it() -> None:
    async def half(_request: Request, responder: Responder) -> None:
        responder.start(200, ()).write(b"half")
        raise KeyError("x")

    with served(front_of(plain_routes=[PlainRoute("/half", half)])) as url:
        with pytest.raises((http.client.HTTPException, OSError)):
            fetched(f"{url}/half")
        with pytest.raises((http.client.HTTPException, OSError)):
            fetched(f"{url}/half")


def test_an_operation_is_registered_once() -> None:
    operations = one_operation("GetFunction", nothing)

    with pytest.raises(ValueError, match="lambda GetFunction is registered twice"):
        operations.register("lambda", "GetFunction", nothing)
