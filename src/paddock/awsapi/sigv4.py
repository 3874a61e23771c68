"""Who sent this request? Verifies AWS Signature Version 4, in the header or in the query, and refuses as AWS does.

A function of the request, the known keys and the time. It knows no operations; no secret leaves it, not in an error.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from paddock.awsapi import canonical
from paddock.awsapi.messages import Request
from paddock.awsapi.session_credentials import Parent, session_of
from paddock.model.errors import ApiError
from paddock.model.ids import AccountId

CLOCK_SKEW = timedelta(minutes=5)
_NOT_BEFORE = -CLOCK_SKEW
LONGEST_PRESIGNED = timedelta(days=7)

UNSIGNED_ALLOWED = frozenset({b"x-amz-date", b"x-amz-content-sha256", b"x-amz-security-token", b"x-amz-cf-id"})
"""Headers of AWS's own that need not be signed: those the signature covers anyhow, and those that a proxy adds."""

HARMLESS = UNSIGNED_ALLOWED | {
    b"accept", b"accept-encoding", b"amz-sdk-invocation-id", b"amz-sdk-request", b"authorization", b"connection",
    b"content-length", b"content-type", b"expect", b"user-agent", b"x-amzn-trace-id",
}  # fmt: skip
"""With these and the signed ones a request has nothing in it that would have to be looked at one by one."""

_SHA256_HEX_CHARACTERS = 64
_UNSIGNED_PAYLOAD = canonical.UNSIGNED_PAYLOAD.encode()


@dataclass(frozen=True, slots=True)
class Credential:
    """One key pair. `session_token` and `expires_at` are there for temporary ones."""

    secret_access_key: str = field(repr=False)
    account_id: AccountId
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


class Identity(NamedTuple):
    """Who called, and for which region and service the request was signed."""

    access_key_id: str
    account_id: AccountId
    region: str
    service: str


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What a request says of its signature, save the signature: the same for all requests of one client in one day."""

    access_key_id: str
    date: str
    region: str
    service: str
    scope: str
    signed_headers: tuple[bytes, ...]
    header_block: canonical.HeaderBlock
    harmless_headers: frozenset[bytes]


class _Signed(msgspec.Struct, frozen=True, gc=False):
    """One signature to be checked, wherever in the request it stood."""

    claim: Claim
    signature: bytes
    timestamp: str
    query: str
    lifetime: timedelta
    token: str | None


def verify(request: Request, credentials: Mapping[str, Credential], now: datetime) -> Identity:
    """Raises `ApiError` with AWS's code and text when the signature is missing, malformed, out of time or wrong."""
    headers = request.headers
    authorization = headers.get(b"authorization")
    if authorization is not None:
        signed = _from_header(request, authorization)
    elif "X-Amz-Algorithm=" in request.query:
        signed = _from_query(request)
    else:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", status=403)
    claim = signed.claim
    credential = credentials.get(claim.access_key_id)
    if credential is None and signed.token is not None:
        credential = _session(claim.access_key_id, signed.token, credentials)
    if credential is None or credential.session_token is not None or credential.expires_at is not None:
        credential = _known(credential, signed.token, now)
    timestamp = signed.timestamp
    if not (timestamp.startswith(claim.date) and _NOT_BEFORE <= now - _moment(timestamp) <= signed.lifetime):
        _check_time(signed, now)
    if not headers.keys() <= claim.harmless_headers:
        _check_header_names(request, claim)
    start = canonical.canonical_start(request.method, request.path, signed.query, claim.service)
    payload_hash = _payload_hash(request, claim, presigned=authorization is None)
    sent = canonical.canonical_request(start, headers, claim.header_block, payload_hash)
    key, identity = _key_and_identity(claim, credential.secret_access_key, credential.account_id)
    if not hmac.compare_digest(key.signature(timestamp, claim.scope, sent), signed.signature):
        raise _mismatch()
    return identity


@lru_cache(maxsize=256)
def _key_and_identity(
    claim: Claim, secret_access_key: str, account_id: AccountId
) -> tuple[canonical.SigningKey, Identity]:
    key = canonical.signing_key(secret_access_key, claim.date, claim.region, claim.service)
    return key, Identity(claim.access_key_id, account_id, claim.region, claim.service)


