from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from botocore import parsers
from hypothesis import given
from hypothesis import strategies as st

from paddock.awsapi.messages import Request
from paddock.awsapi.routes import Route, RouteTable
from paddock.awsapi.services import Service, Services
from paddock.model.errors import ApiError, PlatformError, invalid_parameter, not_found

SERVICES = Services()
LAMBDA = SERVICES.named("lambda")
FUNCTIONS = "/2015-03-31/functions"


def request(method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> Request:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request(method, path.encode(), path, query, named, body)


def refused(service: Service, asked: Request) -> ApiError:
    with pytest.raises(ApiError) as caught:
        service.parse(asked)
    return caught.value


def code_of(service: Service, asked: Request) -> str:
    try:
        service.parse(asked)
    except ApiError as error:
        return error.code
    return ""


def test_an_arn_in_a_path_is_decoded() -> None:
    parsed = LAMBDA.parse(request("GET", f"{FUNCTIONS}/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af"))

    assert parsed.name == "GetFunction"
    assert parsed.parameters == {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:f"}


def test_a_slash_inside_a_label_stays_inside() -> None:
    path = "/2025-12-01/durable-executions/arn%3Aaws%3Alambda%3A%3A%3Af%2Fdurable%2F1/history"

    parsed = LAMBDA.parse(request("GET", path, "MaxItems=7&ReverseOrder=true"))

    assert parsed.parameters == {
        "DurableExecutionArn": "arn:aws:lambda:::f/durable/1",
        "MaxItems": 7,
        "ReverseOrder": True,
    }


def test_the_query_tells_operations_at_one_path_apart() -> None:
    assert LAMBDA.parse(request("GET", "/2018-10-31/layers")).name == "ListLayers"
    assert LAMBDA.parse(request("GET", "/2018-10-31/layers", "find=LayerVersion&Arn=a")).name == "GetLayerVersionByArn"


def test_a_slash_at_the_end_is_what_older_sdks_send() -> None:
    assert LAMBDA.parse(request("GET", f"{FUNCTIONS}/")).name == "ListFunctions"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/2015-03-31"), ("PATCH", FUNCTIONS), ("GET", f"{FUNCTIONS}//code"), ("GET", "//")],
)
def test_a_path_of_no_operation(method: str, path: str) -> None:
    error = refused(LAMBDA, request(method, path))

    assert (error.code, error.status) == ("UnknownOperationException", 404)


def test_literals_win_over_labels_and_greedy_labels_take_the_rest() -> None:
    table = RouteTable(
        [Route("GET", "/a/{X}/c", "label"), Route("GET", "/a/b/{Y}", "literal"), Route("GET", "/g/{Rest+}", "greedy")]
    )

    found = [table.match("GET", path, "") for path in ("/a/b/c", "/a/x/c", "/a/b/d", "/g/1/2%2F3", "/a/x/d")]

    assert [match and (match.operation, match.labels) for match in found] == [
        ("literal", {"Y": "c"}),
        ("label", {"X": "x"}),
        ("literal", {"Y": "d"}),
        ("greedy", {"Rest": "1/2/3"}),
        None,
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Could not parse request body into json: "),
        (b"\xff", "Could not parse request body into json: "),
        (b"[" * 100_000, "Could not parse request body into json: "),
        (b"[]", "Start of list found where not expected"),
        (b'"x"', "STRING_VALUE can not be converted to a Structure"),
        (b'{"Timeout": "5"}', "STRING_VALUE can not be converted to an Integer"),
        (b'{"Timeout": 1.5}', "DECIMAL_VALUE can not be converted to an Integer"),
        (b'{"Timeout": 99999999999}', "NUMBER_VALUE can not be converted to an Integer"),
        (b'{"Timeout": true}', "TRUE_VALUE can not be converted to an Integer"),
        (b'{"Role": 5}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"Role": {}}', "Start of structure or map found where not expected."),
        (b'{"Publish": "yes"}', "STRING_VALUE can not be converted to a Boolean"),
        (b'{"Code": {"ZipFile": "no base64!"}}', "STRING_VALUE can not be converted to a Blob"),
        (b'{"Layers": "one"}', "STRING_VALUE can not be converted to a List"),
        (b'{"Tags": ["a"]}', "Start of list found where not expected"),
    ],
)
def test_a_body_of_wrong_types(body: bytes, message: str) -> None:
    error = refused(LAMBDA, request("POST", FUNCTIONS, body=body))

    assert (error.code, error.status) == ("SerializationException", 400)
    assert error.message.startswith(message)


