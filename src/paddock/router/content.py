"""Is the content of an Invoke request what AWS takes? Cheap for the small and well-formed, exact for the rest."""

from __future__ import annotations

import base64
import binascii

import msgspec

from paddock.model.errors import ApiError
from paddock.router.limits import (
    ASYNCHRONOUS_PAYLOAD_BYTES,
    CLIENT_CONTEXT_CHARACTERS,
    NAMED_SYNCHRONOUS_PAYLOAD_BYTES,
    SYNCHRONOUS_PAYLOAD_BYTES,
)

BAD_PAYLOAD = "Could not parse request body into json: Could not parse payload into json: "
EMPTY_EVENT = b"{}"
"""What an empty payload means; some runtime clients die of nothing at all."""

_json = msgspec.json.Decoder(msgspec.Raw)
_json_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def checked_payload(payload: bytes, *, asynchronous: bool = False) -> bytes:
    """The payload, untouched, or `{}` for an empty one. Raises `ApiError` when it is too long or no JSON."""
    if not payload:
        return EMPTY_EVENT
    limit = ASYNCHRONOUS_PAYLOAD_BYTES if asynchronous else SYNCHRONOUS_PAYLOAD_BYTES
    if len(payload) > limit:
        raise _too_large(asynchronous=asynchronous)
    try:
        _json.decode(payload)
        if not payload.isascii():
            payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(
            "InvalidRequestContentException",
            f"{BAD_PAYLOAD}{error}",
            members={"Type": "User"},
        ) from error
    return payload


def _too_large(*, asynchronous: bool) -> ApiError:
    named = ASYNCHRONOUS_PAYLOAD_BYTES if asynchronous else NAMED_SYNCHRONOUS_PAYLOAD_BYTES
    return ApiError(
        "RequestTooLargeException",
        f"Request must be smaller than {named} bytes for the InvokeFunction operation",
        members={"Type": "User"},
    )


def client_context(header: bytes | None) -> str:
    """The JSON text that the runtime gets; empty for none. Raises `ApiError`."""
    if not header:
        return ""
    try:
        if len(header) > CLIENT_CONTEXT_CHARACTERS:
            raise ValueError("too long")
        text = base64.b64decode(header, validate=True).decode()
        _json_object.decode(text)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError) as error:
        raise ApiError(
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
            members={"Type": "User"},
        ) from error
    return text.replace("\r", " ").replace("\n", " ")
