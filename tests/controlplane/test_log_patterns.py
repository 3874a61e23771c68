import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.controlplane.log_patterns import keeps
from paddock.model.errors import ApiError

DOCUMENT = json.dumps(
    {"level": "ERROR", "ms": 120, "ok": False, "nothing": None, "user": {"name": "Ann Lee", "tags": ["a", "b"]}}
)


@pytest.mark.parametrize(
    ("pattern", "line", "kept"),
    [
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR timeout", "timeout ERROR", True),
        ("ERROR timeout", "ERROR only", False),
        ('"an ERROR"', "this is an ERROR", True),
        ('"ERROR an"', "this is an ERROR", False),
        (r'"say \"hi\""', 'they say "hi"', True),
        ("?one ?other", "the other", True),
        ("?one ?other", "neither", False),
        ("ERROR -timeout", "ERROR of size", True),
        ("ERROR -timeout", "ERROR timeout", False),
        ("-timeout", "fine", True),
        ("%[0-9]{3}ms%", "took 120ms", True),
        ("%[0-9]{3}ms%", "took 12ms", False),
    ],
)
def test_terms(pattern: str, line: str, kept: bool) -> None:
    keep = keeps(pattern)
    assert keep is not None
    assert keep(line) is kept


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ('{ $.level = "ERROR" }', True),
        ("{ $.level = ERROR }", True),
        ('{ $.level != "ERROR" }', False),
        ('{ $.level = "ERR*" }', True),
        ("{ $.ms = 120 }", True),
        ("{ $.ms > 100 && $.ms <= 120 }", True),
        ("{ $.ms < 100 || $.level = INFO }", False),
        ('{ ($.ms < 100 || $.level = "ERROR") && $.ok IS FALSE }', True),
        ("{ $.nothing IS NULL }", True),
        ("{ $.ok IS TRUE }", False),
        ("{ $.absent NOT EXISTS }", True),
        ("{ $.level EXISTS }", True),
        ('{ $.user.name = "Ann Lee" }', True),
        ('{ $.user.tags[1] = "b" }', True),
        ('{ $.user.tags[*] = "a" }', True),
        ('{ $.user.tags[7] = "a" }', False),
        ('{ $["level"] = "ERROR" }', True),
        ("{ $.level > 5 }", False),
        ("{ $.absent = 5 }", False),
    ],
)
def test_conditions_on_json(pattern: str, kept: bool) -> None:
    keep = keeps(pattern)
    assert keep is not None
    assert keep(DOCUMENT) is kept
    assert keep("not json at all") is False
    assert keep('{"broken') is False


def test_nothing_keeps_every_line() -> None:
    assert keeps("") is None
    assert keeps("  ") is None


@pytest.mark.parametrize(
    "pattern",
    [
        "[a, b]",
        "{ $.a",
        "{ $.a }",
        "{ $.a = }",
        "{ = 5 }",
        "{ $.a = 5 $.b = 6 }",
        "{ ($.a = 5 }",
        "{ $.a ~ 5 }",
        '"open',
        "%(%",
        "%(a+)+%",
    ],
)
def test_what_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(ApiError, match="Invalid filter pattern") as raised:
        keeps(pattern)
    assert raised.value.code == "InvalidParameterException"


@given(pattern=st.text(max_size=60), line=st.text(max_size=60))
def test_any_text_is_a_pattern_or_refused(pattern: str, line: str) -> None:
    try:
        keep = keeps(pattern)
    except ApiError:
        return
    assert keep is None or keep(line) in (True, False)


@given(inner=st.text(alphabet='$.ab[]()"=<>!&|*15 ', max_size=40))
def test_any_condition_is_read_or_refused(inner: str) -> None:
    try:
        keep = keeps("{" + inner + "}")
    except ApiError:
        return
    assert keep is not None
    assert keep('{"a": 1, "b": {"a": "x"}}') in (True, False)
