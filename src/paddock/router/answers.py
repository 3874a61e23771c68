"""How the ends of an invocation that are not its function's are told to an HTTP caller."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from paddock.awsapi.messages import Responder
from paddock.awsapi.replies import REQUEST_ID_HEADER, Reply
from paddock.model.errors import ApiError, PlatformError

ErrorReply = Callable[[ApiError, str], Reply]
"""Words an error for the caller of the request with this id."""

THROTTLED_STATUS = 429
THROTTLED_CODE = "TooManyRequestsException"
RETRY_AFTER_SECONDS = 1
"""New capacity takes longer, a slot comes back sooner: the least that the header can say."""
CONCURRENCY_REASON = "ConcurrentInvocationLimitExceeded"
THROTTLED_BODY = b'{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}'

RATE_EXCEEDED = ApiError(
    THROTTLED_CODE,
    "Rate Exceeded.",
    members={"Reason": "CallerRateLimitExceeded", "Type": "User", "retryAfterSeconds": str(RETRY_AFTER_SECONDS)},
)
AGENT_LOST = PlatformError(
    "The managed instance that had the invocation is gone; whether the function ran is not known."
)
NOT_STORED = PlatformError("The invocation could not be stored.")


def error_document(error_type: str, text: str) -> bytes:
    """A function error made by the platform, in the form in which runtimes give theirs."""
    return msgspec.json.encode({"errorType": error_type, "errorMessage": text})


def send_throttle(responder: Responder, request_id: str, reason: str = CONCURRENCY_REASON) -> None:
    """Written out beforehand: under overload this is the answer to most requests."""
    body = THROTTLED_BODY
    if reason != CONCURRENCY_REASON:
        body = msgspec.json.encode({"Reason": reason, "Type": "User", "message": "Rate Exceeded."})
    headers = (
        ("Content-Type", "application/json"),
        (REQUEST_ID_HEADER, request_id),
        ("x-amzn-ErrorType", THROTTLED_CODE),
        ("Retry-After", str(RETRY_AFTER_SECONDS)),
    )
    responder.send(THROTTLED_STATUS, headers, body)
