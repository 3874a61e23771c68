from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.controlplane.cloudwatch.expressions import (
    DEEPEST,
    Binary,
    Called,
    ExpressionError,
    Listed,
    Name,
    Negated,
    Number,
    Text,
    names_in,
    parse,
)


def spelled(tree: Any) -> str:
    """The tree with all its brackets."""
    match tree:
        case Number(value):
            return f"{value:g}"
        case Text(value):
            return f'"{value}"' if "'" in value else f"'{value}'"
        case Name(name):
            return name
        case Negated(inner):
            return f"(-{spelled(inner)})"
        case Binary(sign, left, right):
            return f"({spelled(left)} {sign} {spelled(right)})"
        case Listed(items):
            return f"[{', '.join(map(spelled, items))}]"
        case Called(function, arguments):
            return f"{function}({', '.join(map(spelled, arguments))})"
        case _:
            raise AssertionError(tree)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("m1", "m1"),
        (" m1 + m2*3 ", "(m1 + (m2 * 3))"),
        ("m1 - m2 - m3", "((m1 - m2) - m3)"),
        ("(m1 + m2) / 2", "((m1 + m2) / 2)"),
        ("2^3^2", "(2 ^ (3 ^ 2))"),
        ("-m1^2", "(-(m1 ^ 2))"),
        ("-.5e3", "(-500)"),
        ("100*errors/invocations", "((100 * errors) / invocations)"),
        ("m1 > 5 && m2 <= 1 || m3 != 0", "(((m1 > 5) && (m2 <= 1)) || (m3 != 0))"),
        ("SUM(METRICS())", "SUM(METRICS())"),
        ("avg([m1, m2])", "AVG([m1, m2])"),
        ("METRICS('err')", "METRICS('err')"),
        ('METRICS("err")', "METRICS('err')"),
        ("FILL(m1, REPEAT)", "FILL(m1, REPEAT)"),
        ("IF(m1 > 0, m1, 0)", "IF((m1 > 0), m1, 0)"),
    ],
)
def test_expressions_are_read(text: str, meant: str) -> None:
    assert spelled(parse(text)) == meant


@pytest.mark.parametrize(
    "text", ["", "m1 +", "m1 m2", "(m1", "m1)", "SUM(m1", "[m1", "m1 ? m2", "SUM(,)", "'open", "1.2.3"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.mark.parametrize("text", ["(" * 500 + "m1" + ")" * 500, "-" * 1000 + "1", "^".join(["2"] * 500), "[" * 900])
def test_no_depth_exhausts_the_stack(text: str) -> None:
    with pytest.raises(ExpressionError, match=f"{DEEPEST} deep"):
        parse(text)


def test_long_ones_that_are_not_deep_are_read() -> None:
    assert names_in(parse("+".join(f"m{number}" for number in range(300)))) == {f"m{number}" for number in range(300)}


@given(st.text(alphabet="m12 +-*/^()[],<>=!&|'\".SUMFIL", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionError:
        return
    assert spelled(parse(spelled(tree))) == spelled(tree)