@pytest.mark.parametrize(("value", "kind"), [("x", "an Integer"), ("1_0", "an Integer"), ("", "an Integer")])
def test_a_query_of_wrong_types(value: str, kind: str) -> None:
    error = refused(LAMBDA, request("GET", FUNCTIONS, f"MaxItems={value}"))

    assert error.message == f"'{value}' can not be converted to {kind}"


@given(st.binary(max_size=60), st.text(max_size=30))
def test_no_body_or_query_makes_parsing_fail_otherwise(body: bytes, query: str) -> None:
    for asked in (
        request("POST", FUNCTIONS, query.encode("ascii", "ignore").decode(), body),
        request("PUT", f"{FUNCTIONS}/f/code", "", b'{"ZipFile":' + body + b"}"),
    ):
        assert code_of(LAMBDA, asked) in {"", "SerializationException"}


@given(st.text(max_size=80))
def test_no_form_makes_parsing_fail_otherwise(text: str) -> None:
    fields = f"Action=DescribeInstances&Version=2016-11-15&Filter.1.{text}&InstanceId.{text}=x"
    asked = request("POST", "/", body=fields.encode())
    assert code_of(SERVICES.named("ec2"), asked) in {"", "SerializationException", "MalformedInput"}


def test_json_null_is_nothing() -> None:
    assert LAMBDA.parse(request("POST", FUNCTIONS, body=b'{"FunctionName":"f","Role":null}')).parameters == {
        "FunctionName": "f"
    }


def test_lambda_errors_have_their_shapes_status_and_spelling() -> None:
    reply = LAMBDA.codec(request("GET", "/")).serialise_error(not_found("Function not found: f"), "r-1")
    assert reply.status == 404
    assert json.loads(reply.body) == {"Type": "User", "Message": "Function not found: f"}
    assert ("x-amzn-ErrorType", "ResourceNotFoundException") in reply.headers
    assert ("x-amzn-RequestId", "r-1") in reply.headers

    reply = LAMBDA.codec(request("GET", "/")).serialise_error(invalid_parameter("no"), "r-1")
    assert (reply.status, json.loads(reply.body)) == (400, {"Type": "User", "message": "no"})

    reply = LAMBDA.codec(request("GET", "/")).serialise_error(PlatformError("oops"), "r-1")
    assert reply.status == 500


def test_a_throttle_says_when_to_come_back() -> None:
    members = {"Reason": "ConcurrentInvocationLimitExceeded", "Type": "User", "retryAfterSeconds": "1"}

    reply = LAMBDA.codec(request("GET", "/")).serialise_error(
        ApiError("TooManyRequestsException", "Rate Exceeded.", members=members), "r-1"
    )

    assert reply.status == 429
    assert ("Retry-After", "1") in reply.headers
    assert json.loads(reply.body)["Reason"] == "ConcurrentInvocationLimitExceeded"