def claimed_identity(request: Request, account_id: AccountId, region: str) -> Identity:
    """Who a request says it is from, unverified: for a server that checks no signatures. Never raises."""
    authorization = request.headers.get(b"authorization", b"")
    try:
        claim = _split(authorization)[0] if authorization else _from_query(request).claim
    except ApiError:
        return Identity("", account_id, region, "")
    return Identity(claim.access_key_id, account_id, region, claim.service)


# --- where the signature stands ---


def _from_header(request: Request, authorization: bytes) -> _Signed:
    claim, signature = _split(authorization)
    headers = request.headers
    stamp = headers.get(b"x-amz-date")
    timestamp = stamp.decode("latin-1") if stamp is not None else _from_date_header(request)
    query = canonical.canonical_query(request.query) if request.query else ""
    token = request.header(b"x-amz-security-token") if b"x-amz-security-token" in headers else None
    return _Signed(claim, signature, timestamp, query, CLOCK_SKEW, token)


def _split(authorization: bytes) -> tuple[Claim, bytes]:
    """All clients put the signature last; what comes before it repeats and is remembered."""
    before, _, signature = authorization.rpartition(b"Signature=")
    if len(signature) != _SHA256_HEX_CHARACTERS:
        fields = _fields(authorization)
        _check_complete(fields)
        last = fields.pop("Signature")
        text = ",".join(f"{name}={value}" for name, value in fields.items())
        return _claim(f"{canonical.ALGORITHM} {text}".encode("latin-1")), last.encode("latin-1")
    return _claim(before), signature


@lru_cache(maxsize=256)
def _claim(before_signature: bytes) -> Claim:
    fields = _fields(before_signature)
    _check_complete(fields, but="Signature")
    return _claim_of(fields["Credential"], fields["SignedHeaders"])


def _fields(authorization: bytes) -> dict[str, str]:
    algorithm, _, rest = authorization.decode("latin-1").strip().partition(" ")
    if algorithm != canonical.ALGORITHM and algorithm.startswith("AWS4-"):
        raise ApiError("IncompleteSignatureException", f"Unsupported AWS 'algorithm': '{algorithm}'.", status=403)
    if algorithm != canonical.ALGORITHM:
        return {}
    pairs = (part.strip().partition("=") for part in rest.split(","))
    return {name: value for name, equals, value in pairs if equals}


def _from_query(request: Request) -> _Signed:
    parameters = {}
    for part in request.query.split("&"):
        name, _, value = part.partition("=")
        parameters[name] = unquote(value)
    missing = [
        name
        for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
        if not parameters.get(f"X-Amz-{name}")
    ]
    if missing:
        text = " ".join(f"AWS query-string parameters must include 'X-Amz-{name}'." for name in missing)
        raise ApiError("IncompleteSignatureException", text, status=403)
    algorithm = parameters["X-Amz-Algorithm"]
    if algorithm != canonical.ALGORITHM:
        raise ApiError("IncompleteSignatureException", f"Unsupported AWS 'algorithm': '{algorithm}'.", status=403)
    return _Signed(
        _claim_of(parameters["X-Amz-Credential"], parameters["X-Amz-SignedHeaders"]),
        parameters["X-Amz-Signature"].encode(),
        parameters["X-Amz-Date"],
        canonical.canonical_query(request.query, without="X-Amz-Signature"),
        _lifetime(parameters["X-Amz-Expires"]),
        parameters.get("X-Amz-Security-Token"),
    )


def _lifetime(seconds: str) -> timedelta:
    if not (seconds.isascii() and seconds.isdigit()) or len(seconds) > 9:
        raise ApiError("IncompleteSignatureException", "X-Amz-Expires should be a number", status=403)
    lifetime = timedelta(seconds=int(seconds))
    if lifetime > LONGEST_PRESIGNED:
        text = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than"
        raise ApiError("IncompleteSignatureException", f"{text} {LONGEST_PRESIGNED.total_seconds():.0f}", status=403)
    return lifetime


@lru_cache(maxsize=256)
def _claim_of(credential: str, signed_headers: str) -> Claim:
    parts = credential.split("/")
    if len(parts) != 5:
        text = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        raise ApiError("IncompleteSignatureException", f"{text}, got '{credential}'", status=403)
    access_key_id, date, region, service, terminator = parts
    if terminator != canonical.TERMINATOR:
        text = f"Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'."
        raise _invalid(text)
    names = tuple(name.encode("latin-1") for name in signed_headers.lower().split(";"))
    if b"host" not in names:
        raise _invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    scope = f"{date}/{region}/{service}/{terminator}"
    block = canonical.HeaderBlock(names)
    return Claim(access_key_id, date, region, service, scope, names, block, HARMLESS.union(names))


