from __future__ import annotations

import pytest

from paddock.core.environment import errors
from paddock.core.environment.init_phase import InitPhase
from paddock.model.states import StateReasonCode

ENDS = [errors.EXIT_ERROR, errors.EXTENSION_CRASH, errors.TIMED_OUT, errors.OUT_OF_MEMORY]


@pytest.mark.parametrize("end", ENDS)
def test_without_a_word_the_end_is_the_reason(end: str) -> None:
    assert InitPhase().failure(end, "how it ended") == (end, errors.reason_code(end, init=True), "how it ended", True)


@pytest.mark.parametrize("end", ENDS)
def test_what_was_said_first_is_the_reason_whatever_ended_it(end: str) -> None:
    init = InitPhase()
    init.failed("Extension.NoConfig", "Extension a reported Extension.NoConfig.")
    assert init.runtime_failed("Runtime.ImportModuleError", "no module")
    failure = init.failure(end, "how it ended")
    assert (failure.error_type, failure.text) == ("Extension.NoConfig", "Extension a reported Extension.NoConfig.")
    assert failure.reason_code is StateReasonCode.EXTENSION_INIT_ERROR


def test_a_runtime_is_heard_once_and_its_type_made_fit() -> None:
    init = InitPhase()
    assert init.runtime_failed("nonsense", "")
    assert not init.runtime_failed("Runtime.Second", "second")
    assert init.failure(errors.EXIT_ERROR, "the end")[:3] == (
        errors.UNKNOWN_ERROR,
        StateReasonCode.RUNTIME_INIT_ERROR,
        "the end",
    )


def test_its_time_is_up_once() -> None:
    init = InitPhase()
    assert not init.is_due(1e9)
    init.began(10.0, 5.0)
    assert [init.is_due(now) for now in (14.9, 15.0, 15.1)] == [False, True, False]
