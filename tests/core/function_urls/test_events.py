from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.function_urls.events import IamCaller, Reception, UrlRequest, event_of

ID = "abcdefghijklmnopqrstuvwxyz234567"
NAME = f"{ID}.lambda-url.us-east-1.localhost"
RECEPTION = Reception(ID, "r-1", "Root=1-2-3", datetime(2026, 11, 3, 7, 5, 9, 250_000, UTC))
CALLER = IamCaller("AKIA", "000000000000", "000000000000", "arn:aws:iam::000000000000:root")


def request(
    method: str = "GET",
    path: str = "/",
    *,
    query: str = "",
    parameters: tuple[tuple[str, str], ...] = (),
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> UrlRequest:
    sent = {"host": f"{NAME}:4600", "user-agent": "curl/8"} | dict(headers or {})
    return UrlRequest(method, path, query, parameters, sent, body, "HTTP/1.1", "192.0.2.7")


def event(of: UrlRequest, reception: Reception = RECEPTION) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(event_of(of, reception)))
    return made


def test_a_plain_get_is_what_aws_gives_for_one() -> None:
    assert event(request(path="/a%20b")) == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a%20b",
        "rawQueryString": "",
        "headers": {
            "host": f"{NAME}:4600",
            "user-agent": "curl/8",
            "x-forwarded-for": "192.0.2.7",
            "x-forwarded-proto": "http",
            "x-forwarded-port": "4600",
            "x-amzn-trace-id": "Root=1-2-3",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": ID,
            "domainName": NAME,
            "domainPrefix": ID,
            "http": {
                "method": "GET",
                "path": "/a%20b",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "curl/8",
            },
            "requestId": "r-1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "03/Nov/2026:07:05:09 +0000",
            "timeEpoch": 1793689509250,
        },
        "isBase64Encoded": False,
    }


def test_parameters_that_come_twice_are_joined_and_the_raw_query_stays() -> None:
    made = event(request(query="a=1&b=x%20y&a=2", parameters=(("a", "1"), ("b", "x y"), ("a", "2"))))
    assert made["rawQueryString"] == "a=1&b=x%20y&a=2"
    assert made["queryStringParameters"] == {"a": "1,2", "b": "x y"}


def test_cookies_are_listed_one_by_one() -> None:
    assert event(request(headers={"cookie": "a=1; b=2 ;"}))["cookies"] == ["a=1", "b=2"]


def test_a_signed_request_says_who_signed_it() -> None:
    signed = Reception(ID, "r-1", "", RECEPTION.at, CALLER)
    context = event(request(), signed)["requestContext"]
    assert context["accountId"] == "000000000000"
    assert context["authentication"] is None
    assert context["authorizer"]["iam"] == {
        "accessKey": "AKIA",
        "accountId": "000000000000",
        "callerId": "000000000000",
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": "arn:aws:iam::000000000000:root",
        "userId": "000000000000",
    }


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/html",
        "text/csv",
        "application/xml",
        "application/problem+json",
        "application/vnd.api.v2+xml",
        "application/javascript",
    ],
)
def test_text_travels_as_text(content_type: str) -> None:
    made = event(request("POST", headers={"content-type": content_type}, body="grün".encode()))
    assert (made["body"], made["isBase64Encoded"]) == ("grün", False)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "image/png"},
        {"content-type": "application/jsonlines"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_all_else_travels_as_base64(headers: dict[str, str]) -> None:
    made = event(request("POST", headers=headers, body=b"a=1"))
    assert (made["body"], made["isBase64Encoded"]) == (base64.b64encode(b"a=1").decode(), True)


def test_text_that_is_none_travels_as_base64() -> None:
    made = event(request("POST", headers={"content-type": "text/plain"}, body=b"\xff"))
    assert (base64.b64decode(made["body"]), made["isBase64Encoded"]) == (b"\xff", True)


def test_headers_of_the_connection_stay_behind_and_a_proxy_is_named_before_us() -> None:
    sent = {"connection": "keep-alive", "transfer-encoding": "chunked", "x-forwarded-for": "198.51.100.1", "x-own": "1"}
    headers = event(request(headers=sent))["headers"]
    assert headers["x-forwarded-for"] == "198.51.100.1, 192.0.2.7"
    assert headers["x-own"] == "1"
    assert headers.keys() & {"connection", "transfer-encoding"} == set()


@pytest.mark.parametrize(("host", "name", "port"), [("plain", "plain", "80"), ("[::1]:81", "[::1]", "81")])
def test_a_host_is_named_without_its_port(host: str, name: str, port: str) -> None:
    made = event(request(headers={"host": host}))
    assert (made["requestContext"]["domainName"], made["headers"]["x-forwarded-port"]) == (name, port)


@given(
    body=st.binary(max_size=60) | st.text(max_size=40).map(str.encode),
    content_type=st.sampled_from(["", "text/plain", "application/json; charset=utf-8", "image/png"])
    | st.text(max_size=20),
    headers=st.dictionaries(st.text("abc-", min_size=1, max_size=9), st.text(max_size=20), max_size=4),
    parameters=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=4),
)
def test_any_request_is_json_and_its_body_comes_out_as_it_went_in(
    body: bytes, content_type: str, headers: dict[str, str], parameters: list[tuple[str, str]]
) -> None:
    sent = headers | {"content-type": content_type}
    made = event(request("POST", parameters=tuple(parameters), headers=sent, body=body))
    received = made.get("body", "")
    assert (base64.b64decode(received) if made["isBase64Encoded"] else received.encode()) == body
    assert ("body" in made) is bool(body)
