"""What an extension's subscription is answered, as bytes ready to be written. Source: AWS's open agent code."""

from __future__ import annotations

import json

from paddock.agent import runtime_replies as replies
from paddock.agent.telemetry import SubscriptionClosed, TelemetryHub
from paddock.core.environment.telemetry import (
    VALIDATION_ERROR,
    InvalidSubscription,
    TelemetryApi,
    schema_versions,
)

SUBSCRIPTION_PATHS = {b"/2022-07-01/telemetry": TelemetryApi.TELEMETRY, b"/2020-08-15/logs": TelemetryApi.LOGS}
_SUBSCRIBED = replies.reply(200, b'"OK"')


def subscription_api(path: bytes, *, managed: bool) -> TelemetryApi | None:
    """What a PUT to this path subscribes to; None where there is nothing. Managed Instances have no Logs API."""
    api = SUBSCRIPTION_PATHS.get(path.rstrip(b"/"))
    return api if api is not None and schema_versions(api, managed=managed) else None


def put_subscription(hub: TelemetryHub, api: TelemetryApi, extension_name: str, body: bytes) -> bytes:
    """`extension_name` has shown its identifier; `body` is within the limit of all posts."""
    try:
        hub.subscribe(extension_name, api, body)
    except SubscriptionClosed:
        return replies.refusal(403, f"{api.value}.SubscriptionClosed", f"{api.value} API subscription is closed")
    except InvalidSubscription as invalid:
        document = {"errorMessage": str(invalid), "errorType": VALIDATION_ERROR}
        return replies.reply(400, json.dumps(document).encode())
    return _SUBSCRIBED
