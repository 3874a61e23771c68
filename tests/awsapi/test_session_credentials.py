"""Sessions are known by what they carry, end when they say, and cannot be made or changed by who has none."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.awsapi.messages import Request
from paddock.awsapi.session_credentials import (
    NONCE_BYTES,
    Parent,
    SessionCredentials,
    session_credentials,
    session_of,
)
from paddock.awsapi.sigv4 import Credential, verify
from paddock.model.errors import ApiError
from tests.awsapi.signing import ACCOUNT, CREDENTIALS, NOW, SECRET, signed

NONCE = bytes(range(NONCE_BYTES))
HOUR = timedelta(hours=1)
SESSION = session_credentials(SECRET, NOW + HOUR, NONCE)


def signed_by(session: SessionCredentials, after: timedelta = timedelta(0)) -> Request:
    return signed(
        key_id=session.access_key_id,
        secret=session.secret_access_key,
        token=session.session_token,
        at=NOW + after,
    )


def refusal(request: Request, after: timedelta = timedelta(0), secret: str = SECRET) -> str:
    with pytest.raises(ApiError) as refused:
        verify(request, {"AKIA": Credential(secret, ACCOUNT)}, NOW + after)
    assert SESSION.secret_access_key not in str(refused.value)
    return refused.value.code


def test_what_a_session_signs_is_verified_until_it_ends() -> None:
    identity = verify(signed_by(SESSION), CREDENTIALS, NOW)
    assert (identity.access_key_id, identity.account_id) == (SESSION.access_key_id, ACCOUNT)
    nearly = HOUR - timedelta(seconds=1)
    verify(signed_by(SESSION, nearly), CREDENTIALS, NOW + nearly)
    assert refusal(signed_by(SESSION, HOUR), HOUR) == "ExpiredTokenException"


def test_the_key_pair_that_lasts_goes_on_beside_its_sessions() -> None:
    verify(signed(), CREDENTIALS, NOW)


def test_a_session_of_another_key_pair_is_none() -> None:
    assert refusal(signed_by(SESSION), secret="another") == "UnrecognizedClientException"


def test_without_its_token_or_with_another_s_a_session_is_nothing() -> None:
    other = session_credentials(SECRET, NOW + HOUR, NONCE[::-1])
    assert other.access_key_id != SESSION.access_key_id
    bare = signed(key_id=SESSION.access_key_id, secret=SESSION.secret_access_key)
    assert refusal(bare) == "UnrecognizedClientException"
    swapped = replace(SESSION, session_token=other.session_token)
    assert refusal(signed_by(swapped)) == "UnrecognizedClientException"


def test_a_wrong_secret_under_a_right_token_does_not_sign() -> None:
    assert refusal(signed_by(replace(SESSION, secret_access_key="guessed"))) == "InvalidSignatureException"


@given(st.integers(0, len(base64.b64decode(SESSION.session_token)) - 1), st.integers(1, 255))
def test_no_bit_of_a_token_can_be_changed_not_even_its_end(at: int, by: int) -> None:
    raw = bytearray(base64.b64decode(SESSION.session_token))
    raw[at] ^= by
    token = base64.b64encode(bytes(raw)).decode()
    assert session_of(SESSION.access_key_id, token, [Parent(SECRET, ACCOUNT)]) is None


@given(st.text(max_size=200))
def test_what_is_no_token_opens_nothing(token: str) -> None:
    assert session_of(SESSION.access_key_id, token, [Parent(SECRET, ACCOUNT)]) is None


def test_secrets_are_not_shown() -> None:
    assert SESSION.secret_access_key not in repr(SESSION)
    assert SESSION.session_token not in repr(SESSION)
