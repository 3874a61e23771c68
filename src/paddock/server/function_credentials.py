"""Where the credentials of functions come from: sessions of the server's own key pair."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from paddock.awsapi.session_credentials import NONCE_BYTES, session_credentials
from paddock.controlplane.function_credentials import CredentialSource, FunctionCredentials
from paddock.ports.clock import IdSource
from paddock.server.data_dir import KeyPair


def sessions_of(keys: KeyPair, ids: IdSource) -> CredentialSource:
    """There is one account, and roles are names: all functions may what the key pair may, for a while."""
    return partial(_session, keys, ids)


def _session(keys: KeyPair, ids: IdSource, now: datetime, lifetime: timedelta) -> FunctionCredentials:
    nonce = bytes.fromhex(ids.hex(2 * NONCE_BYTES))
    session = session_credentials(keys.secret_access_key, now + lifetime, nonce)
    variables = {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": session.session_token,
    }
    return FunctionCredentials(variables, session.expires_at)
