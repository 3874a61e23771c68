from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.function_urls.answers import Answer, AnswerHead, Malformed, answer_of, head_of

JSON = ("Content-Type", "application/json")


def answered(value: Any) -> Answer:
    answer = answer_of(json.dumps(value).encode())
    assert isinstance(answer, Answer), answer
    return answer


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b'{"greeting": "hello"}', b'{"greeting": "hello"}'),
        (b"[1, 2]", b"[1, 2]"),
        (b"null", b"null"),
        (b"17", b"17"),
        (b'"hello \\u00fc"', "hello ü".encode()),
        (b'{"body": "no status, no format"}', b'{"body": "no status, no format"}'),
    ],
)
def test_what_says_no_status_is_the_body_of_a_200(payload: bytes, body: bytes) -> None:
    assert answer_of(payload) == Answer(AnswerHead(200, (JSON,)), body)


def test_status_headers_cookies_and_body_are_as_answered() -> None:
    answer = answered(
        {
            "statusCode": 201,
            "headers": {"content-type": "text/plain", "X-Count": 3, "x-flag": True},
            "cookies": ["a=1", "b=2; HttpOnly"],
            "body": "made ü",
        }
    )
    assert answer.head.status == 201
    assert answer.head.headers == (
        ("content-type", "text/plain"),
        ("X-Count", "3"),
        ("x-flag", "true"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2; HttpOnly"),
    )
    assert answer.body == "made ü".encode()


def test_a_status_alone_is_an_empty_body_of_json_type() -> None:
    assert answered({"statusCode": 404}) == Answer(AnswerHead(404, (JSON,)), b"")


def test_base64_is_decoded_where_the_answer_says_so() -> None:
    assert answered({"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}).body == b"\xff\0"
    assert answered({"statusCode": 200, "body": "/wA=", "isBase64Encoded": False}).body == b"/wA="


def test_a_body_that_is_no_string_is_sent_as_its_json() -> None:
    assert answered({"statusCode": 200, "body": {"a": [1, "ü"]}}).body == '{"a":[1,"ü"]}'.encode()


@pytest.mark.parametrize("status", ["204", 204, 204.0])
def test_a_status_may_be_written_in_digits(status: object) -> None:
    assert answered({"statusCode": status}).head.status == 204


def test_what_belongs_to_the_connection_is_not_taken_from_a_function() -> None:
    headers = {"Content-Length": "1", "transfer-encoding": "chunked", "Connection": "close", "x-own": "1"}
    assert answered({"statusCode": 200, "headers": headers}).head.headers == (JSON, ("x-own", "1"))


def test_of_one_header_in_two_spellings_the_last_counts() -> None:
    headers = {"content-type": "text/plain", "Content-Type": "text/html"}
    assert answered({"statusCode": 200, "headers": headers}).head.headers == (("Content-Type", "text/html"),)


@pytest.mark.parametrize(
    "value",
    [
        {"statusCode": "ok"},
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": 100},
        {"statusCode": 1000},
        {"statusCode": 200.5},
        {"statusCode": [200]},
        {"statusCode": "\u0662\u0660\u0660"},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "headers": {"a": "\u20ac"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"": "c"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": [1]},
        {"statusCode": 200, "cookies": ["a=1\n"]},
        {"statusCode": 200, "body": "not base64!", "isBase64Encoded": True},
        {"statusCode": 200, "body": "\u20ac", "isBase64Encoded": True},
    ],
)
def test_what_is_no_answer_is_malformed_with_its_reason(value: object) -> None:
    found = answer_of(json.dumps(value).encode())
    assert isinstance(found, Malformed)
    assert found.reason
    assert found.reason.isascii()


@pytest.mark.parametrize("payload", [b"", b"hello", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_malformed(payload: bytes) -> None:
    assert isinstance(answer_of(payload), Malformed)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_documents = st.fixed_dictionaries(
    {"statusCode": _json},
    optional={"headers": _json, "cookies": _json, "body": _json, "isBase64Encoded": _json},
)


@given(_documents)
def test_whatever_is_answered_http_can_carry_it_or_it_is_refused(document: dict[str, Any]) -> None:
    found = answer_of(json.dumps(document).encode())
    if isinstance(found, Malformed):
        return
    assert 200 <= found.head.status <= 599
    for name, value in found.head.headers:
        line = f"{name}: {value}".encode("latin-1")
        assert b"\r" not in line
        assert b"\n" not in line


def test_a_content_type_is_added_only_where_none_is_named() -> None:
    named = AnswerHead(200, (("CONTENT-TYPE", "a/b"),))
    assert named.with_content_type("c/d") == named
    assert AnswerHead(200, ()).with_content_type("c/d").headers == (("Content-Type", "c/d"),)


def test_a_prelude_without_a_status_is_a_200() -> None:
    assert head_of({}) == AnswerHead(200, ())
