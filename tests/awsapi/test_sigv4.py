from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from paddock.awsapi.messages import Request
from paddock.awsapi.sigv4 import Credential, Identity, claimed_identity, verify
from paddock.model.errors import ApiError
from tests.awsapi.signing import ACCOUNT, CREDENTIALS, KEY_ID, NOW, SECRET, presigned, signed

BASE = "http://127.0.0.1:4600"
CALLER = Identity(KEY_ID, ACCOUNT, "us-east-1", "lambda")

text = st.text(max_size=12)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(str.strip)
queries = st.lists(st.tuples(text.filter(bool), text), max_size=4).map(
    lambda pairs: "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
)
segments = st.one_of(text.map(lambda raw: quote(raw, safe="")), st.sampled_from(["", ".", "..", "a b", "arn%3Aaws"]))
paths = st.lists(segments, max_size=5).map(lambda parts: "/" + quote("/".join(parts), safe="/%~"))


def refused(request: Request, credentials: Mapping[str, Credential] = CREDENTIALS, **late: float) -> ApiError:
    with pytest.raises(ApiError) as caught:
        verify(request, credentials, NOW + timedelta(**late))
    assert SECRET not in str(caught.value)
    return caught.value


def changed(request: Request, **headers: str) -> Request:
    added = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return replace(request, headers={**request.headers, **added})


@given(paths, queries, st.binary(max_size=50), st.dictionaries(st.sampled_from(["X-Amz-Foo", "X-Bar"]), header_values))
def test_whatever_botocore_signs_is_verified(path: str, query: str, body: bytes, headers: dict[str, str]) -> None:
    url = BASE + path + (f"?{query}" if query else "")

    assert verify(signed(url, method="POST", body=body, headers=headers), CREDENTIALS, NOW) == CALLER


@given(paths, queries, st.sampled_from(["lambda", "s3"]))
def test_whatever_botocore_presigns_is_verified(path: str, query: str, service: str) -> None:
    request = presigned(BASE + path + (f"?{query}" if query else ""), service=service)

    assert verify(request, CREDENTIALS, NOW + timedelta(minutes=59)).service == service


def test_repeated_headers_are_verified_joined_in_order() -> None:
    request = signed(headers={"X-Amz-Twice": "a  b,c"})

    assert verify(changed(request, x_amz_twice="a b,c"), CREDENTIALS, NOW) == CALLER


def test_a_query_in_another_spelling_is_the_same_query() -> None:
    request = signed(BASE + "/x?a=%2F&b=%3A")

    assert verify(replace(request, query="b=%3a&a=/"), CREDENTIALS, NOW) == CALLER


def test_an_authorization_in_another_order_is_understood() -> None:
    request = signed()
    algorithm, _, fields = (request.header(b"authorization") or "").partition(" ")
    turned = f"{algorithm} {','.join(reversed(fields.split(', ')))}"

    assert verify(changed(request, authorization=turned), CREDENTIALS, NOW) == CALLER


def test_a_date_header_serves_when_there_is_no_x_amz_date() -> None:
    headers = {"Date": format_datetime(NOW, usegmt=True)}

    assert verify(signed(headers=headers), CREDENTIALS, NOW) == CALLER


def test_a_body_hashed_while_it_arrived_is_not_hashed_again() -> None:
    body = b"large"
    request = signed(method="POST", body=body)
    request.body_sha256 = hashlib.sha256(b"other").hexdigest()

    assert refused(request).code == "InvalidSignatureException"


def test_an_unsigned_payload_is_accepted_when_that_is_what_was_signed() -> None:
    request = signed(method="POST", body=b"x", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})

    assert verify(replace(request, body=b"y"), CREDENTIALS, NOW) == CALLER


TAMPERED: dict[str, Callable[[Request], Request]] = {
    "method": lambda request: replace(request, method="PUT"),
    "path": lambda request: replace(request, path=request.path + "x"),
    "query": lambda request: replace(request, query=request.query + "&a=2"),
    "body": lambda request: replace(request, body=request.body + b" "),
    "signed header": lambda request: changed(request, x_amz_invocation_type="Event"),
    "added header": lambda request: changed(request, x_amz_log_type="Tail"),
    "host": lambda request: changed(request, host="elsewhere"),
    "declared hash": lambda request: changed(request, x_amz_content_sha256="0" * 64),
    "time": lambda request: changed(request, x_amz_date="20261123T235929Z"),
}


@pytest.mark.parametrize("part", TAMPERED)
def test_whatever_is_changed_after_signing_is_noticed(part: str) -> None:
    request = signed(BASE + "/f?a=1", method="POST", body=b"{}", headers={"X-Amz-Invocation-Type": "RequestResponse"})

    error = refused(TAMPERED[part](request))

    assert (error.code, error.status) == ("InvalidSignatureException", 403)


def test_a_wrong_secret_gets_awss_text() -> None:
    assert refused(signed(secret="other")).message == (
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )


def test_no_signature_at_all() -> None:
    request = signed()
    request.headers = {b"host": b"x"}

    error = refused(request)

    assert (error.code, error.status) == ("MissingAuthenticationTokenException", 403)
    assert error.message == "Missing Authentication Token"


