"""The rules of AWS for a function's own environment variables: which names are reserved, and how much they may hold.

Source: AWS Lambda developer guide, "Environment variables" (reserved and unreserved names, 4 KB). The values are
secrets: no text made here contains one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from paddock.model.errors import ApiError, invalid_parameter

MAX_TOTAL_BYTES = 4096
"""Of all names and values together, as JSON; a quota of AWS."""

OVERRIDABLE = frozenset(
    {
        "AWS_LAMBDA_LOG_FORMAT",
        "AWS_LAMBDA_LOG_LEVEL",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LANG",
        "LD_LIBRARY_PATH",
        "PATH",
        "TZ",
    }
)
"""The platform sets these; a customer's value wins."""

RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""The platform alone sets these; Create and Update refuse them."""


def reserved_environment_variables(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The names among `variables` that AWS does not let a customer set, in alphabetical order."""
    return tuple(sorted(RESERVED & variables.keys()))


def environment_variables_refusal(variables: Mapping[str, str]) -> ApiError | None:
    """AWS's refusal of a function's variables, or None. The pattern of names is the service model's to check."""
    reserved = reserved_environment_variables(variables)
    if reserved:
        return invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    if total_bytes(variables) > MAX_TOTAL_BYTES:
        return invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. Bytes measured: {total_bytes(variables)}"
        )
    return None


def total_bytes(variables: Mapping[str, str]) -> int:
    return len(json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass"))


def customer_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """What of a customer's variables reaches a process: no name with a leading underscore, no reserved name."""
    return {name: value for name, value in variables.items() if not name.startswith("_") and name not in RESERVED}
