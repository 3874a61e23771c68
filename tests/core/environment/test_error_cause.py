from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.environment.error_cause import MAX_CAUSE_BYTES, MAX_POSTED_BYTES, cropped_error_cause

CAUSE = {
    "working_directory": "/var/task",
    "exceptions": [{"type": "ValueError", "message": "no", "stack": [{"path": "a.py", "line": 1, "label": "f"}]}],
    "paths": ["a.py"],
}


def test_a_cause_is_kept_as_it_is() -> None:
    assert json.loads(cropped_error_cause(json.dumps(CAUSE))) == CAUSE


def test_what_is_not_of_a_cause_is_left_out() -> None:
    assert json.loads(cropped_error_cause('{"message": "no", "more": 1, "paths": []}')) == {"message": "no"}


@pytest.mark.parametrize("posted", ["", "{", "[]", "null", "1", "{}", '{"other": 1}', "[" * 100_000, '{"message": ""}'])
def test_what_is_no_cause_is_dropped(posted: str) -> None:
    assert cropped_error_cause(posted) == ""


def test_a_long_stack_is_cropped_from_its_end_and_the_rest_stays() -> None:
    frames = [{"path": f"/var/task/{number}.py", "line": number, "label": "f"} for number in range(5_000)]
    long = {**CAUSE, "exceptions": [{"type": "RecursionError", "message": "deep", "stack": frames}]}
    cropped = json.loads(cropped_error_cause(json.dumps(long)))
    [exception] = cropped["exceptions"]
    assert exception["type"] == "RecursionError"
    assert exception["stack"] == frames[: len(exception["stack"])]
    assert len(exception["stack"]) > 500


def test_a_message_is_cropped_when_nothing_else_is_left() -> None:
    cropped = cropped_error_cause(json.dumps({"message": "ü" * 100_000, "working_directory": "x" * 70_000}))
    assert 0 < len(cropped) <= MAX_CAUSE_BYTES
    assert set(json.loads(cropped)["message"]) == {"ü"}


def test_what_is_far_too_long_is_not_looked_at() -> None:
    assert cropped_error_cause('"' + "x" * MAX_POSTED_BYTES + '"') == ""


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists), st.integers(1, 40_000))
def test_whatever_is_posted_the_result_is_short_and_json(inner: object, times: int) -> None:
    posted = json.dumps({"message": "m" * times, "exceptions": [{"stack": [inner] * 50}, inner], "paths": inner})
    cropped = cropped_error_cause(posted)
    assert len(cropped) <= MAX_CAUSE_BYTES
    assert isinstance(json.loads(cropped), dict)
