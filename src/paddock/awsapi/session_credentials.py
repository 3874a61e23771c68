"""Credentials for a while, made from a key pair and known again from what they carry: nobody keeps a list of them.

The token holds when they end, and a seal over it; key id and secret follow from the same. So every router that has the
key pair can check them, a restart forgets none, and a new key pair ends them all.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from paddock.model.ids import AccountId

NONCE_BYTES = 16
_VERSION = b"\x01"
_TIME_BYTES = 8
_SEAL_BYTES = 32
_TOKEN_BYTES = len(_VERSION) + _TIME_BYTES + NONCE_BYTES + _SEAL_BYTES
_LONGEST_TOKEN_CHARACTERS = 128
_KEY_ID_CHARACTERS = 16
_REMEMBERED = 256
"""Sessions whose seal has been checked: one for each instance and each environment of default Lambda, or nearly."""


@dataclass(frozen=True, slots=True)
class SessionCredentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Parent:
    """Whose sessions they are."""

    secret_access_key: str = field(repr=False)
    account_id: AccountId


def session_credentials(secret_access_key: str, expires_at: datetime, nonce: bytes) -> SessionCredentials:
    """`nonce` makes two of the same second different. They end with a whole second."""
    assert len(nonce) == NONCE_BYTES
    seconds = int(expires_at.timestamp())
    body = _VERSION + seconds.to_bytes(_TIME_BYTES, "big") + nonce
    return _made(secret_access_key, body)


def session_of(
    access_key_id: str, token: str, parents: Iterable[Parent]
) -> tuple[SessionCredentials, AccountId] | None:
    """The session that the token is of, if one of these made it; also when it has ended."""
    for parent in parents:
        found = _opened(parent.secret_access_key, token)
        if found is not None and found.access_key_id == access_key_id:
            return found, parent.account_id
    return None


@lru_cache(maxsize=_REMEMBERED)
def _opened(secret_access_key: str, token: str) -> SessionCredentials | None:
    if len(token) > _LONGEST_TOKEN_CHARACTERS:
        return None
    try:
        raw = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _TOKEN_BYTES or not raw.startswith(_VERSION):
        return None
    body, seal = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
    return (
        _made(secret_access_key, body) if hmac.compare_digest(seal, _keyed(secret_access_key, b"seal", body)) else None
    )


def _made(secret_access_key: str, body: bytes) -> SessionCredentials:
    key_id = base64.b32encode(_keyed(secret_access_key, b"key id", body)).decode()[:_KEY_ID_CHARACTERS]
    secret = base64.b64encode(_keyed(secret_access_key, b"secret", body)).decode()
    token = base64.b64encode(body + _keyed(secret_access_key, b"seal", body)).decode()
    seconds = int.from_bytes(body[len(_VERSION) : len(_VERSION) + _TIME_BYTES], "big")
    return SessionCredentials(f"ASIA{key_id}", secret, token, datetime.fromtimestamp(seconds, UTC))


def _keyed(secret_access_key: str, purpose: bytes, body: bytes) -> bytes:
    """Apart from signing: what is made here is no signature of anything, and no signature makes this."""
    root = hmac.digest(secret_access_key.encode(), b"paddock session credentials", hashlib.sha256)
    return hmac.digest(root, purpose + b"\x00" + body, hashlib.sha256)
