"""Whatever botocore can send is read as it was meant, and whatever is answered botocore reads as it was meant."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import parsers, serialize
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddock.awsapi.messages import Request
from paddock.awsapi.services import Service, Services
from tests.awsapi.shapes import as_received, in_a_form, inputs, outputs

SERVICES = Services()
STREAMING = {"InvokeWithResponseStream", "StartLiveTail", "GetLogObject"}
OPERATIONS = [
    (service, operation)
    for service in ("lambda", "logs", "cloudwatch", "sts")
    for operation in SERVICES.named(service).model.operation_names
    if operation not in STREAMING
]
EC2_OPERATIONS = st.sampled_from(sorted(SERVICES.named("ec2").model.operation_names))
a_few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def request_of(service: Service, operation: str, parameters: dict[str, Any]) -> Request:
    """The HTTP request that botocore makes of it."""
    model = service.model.operation_model(operation)
    serializer = serialize.create_serializer(service.model.resolved_protocol)
    prepared = serializer.serialize_to_request(parameters, model)
    prepare_request_dict(prepared, "http://127.0.0.1:4600")
    request = create_request_object(prepared).prepare()
    parts = urlsplit(request.url)
    headers = {
        name.lower().encode(): value if isinstance(value, bytes) else str(value).encode("latin-1")
        for name, value in request.headers.items()
    }
    body = request.body or b""
    raw = body.encode() if isinstance(body, str) else bytes(body)
    return Request(request.method, b"", parts.path, parts.query, headers, raw)


def read_back(service: Service, operation: str, result: dict[str, Any]) -> dict[str, Any]:
    model = service.model.operation_model(operation)
    codec = service.codec(Request("POST", b"/", "/", "", {}))
    reply = codec.serialise(model, result, "request-1")
    parser = parsers.create_parser(service.model.resolved_protocol)
    headers = HeadersDict(reply.headers)
    body = BytesIO(reply.body) if model.has_streaming_output else reply.body
    response = {"status_code": reply.status, "headers": headers, "body": body}
    parsed: dict[str, Any] = parser.parse(response, model.output_shape)  # type: ignore[arg-type]
    if body is not reply.body and isinstance(parsed.get("Payload"), BytesIO):
        parsed["Payload"] = parsed["Payload"].read()
    assert parsed.pop("ResponseMetadata")["RequestId"] == "request-1"
    return parsed


def received_of(service: Service, operation: str, sent: dict[str, Any]) -> dict[str, Any]:
    """What can arrive of `sent` by the service's protocol."""
    if service.model.resolved_protocol in {"query", "ec2"}:
        return in_a_form(sent, empty_lists=service.model.resolved_protocol == "query") or {}
    return as_received(service.model.operation_model(operation).input_shape, sent)


@pytest.mark.parametrize(("service_name", "operation"), OPERATIONS, ids=str)
@a_few
@given(data=st.data())
def test_an_operation_travels_both_ways(service_name: str, operation: str, data: st.DataObject) -> None:
    service = SERVICES.named(service_name)
    model = service.model.operation_model(operation)
    sent = data.draw(inputs(model.input_shape))

    received = service.parse(request_of(service, operation, sent))

    assert received.name == operation
    assert received.parameters == received_of(service, operation, sent)

    result = data.draw(outputs(model.output_shape))
    assert read_back(service, operation, result) == result


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(operation=EC2_OPERATIONS, data=st.data())
def test_an_ec2_operation_travels_both_ways(operation: str, data: st.DataObject) -> None:
    service = SERVICES.named("ec2")
    model = service.model.operation_model(operation)
    sent = data.draw(inputs(model.input_shape))

    received = service.parse(request_of(service, operation, sent))

    assert received.name == operation
    assert received.parameters == received_of(service, operation, sent)

    result = data.draw(outputs(model.output_shape))
    assert read_back(service, operation, result) == result
