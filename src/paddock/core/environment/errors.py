"""The platform's own words for what goes wrong in an environment: error types, texts, and the state reason they give.

Sources: AWS's open agent code (Runtime Interface Emulator, Managed Instances tree); Lambda developer guide, "Runtime
API".
"""

from __future__ import annotations

import re

from paddock.model.states import EnvironmentPhase, StateReasonCode

UNAVAILABLE = "Runtime.Unavailable"
INIT_INCOMPLETE = "Client.InitIncomplete"
SHUT_DOWN = "Client.ExecutionEnvironmentShutDown"
UNHEALTHY = "Client.ExecutionEnvironmentUnhealthy"
DUPLICATED = "Client.DuplicatedInvokeId"
TIMED_OUT = "Sandbox.Timedout"
PLATFORM_FAILURE = "Sandbox.Failure"
EXIT_ERROR = "Runtime.ExitError"
OUT_OF_MEMORY = "Runtime.OutOfMemory"
INIT_ERROR = "Runtime.InitError"
INVALID_ENTRYPOINT = "Runtime.InvalidEntrypoint"
INVALID_WORKING_DIRECTORY = "Runtime.InvalidWorkingDir"
PERMISSION_DENIED = "PermissionDenied"
TRUNCATED_RESPONSE = "Runtime.TruncatedResponse"
INVALID_RESPONSE_MODE = "Runtime.InvalidResponseModeHeader"
RESPONSE_TOO_LARGE = "Function.ResponseSizeTooLarge"
INVALID_ZIP = "Runtime.InvalidZipFile"
INVALID_IMAGE = "Runtime.InvalidImage"
INVALID_RUNTIME = "Runtime.InvalidRuntime"
UNKNOWN_ERROR = "Runtime.Unknown"
EXTENSION_CRASH = "Extension.Crash"
EXTENSION_INIT_ERROR = "Extension.InitError"
EXTENSION_EXIT_ERROR = "Extension.ExitError"
EXTENSION_LAUNCH_ERROR = "Extension.LaunchError"
TOO_MANY_EXTENSIONS = "Extension.TooManyExtensions"

MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100
"""Of a buffered answer (developer guide, "Lambda quotas"; the emulator's texts name this number)."""
MAX_ERROR_BYTES = 1024 * 1024
"""Of the body of any other post."""

WITHOUT_A_REASON = "Runtime exited without providing a reason"
"""What is said of a runtime, or of one of its workers, that is gone and left no exit status."""

KILLED = "Runtime exited with error: signal: killed"
"""How an end for want of memory looks from outside."""

_VALID_TYPE = re.compile(r"(?:Runtime|Function)\.[A-Z][a-zA-Z]+")
_VALID_EXTENSION_TYPE = re.compile(r"Extension\.[A-Z][a-zA-Z]+")

_INIT_REASONS = {
    TIMED_OUT: StateReasonCode.INIT_TIMEOUT,
    INVALID_ENTRYPOINT: StateReasonCode.INVALID_ENTRY_POINT,
    INVALID_WORKING_DIRECTORY: StateReasonCode.INVALID_WORKING_DIRECTORY,
    PERMISSION_DENIED: StateReasonCode.PERMISSION_DENIED,
    OUT_OF_MEMORY: StateReasonCode.INIT_RESOURCE_EXHAUSTED,
    INVALID_ZIP: StateReasonCode.INVALID_ZIP_FILE,
    INVALID_IMAGE: StateReasonCode.INVALID_IMAGE,
    INVALID_RUNTIME: StateReasonCode.INVALID_RUNTIME,
    PLATFORM_FAILURE: StateReasonCode.INTERNAL_ERROR,
    TOO_MANY_EXTENSIONS: StateReasonCode.TOO_MANY_EXTENSIONS,
}


def sanitised_error_type(value: str) -> str:
    """What a runtime calls its error, made fit for headers and records."""
    if _VALID_TYPE.search(value):
        return value
    return "Function.Unknown" if value.startswith("Function.") else UNKNOWN_ERROR


def sanitised_extension_error_type(value: str, default: str) -> str:
    return value if _VALID_EXTENSION_TYPE.search(value) else default


def reason_code(error_type: str, *, init: bool) -> StateReasonCode:
    if not init:
        return StateReasonCode.INTERNAL_ERROR if error_type == PLATFORM_FAILURE else StateReasonCode.FUNCTION_ERROR
    of_extensions = error_type.startswith("Extension.")
    default = StateReasonCode.EXTENSION_INIT_ERROR if of_extensions else StateReasonCode.RUNTIME_INIT_ERROR
    return _INIT_REASONS.get(error_type, default)


def not_ready(phase: EnvironmentPhase) -> str:
    """How an invocation is refused by an environment in another phase than READY."""
    if phase is EnvironmentPhase.STARTING:
        return INIT_INCOMPLETE
    return SHUT_DOWN if phase is EnvironmentPhase.DRAINING else UNHEALTHY


def invocation_status(error_type: str) -> str:
    """Of an invocation that the platform fails, as its report has it."""
    if error_type == TIMED_OUT:
        return "timeout"
    return "error" if error_type.startswith(("Runtime.", "Function.", "Extension.")) else "failure"


def caller_message(invocation_id: str, message: str) -> str:
    """The public API names the request before the platform's own messages."""
    return f"RequestId: {invocation_id} Error: {message}"


def timeout_message(timeout_seconds: float) -> str:
    return f"Task timed out after {timeout_seconds:.2f} seconds"


def response_too_large_message(body_bytes: int, limit_bytes: int = MAX_RESPONSE_BYTES) -> str:
    return f"Response payload size ({body_bytes} bytes) exceeded maximum allowed payload size ({limit_bytes} bytes)."


def exit_message(exit_status: int) -> str:
    """`exit_status` as of a process: negative for a signal. Zero is a failure too: a runtime never ends by itself."""
    return WITHOUT_A_REASON if exit_status == 0 else f"Runtime exited with error: {exit_cause(exit_status)}"


def exit_cause(exit_status: int) -> str:
    if exit_status < 0:
        return f"signal: {_SIGNALS.get(-exit_status, str(-exit_status))}"
    return f"exit status {exit_status}"


_SIGNALS = {
    4: "illegal instruction",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    11: "segmentation fault",
    15: "terminated",
}
