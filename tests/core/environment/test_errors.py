import pytest

from paddock.core.environment import errors
from paddock.model.states import StateReasonCode


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
        ("Function.Bad", "Function.Bad"),
        ("xxRuntime.Yes", "xxRuntime.Yes"),
        ("Function.bad", "Function.Unknown"),
        ("Runtime.bad", "Runtime.Unknown"),
        ("unhandled", "Runtime.Unknown"),
        ("", "Runtime.Unknown"),
    ],
)
def test_an_error_type_is_kept_only_when_it_looks_like_one(value: str, kept: str) -> None:
    assert errors.sanitised_error_type(value) == kept


def test_a_timeout_names_its_seconds_with_two_decimals() -> None:
    assert errors.timeout_message(3) == "Task timed out after 3.00 seconds"
    assert errors.caller_message("r1", "x") == "RequestId: r1 Error: x"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (-9, "Runtime exited with error: signal: killed"),
        (-64, "Runtime exited with error: signal: 64"),
    ],
)
def test_how_a_process_ended_is_said_in_awss_words(status: int, text: str) -> None:
    assert errors.exit_message(status) == text


def test_a_reason_during_init_is_not_that_of_a_running_environment() -> None:
    assert errors.reason_code(errors.TIMED_OUT, init=True) is StateReasonCode.INIT_TIMEOUT
    assert errors.reason_code(errors.TIMED_OUT, init=False) is StateReasonCode.FUNCTION_ERROR
    assert errors.reason_code(errors.PLATFORM_FAILURE, init=False) is StateReasonCode.INTERNAL_ERROR
    assert errors.reason_code("Runtime.Whatever", init=True) is StateReasonCode.RUNTIME_INIT_ERROR


def test_a_large_answer_is_told_its_size_and_the_limit() -> None:
    text = errors.response_too_large_message(6291557)
    assert text == "Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes)."
