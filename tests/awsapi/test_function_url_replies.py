"""Requests whose `Host` is a function URL's: the front hands them on, whatever their path, and answers none itself."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest

from paddock.awsapi.access import Access, AuthMode
from paddock.awsapi.front import Front, InvokeHandlers
from paddock.awsapi.function_url_replies import bad_gateway, forbidden, is_for_function_url
from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.operations import Operations
from paddock.awsapi.pipeline import Pipeline
from paddock.awsapi.plain import PlainRoute
from paddock.model.errors import ApiError
from paddock.ports.clock import RandomIds, SystemClock
from tests.awsapi.fronts import PLACE, SERVICES, Invoked, served
from tests.awsapi.signing import CREDENTIALS

NAME = f"{'a' * 32}.lambda-url.us-east-1.localhost"
INVOKE = "/2015-03-31/functions/f/invocations"


def access(mode: AuthMode) -> Access:
    return Access(mode, CREDENTIALS, PLACE, SystemClock())


def front_of(mode: AuthMode = "sigv4") -> Front:
    """Says `url <path>` at a function URL, and nothing anywhere else."""

    def at_url(request: Request, responder: Responder, _request_id: str) -> None:
        responder.send(200, (), f"url {request.path}".encode())

    pipeline = Pipeline(SERVICES, Operations(), access(mode), SystemClock())
    invoked = InvokeHandlers(Invoked(), Invoked())
    health = PlainRoute("/health", lambda _, responder: responder.send(200, (), b"ready"))
    return Front(pipeline, access(mode), invoked, RandomIds(), (health,), function_urls=at_url)


def asked(url: str, path: str, headers: Mapping[str, str], method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/health", "/a/invocations", "/2015-03-31/functions", "/_paddock/status"])
@pytest.mark.parametrize("host", [NAME, f"{NAME.upper()}:4600"])
def test_every_path_under_the_name_is_the_function_s(path: str, host: str) -> None:
    with served(front_of()) as url:
        assert asked(url, path, {"Host": host}, "POST") == (200, f"url {path}".encode())
        assert asked(url, "/health", {}) == (200, b"ready")


@pytest.mark.parametrize("mode", ["sigv4", "none"])
def test_a_page_of_a_function_cannot_speak_for_whoever_has_it_open(mode: AuthMode) -> None:
    with served(front_of(mode)) as url:
        status, _ = asked(url, INVOKE, {"Host": NAME, "Origin": f"http://{NAME}"}, "POST")
    assert status == 403


def test_what_the_http_server_refuses_there_is_refused_in_the_url_s_form() -> None:
    with served(front_of()) as url:
        status, body = asked(url, "/", {"Host": NAME, "Content-Length": str(1 << 30)}, "POST")
    assert (status, json.loads(body)) == (413, {"Message": "Request Entity Too Large"})


def test_where_nobody_asks_for_signatures_a_url_is_called_under_its_own_name() -> None:
    request = Request("GET", b"/", "/", "", {b"host": NAME.encode(), b"origin": b"https://shop.example"})
    assert access("none").identify_at_function_url(request).account_id == PLACE.account_id
    with pytest.raises(ApiError, match="Missing Authentication Token"):
        access("sigv4").identify_at_function_url(request)


@pytest.mark.parametrize("host", [b"", b"localhost:4600", b"127.0.0.1", b"lambda.us-east-1.amazonaws.com"])
def test_other_names_are_none(host: bytes) -> None:
    assert not is_for_function_url(Request("GET", b"/", "/", "", {b"host": host} if host else {}))


def test_a_reason_is_one_line_of_ascii() -> None:
    assert dict(bad_gateway("r", "two\r\nlines of \u20ac").headers)["X-Paddock-Reason"] == "two lines of ?"
    assert "X-Paddock-Reason" not in dict(bad_gateway("r").headers)
    assert dict(forbidden("r").headers)["x-amzn-ErrorType"] == "AccessDeniedException"
