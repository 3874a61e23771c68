from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paddock.model.environment_variables import (
    MAX_TOTAL_BYTES,
    OVERRIDABLE,
    RESERVED,
    customer_variables,
    environment_variables_refusal,
    reserved_environment_variables,
    total_bytes,
)

names = st.one_of(st.sampled_from(sorted(RESERVED | OVERRIDABLE)), st.text(min_size=1, max_size=12))
variables = st.dictionaries(names, st.text(max_size=12), max_size=12)


def test_reserved_names_are_refused_in_awss_words_and_named_in_order() -> None:
    refusal = environment_variables_refusal({"AWS_REGION": "x", "A": "y", "AWS_ACCESS_KEY_ID": "z"})
    assert refusal is not None
    assert refusal.code == "InvalidParameterValueException"
    assert refusal.message.startswith(
        "Lambda was unable to configure your environment variables because the environment variables you have "
        "provided contains reserved keys that are currently not supported for modification."
    )
    assert refusal.message.endswith("Reserved keys used in this request: AWS_ACCESS_KEY_ID, AWS_REGION")


def test_four_kilobytes_pass_and_one_more_does_not() -> None:
    overhead = total_bytes({"A": ""})
    fits = {"A": "x" * (MAX_TOTAL_BYTES - overhead)}
    assert environment_variables_refusal(fits) is None
    refusal = environment_variables_refusal({"A": fits["A"] + "x"})
    assert refusal is not None
    assert "exceeded the 4KB limit" in refusal.message
    assert "xxx" not in refusal.message


def test_the_eight_overridable_names_are_not_reserved() -> None:
    assert len(OVERRIDABLE) == 8
    assert environment_variables_refusal(dict.fromkeys(OVERRIDABLE, "x")) is None


@given(variables)
def test_what_reaches_a_process_is_never_reserved_nor_starts_with_an_underscore(given_: dict[str, str]) -> None:
    passed = customer_variables(given_)
    assert not reserved_environment_variables(passed)
    assert not [name for name in passed if name.startswith("_")]
    assert passed.items() <= given_.items()


@given(variables)
def test_a_refusal_never_shows_a_value(given_: dict[str, str]) -> None:
    marked = dict.fromkeys(given_, "hunter2")
    refusal = environment_variables_refusal(marked)
    assert refusal is None or "hunter2" not in refusal.message