@pytest.mark.parametrize(
    ("service", "protocol", "code"),
    [
        ("logs", "json", "AccessDeniedException"),
        ("cloudwatch", "json", "AccessDeniedException"),
        ("sts", "query", "AccessDenied"),
        ("ec2", "ec2", "UnauthorizedOperation"),
    ],
)
def test_botocore_reads_the_errors_of_every_protocol(service: str, protocol: str, code: str) -> None:
    spoken = SERVICES.named(service)
    reply = spoken.codec(request("POST", "/")).serialise_error(
        ApiError("AccessDeniedException", "no <access> & more", status=403), "r-1"
    )

    parsed = parsers.create_parser(protocol).parse(
        {"status_code": reply.status, "headers": {k.lower(): v for k, v in reply.headers}, "body": reply.body},
        spoken.model.operation_model(spoken.model.operation_names[0]).output_shape,  # type: ignore[arg-type]
    )

    assert (reply.status, parsed["Error"]["Code"]) == (403, code)
    assert parsed["Error"]["Message"] == "no <access> & more"
    assert parsed["ResponseMetadata"]["RequestId"] == "r-1"


def test_ec2_answers_a_bad_signature_with_auth_failure() -> None:
    reply = (
        SERVICES.named("ec2")
        .codec(request("POST", "/"))
        .serialise_error(ApiError("InvalidSignatureException", "x", status=403), "r-1")
    )

    assert reply.status == 401
    assert ET.fromstring(reply.body).findtext("Errors/Error/Code") == "AuthFailure"


def test_cloudwatch_speaks_to_older_clients_in_forms() -> None:
    cloudwatch = SERVICES.named("cloudwatch")
    asked = request(
        "POST",
        "/",
        body=b"Action=ListMetrics&Version=2010-08-01&Dimensions.member.1.Name=FunctionName",
        content_type="application/x-www-form-urlencoded; charset=utf-8",
    )

    assert cloudwatch.parse(asked).parameters == {"Dimensions": [{"Name": "FunctionName"}]}
    reply = cloudwatch.codec(asked).serialise(cloudwatch.model.operation_model("ListMetrics"), {"NextToken": "t"}, "r")
    namespace = "{http://monitoring.amazonaws.com/doc/2010-08-01/}"
    assert ET.fromstring(reply.body).findtext(f"{namespace}ListMetricsResult/{namespace}NextToken") == "t"


def test_an_unknown_operation_of_each_protocol() -> None:
    assert refused(SERVICES.named("logs"), request("POST", "/", x_amz_target="Logs_20140328.Nope")).status == 400
    error = refused(SERVICES.named("sts"), request("POST", "/", body=b"Action=Nope&Version=2011-06-15"))
    assert error.message == "Could not find operation Nope for version 2011-06-15"


def test_the_service_is_that_of_the_signature_or_of_the_requests_marks() -> None:
    target = request("POST", "/", x_amz_target="Logs_20140328.DescribeLogGroups")
    form = request("POST", "/", body=b"Action=DescribeInstances&Version=2016-11-15")

    assert SERVICES.of(request("POST", "/"), "monitoring").name == "cloudwatch"
    assert SERVICES.of(target, "").name == "logs"
    assert SERVICES.of(form, "").name == "ec2"
    assert SERVICES.of(request("GET", FUNCTIONS), "").name == "lambda"
    with pytest.raises(ApiError, match="The service 'iam' is not to be had here"):
        SERVICES.of(request("POST", "/"), "iam")


def test_s3s_error_has_a_body_unless_the_head_alone_was_asked_for() -> None:
    with pytest.raises(ApiError, match="Paddock has no S3") as absent:
        SERVICES.of(request("GET", "/bucket"), "s3")

    for method, has_body in (("GET", True), ("HEAD", False)):
        reply = SERVICES.errors_like(request(method, "/bucket"), "s3").serialise_error(absent.value, "an-id")
        assert (reply.status, b"<Code>NotImplemented</Code>" in reply.body, bool(reply.body)) == (
            501,
            has_body,
            has_body,
        )


def test_a_result_with_a_member_the_model_lacks_is_our_mistake() -> None:
    operation = LAMBDA.model.operation_model("GetFunction")

    with pytest.raises(KeyError):
        LAMBDA.codec(request("GET", "/")).serialise(operation, {"Configurations": {}}, "r")
