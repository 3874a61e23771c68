"""Lambda's quotas of requests per second, in front of every operation's handler. Off unless asked for (`api_rates`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddock.awsapi.operations import Call, OperationHandler
from paddock.core.api_rates import ApiRateExceeded, ApiRateMeter
from paddock.model.errors import ApiError
from paddock.ports.clock import Clock

LIMITED_SERVICE = "lambda"
"""The quotas are Lambda's; what else this endpoint speaks has its own on AWS, far above."""


def rate_limited(name: str, handler: OperationHandler, meter: ApiRateMeter, clock: Clock) -> OperationHandler:
    """The handler of Lambda's operation `name`, refused when the quota it counts for is used up."""

    async def limited(call: Call) -> Mapping[str, Any] | None:
        exceeded = meter.take(name, clock.monotonic())
        if exceeded is not None:
            raise _too_many(exceeded)
        return await handler(call)

    return limited


def _too_many(exceeded: ApiRateExceeded) -> ApiError:
    """AWS's text and reason; `retryAfterSeconds` is the header `Retry-After` in the service model."""
    members = {
        "Reason": "CallerRateLimitExceeded",
        "Type": "User",
        "retryAfterSeconds": str(exceeded.retry_after_seconds),
    }
    return ApiError("TooManyRequestsException", "Rate exceeded", status=429, members=members)
