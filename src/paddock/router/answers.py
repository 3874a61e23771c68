"""How the ends of an invocation that are not its function's are told to an HTTP caller."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from paddock.awsapi.messages import Responder
from paddock.awsapi.replies import REQUEST_ID_HEADER, Reply
from paddock.core.on_demand import ThrottleReason
from paddock.model.errors import ApiError, PlatformError

ErrorReply = Callable[[ApiError, str], Reply]
"""Words an error for the caller of the request with this id."""

THROTTLED_STATUS = 429
THROTTLED_CODE = "TooManyRequestsException"
THROTTLED_BODY = b'{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}'

AGENT_LOST = PlatformError(
    "The managed instance that had the invocation is gone; whether the function ran is not known."
)
NOT_STORED = PlatformError("The invocation could not be stored.")


def error_document(error_type: str, text: str) -> bytes:
    """A function error made by the platform, in the form in which runtimes give theirs."""
    return msgspec.json.encode({"errorType": error_type, "errorMessage": text})


def rate_exceeded(retry_after_seconds: int) -> ApiError:
    """More asynchronous invocations at once than can be stored."""
    members = {"Reason": "CallerRateLimitExceeded", "Type": "User", "retryAfterSeconds": str(retry_after_seconds)}
    return ApiError(THROTTLED_CODE, "Rate Exceeded.", members=members)


class HttpRefusals:
    """What the router itself answers an HTTP caller. One for all calls."""

    __slots__ = ("_error_reply", "_throttle_headers")

    def __init__(self, error_reply: ErrorReply, retry_after_seconds: int) -> None:
        self._error_reply = error_reply
        self._throttle_headers = (
            ("Content-Type", "application/json"),
            ("x-amzn-ErrorType", THROTTLED_CODE),
            ("Retry-After", str(retry_after_seconds)),
        )

    def fail(self, responder: Responder, request_id: str, error: ApiError) -> None:
        responder.send(*self._error_reply(error, request_id))

    def throttle(self, responder: Responder, request_id: str, reason: ThrottleReason) -> None:
        """Written out beforehand: under overload this is the answer to most requests."""
        body = THROTTLED_BODY
        if reason is not ThrottleReason.ACCOUNT:
            body = msgspec.json.encode({"Reason": reason, "Type": "User", "message": "Rate Exceeded."})
        responder.send(THROTTLED_STATUS, ((REQUEST_ID_HEADER, request_id), *self._throttle_headers), body)