# --- checks ---


def _session(access_key_id: str, token: str, credentials: Mapping[str, Credential]) -> Credential | None:
    """A session of one of the keys that last."""
    parents = (Parent(each.secret_access_key, each.account_id) for each in credentials.values())
    found = session_of(access_key_id, token, parents)
    if found is None:
        return None
    session, account_id = found
    return Credential(session.secret_access_key, account_id, session.session_token, session.expires_at)


def _known(credential: Credential | None, token: str | None, now: datetime) -> Credential:
    text = "The security token included in the request is invalid."
    if credential is None:
        raise ApiError("UnrecognizedClientException", text, status=403)
    if credential.session_token is not None:
        expected = credential.session_token.encode("latin-1")
        if not hmac.compare_digest(expected, (token or "").encode("latin-1")):
            raise ApiError("UnrecognizedClientException", text, status=403)
    if credential.expires_at is not None and credential.expires_at <= now:
        text = "The security token included in the request is expired"
        raise ApiError("ExpiredTokenException", text, status=403)
    return credential


def _check_time(signed: _Signed, now: datetime) -> None:
    signed_at = _moment(signed.timestamp)
    dated = signed.timestamp.startswith(signed.claim.date)
    if dated and _NOT_BEFORE <= now - signed_at <= signed.lifetime:
        return
    if not dated:
        raise _invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{signed.claim.date}' != '{signed.timestamp[:8]}', from '{signed.timestamp}'."
        )
    if signed_at + signed.lifetime < now:
        limit, shown = _shown(now - signed.lifetime), _shown(now)
        lifetime = _span(signed.lifetime)
        text = f"Signature expired: {signed.timestamp} is now earlier than {limit} ({shown} - {lifetime})"
        raise _invalid(text)
    if signed_at - CLOCK_SKEW > now:
        limit, shown = _shown(now + CLOCK_SKEW), _shown(now)
        text = f"Signature not yet current: {signed.timestamp} is still later than {limit} ({shown} + 5 min.)"
        raise _invalid(text)


def _check_header_names(request: Request, claim: Claim) -> None:
    for name in request.headers:
        if name.startswith(b"x-amz-") and name not in claim.signed_headers and name not in UNSIGNED_ALLOWED:
            raise _invalid("There were headers present in the request which were not signed")


def _payload_hash(request: Request, claim: Claim, *, presigned: bool) -> str:
    declared = request.headers.get(b"x-amz-content-sha256")
    if declared == _UNSIGNED_PAYLOAD or (presigned and claim.service == "s3"):
        return canonical.UNSIGNED_PAYLOAD
    actual = request.body_sha256 or hashlib.sha256(request.body).hexdigest()
    if declared is not None and declared != actual.encode():
        raise _mismatch()
    return actual


# --- times and texts ---


@lru_cache(maxsize=64)
def _moment(timestamp: str) -> datetime:
    try:
        return datetime.strptime(timestamp, canonical.TIMESTAMP_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        text = f"Date must be in ISO-8601 'basic format'. Got '{timestamp}'."
        raise ApiError("IncompleteSignatureException", text, status=403) from None


def _from_date_header(request: Request) -> str:
    date = request.header(b"date")
    if date is None:
        raise _incomplete(["Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."])
    try:
        return _shown(parsedate_to_datetime(date).astimezone(UTC))
    except (ValueError, OverflowError):
        return date


def _shown(moment: datetime) -> str:
    return moment.strftime(canonical.TIMESTAMP_FORMAT)


def _span(lifetime: timedelta) -> str:
    seconds = int(lifetime.total_seconds())
    return f"{seconds // 60} min." if seconds % 60 == 0 else f"{seconds} sec."


def _invalid(text: str) -> ApiError:
    return ApiError("InvalidSignatureException", text, status=403)


def _mismatch() -> ApiError:
    return _invalid(
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )


def _check_complete(fields: Mapping[str, str], *, but: str = "") -> None:
    """A parameter without a value is none: else the error would name nothing that is missing."""
    wanted = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if name != but and not fields.get(name)
    ]
    if wanted:
        raise _incomplete(wanted)


def _incomplete(wanted: Iterable[str]) -> ApiError:
    return ApiError("IncompleteSignatureException", " ".join(wanted), status=403)