def test_an_unknown_key() -> None:
    error = refused(signed(), credentials={})

    assert (error.code, error.status) == ("UnrecognizedClientException", 403)
    assert error.message == "The security token included in the request is invalid."


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (
            "Basic dXNlcjpwYXNz",
            " ".join(
                f"Authorization header requires '{name}' parameter."
                for name in ("Credential", "Signature", "SignedHeaders")
            ),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/lambda/aws4_request, SignedHeaders=host",
            "Authorization header requires 'Signature' parameter.",
        ),
        ("AWS4-HMAC-SHA256", "requires 'Credential' parameter"),
        ("", "requires 'Credential' parameter"),
        (
            "AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, Signature=" + "0" * 64,
            "Authorization header requires 'Credential' parameter.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=",
            " ".join(
                f"Authorization header requires '{name}' parameter."
                for name in ("Credential", "Signature", "SignedHeaders")
            ),
        ),
        ("Basic Credential=a, SignedHeaders=host, Signature=", "requires 'Credential' parameter"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'."),
        (
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=" + "0" * 64,
            "Credential must have exactly 5 slash-delimited elements",
        ),
    ],
)
def test_an_authorization_that_is_none(authorization: str, message: str) -> None:
    error = refused(changed(signed(), authorization=authorization))

    assert (error.code, error.status) == ("IncompleteSignatureException", 403)
    assert message in error.message


@pytest.mark.parametrize(
    ("scope", "headers", "message"),
    [
        ("20261123/us-east-1/lambda/aws3_request", "host", "valid terminator: 'aws4_request', not 'aws3_request'"),
        ("20261122/us-east-1/lambda/aws4_request", "host", "'20261122' != '20261123', from '20261123T235930Z'"),
        ("20261123/us-east-1/lambda/aws4_request", "x-amz-date", "'Host' or ':authority' must be a 'SignedHeader'"),
    ],
)
def test_a_credential_scope_that_does_not_fit(scope: str, headers: str, message: str) -> None:
    fields = f"Credential={KEY_ID}/{scope}, SignedHeaders={headers}, Signature={'0' * 64}"

    error = refused(changed(signed(), authorization=f"AWS4-HMAC-SHA256 {fields}"))

    assert error.code == "InvalidSignatureException"
    assert message in error.message


@pytest.mark.parametrize("date", ["yesterday", "2026-11-23T23:59:30Z", "20261323T235930Z", ""])
def test_a_date_in_no_known_form(date: str) -> None:
    assert "Date must be in ISO-8601 'basic format'." in refused(changed(signed(), x_amz_date=date)).message


def test_no_date_at_all() -> None:
    request = signed()
    request.headers = {name: value for name, value in request.headers.items() if name != b"x-amz-date"}

    assert "requires existence of either a 'X-Amz-Date' or a 'Date' header" in refused(request).message


def test_clocks_may_differ_by_five_minutes_and_no_more() -> None:
    request = signed()

    assert verify(request, CREDENTIALS, NOW + timedelta(minutes=5)) == CALLER
    assert verify(request, CREDENTIALS, NOW - timedelta(minutes=5)) == CALLER
    assert refused(request, seconds=301).message == (
        "Signature expired: 20261123T235930Z is now earlier than 20261123T235931Z (20261124T000431Z - 5 min.)"
    )
    assert refused(request, seconds=-301).message == (
        "Signature not yet current: 20261123T235930Z is still later than 20261123T235929Z (20261123T235429Z + 5 min.)"
    )


def test_a_presigned_url_lasts_as_long_as_it_says() -> None:
    request = presigned(BASE + "/x", lifetime_seconds=90)

    assert verify(request, CREDENTIALS, NOW + timedelta(seconds=90)) == CALLER
    error = refused(request, seconds=91)
    assert error.code == "InvalidSignatureException"
    assert error.message.endswith("(20261124T000101Z - 90 sec.)")


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", "must be less than a week"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1", "should be a number"),
        ("X-Amz-Expires=60", "", "must include 'X-Amz-Expires'"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=MD5", "Unsupported AWS 'algorithm': 'MD5'."),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=", "must include 'X-Amz-SignedHeaders'"),
    ],
)
def test_a_presigned_url_that_is_not_whole(was: str, becomes: str, message: str) -> None:
    request = presigned(BASE + "/x", lifetime_seconds=60)
    assert was in request.query

    error = refused(replace(request, query=request.query.replace(was, becomes)))

    assert error.code == "IncompleteSignatureException"
    assert message in error.message


def test_a_session_token_must_be_the_right_one_and_alive() -> None:
    temporary = Credential(SECRET, ACCOUNT, session_token="t" * 20, expires_at=NOW + timedelta(hours=1))
    known = {KEY_ID: temporary}

    assert verify(signed(token="t" * 20), known, NOW) == CALLER
    assert verify(presigned(BASE + "/x", token="t" * 20), known, NOW) == CALLER
    assert refused(signed(token="other"), known).code == "UnrecognizedClientException"
    assert refused(signed(), known).code == "UnrecognizedClientException"
    late = refused(signed(token="t" * 20, at=NOW + timedelta(hours=1)), known, hours=1)
    assert late.code == "ExpiredTokenException"


def test_without_authentication_the_caller_is_who_it_says() -> None:
    assert claimed_identity(signed(secret="any"), ACCOUNT, "us-east-1") == CALLER
    assert claimed_identity(presigned(BASE + "/x"), ACCOUNT, "us-east-1") == CALLER
    nobody = Request("GET", b"/", "/", "", {b"authorization": b"Bearer x"})
    assert claimed_identity(nobody, ACCOUNT, "eu-west-1") == Identity("", ACCOUNT, "eu-west-1", "")


@given(st.binary(max_size=80), st.text(max_size=60))
def test_no_header_or_query_makes_it_fail_otherwise(authorization: bytes, query: str) -> None:
    request = signed()
    request.headers = {**request.headers, b"authorization": authorization}
    refused(request)
    request = replace(signed(), query="X-Amz-Algorithm=" + quote(query, safe="&="))
    request.headers = {b"host": b"x"}
    refused(request)
