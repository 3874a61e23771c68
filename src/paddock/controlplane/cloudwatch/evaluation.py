"""Working out metric math over time series. Pure.

A value is a number, a series (time to number), a list of series, or a text. Where one of two series has nothing at a
time at which the other has something, it counts as a zero, as AWS says; where the arithmetic fails (a division by
zero) there is nothing.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from paddock.controlplane.cloudwatch.expressions import (
    Binary,
    Called,
    ExpressionError,
    Listed,
    Name,
    Negated,
    Number,
    Text,
    Tree,
)
from paddock.controlplane.cloudwatch.series import (
    ALONG,
    CALENDAR,
    OVER,
    Series,
    SeriesList,
    filled,
    in_order,
    interpolated,
    over,
    repeated,
)

Value: TypeAlias = "float | str | Series | SeriesList"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`values` are what other queries came to, by id; `metrics` those of them that are plain metrics.

    `times` are the beginnings of all periods asked for, ascending. `searches` are what every SEARCH in the tree has
    found, `periods` those of the other queries.
    """

    values: Mapping[str, Value]
    metrics: Mapping[str, Series]
    times: Sequence[datetime]
    period_seconds: int
    searches: Mapping[Called, SeriesList] = field(default_factory=dict)
    periods: Mapping[str, int] = field(default_factory=dict)


def evaluate(tree: Tree, around: Surroundings) -> Value:
    """Raises `ExpressionError`."""
    match tree:
        case Number(value) | Text(value):
            return value
        case Name(name):
            if name not in around.values:
                raise ExpressionError(f"Undefined id '{name}'")
            return around.values[name]
        case Negated(inner):
            return _mapped(evaluate(inner, around), operator.neg)
        case Binary(sign, left, right):
            return _combined(evaluate(left, around), evaluate(right, around), _BINARY[sign])
        case Listed(items):
            return SeriesList(tuple(each for item in items for each in _listed(evaluate(item, around))))
        case Called():
            return _call(tree, around)


Arithmetic: TypeAlias = "Callable[[float, float], float]"


def _truth(test: Callable[[float, float], bool]) -> Arithmetic:
    return lambda a, b: 1.0 if test(a, b) else 0.0


_BINARY: Mapping[str, Arithmetic] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": math.pow,
    "<": _truth(operator.lt),
    ">": _truth(operator.gt),
    "<=": _truth(operator.le),
    ">=": _truth(operator.ge),
    "==": _truth(operator.eq),
    "!=": _truth(operator.ne),
    "&&": _truth(lambda a, b: a != 0 and b != 0),
    "||": _truth(lambda a, b: a != 0 or b != 0),
}

_EACH: Mapping[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}

_SORTED_BY = ("AVG", "MIN", "MAX", "SUM")
_OF_ONE = _EACH.keys() | OVER.keys() | ALONG.keys() | CALENDAR.keys()
_OF_ONE |= {"FIRST", "LAST", "METRIC_COUNT", "PERIOD", "REMOVE_EMPTY", "TIME_SERIES"}


def _call(called: Called, around: Surroundings) -> Value:
    function, arguments = called.function, called.arguments
    match function:
        case "SEARCH":
            return around.searches[called]
        case "METRICS":
            return _metrics(arguments, around)
        case "FILL":
            return _fill(arguments, around)
        case "SORT":
            return _sorted(arguments, around)
        case "SLICE":
            return _sliced([evaluate(each, around) for each in arguments])
        case "IF":
            return _choose([evaluate(each, around) for each in arguments])
    if function not in _OF_ONE:
        raise ExpressionError(f"Function {function} is not supported")
    if len(arguments) != 1:
        raise ExpressionError(f"{function} takes one argument")
    if function == "PERIOD":
        return float(_period(arguments[0], around))
    return _of_one(function, evaluate(arguments[0], around), around)


def _of_one(function: str, given: Value, around: Surroundings) -> Value:
    if function in _EACH:
        return _mapped(given, _EACH[function])
    if function in OVER:
        return _over(given, function)
    if function in ALONG:
        return _per_series(given, ALONG[function])
    if function in CALENDAR:
        _series(given)
        return {at: CALENDAR[function](at) for at in around.times}
    if function == "TIME_SERIES":
        if not isinstance(given, float):
            raise ExpressionError("TIME_SERIES takes a number")
        return dict.fromkeys(around.times, given)
    if function == "METRIC_COUNT":
        return float(len(given.series)) if isinstance(given, SeriesList) else 1.0
    return _of_a_list(function, _list(function, given))


def _of_a_list(function: str, given: SeriesList) -> Value:
    if function == "REMOVE_EMPTY":
        return SeriesList(tuple(each for each in given.series if each[1]))
    if not given.series:
        return {}
    return given.series[0 if function == "FIRST" else -1][1]


def _period(argument: Tree, around: Surroundings) -> int:
    """A metric has its own, which need not be that of the expression."""
    _series(evaluate(argument, around))
    name = argument.name if isinstance(argument, Name) else ""
    return around.periods.get(name, around.period_seconds)


def _per_series(given: Value, work: Callable[[Series], Series]) -> Value:
    if isinstance(given, SeriesList):
        return SeriesList(tuple((label, work(series)) for label, series in given.series))
    return work(_series(given))


# Functions that look at more than values


def _metrics(arguments: tuple[Tree, ...], around: Surroundings) -> SeriesList:
    part = ""
    if arguments:
        if len(arguments) > 1 or not isinstance(arguments[0], Text):
            raise ExpressionError("METRICS takes nothing or a part of an id in quotes")
        part = arguments[0].value
    return SeriesList(tuple((name, series) for name, series in around.metrics.items() if part in name))


def _fill(arguments: tuple[Tree, ...], around: Surroundings) -> Value:
    if len(arguments) != 2:
        raise ExpressionError("FILL takes a metric and what to fill it with")
    metric, filling = evaluate(arguments[0], around), arguments[1]
    if isinstance(filling, Name) and filling.name.upper() == "REPEAT":
        return _per_series(metric, lambda series: repeated(series, around.times))
    if isinstance(filling, Name) and filling.name.upper() == "LINEAR":
        return _per_series(metric, lambda series: interpolated(series, around.times))
    value = evaluate(filling, around)
    if isinstance(value, float):
        value = dict.fromkeys(around.times, value)
    if not isinstance(value, dict):
        raise ExpressionError("FILL fills with a number, a metric, REPEAT or LINEAR")
    return _per_series(metric, lambda series: filled(series, value, around.times))


def _sorted(arguments: tuple[Tree, ...], around: Surroundings) -> SeriesList:
    if len(arguments) not in (3, 4):
        raise ExpressionError("SORT takes metrics, a function, ASC or DESC, and perhaps how many")
    by, order = (each.name.upper() if isinstance(each, Name) else "" for each in arguments[1:3])
    if by not in _SORTED_BY or order not in ("ASC", "DESC"):
        raise ExpressionError(f"SORT sorts by {', '.join(_SORTED_BY)}, and ASC or DESC")
    given = _list("SORT", evaluate(arguments[0], around))
    found = in_order(given, by, descending=order == "DESC")
    most = _whole("SORT", evaluate(arguments[3], around)) if len(arguments) == 4 else len(found.series)
    return SeriesList(found.series[:most])


def _sliced(given: list[Value]) -> SeriesList:
    """From the first place to before the last one; without a last one to the end."""
    if len(given) not in (2, 3):
        raise ExpressionError("SLICE takes metrics, where to begin, and perhaps where to end")
    many = _list("SLICE", given[0])
    places = [_whole("SLICE", each) for each in given[1:]]
    return SeriesList(many.series[slice(*places) if len(places) == 2 else slice(places[0], None)])


def _list(function: str, value: Value) -> SeriesList:
    if isinstance(value, SeriesList):
        return value
    raise ExpressionError(f"{function} takes an array of time series")


def _listed(value: Value) -> tuple[tuple[str, Series], ...]:
    return value.series if isinstance(value, SeriesList) else (("", _series(value)),)


def _whole(function: str, value: Value) -> int:
    if isinstance(value, float) and value >= 0 and value.is_integer():
        return int(value)
    raise ExpressionError(f"{function} counts in whole numbers from 0")


def _choose(given: list[Value]) -> Value:
    """IF(condition, then, else); without `else` there is nothing where the condition does not hold. Where it holds, a
    metric that has nothing then is a zero, as AWS says.
    """
    if len(given) not in (2, 3):
        raise ExpressionError("IF takes a condition, what then, and perhaps what else")
    condition, then = given[0], given[1]
    otherwise = given[2] if len(given) == 3 else None
    if isinstance(condition, float):
        chosen = then if condition else otherwise
        return {} if chosen is None else chosen
    found: Series = {}
    for at, holds in _series(condition).items():
        value = then if holds else otherwise
        at_value = value if value is None or isinstance(value, float) else _series(value).get(at)
        if at_value is not None or holds:
            found[at] = at_value or 0.0
    return found


# Arithmetic


def _over(given: Value, function: str) -> Value:
    """Of a list, series by series at each time; of one series, a single number."""
    if isinstance(given, SeriesList):
        return over([series for _, series in given.series], function)
    values = list(_series(given).values())
    if not values:
        return 0.0 if function == "DATAPOINT_COUNT" else math.nan
    return float(OVER[function](values))


def _mapped(value: Value, work: Callable[[float], float]) -> Value:
    if isinstance(value, float):
        return _safely(lambda: work(value))
    if isinstance(value, SeriesList):
        return SeriesList(tuple((label, _series(_mapped(series, work))) for label, series in value.series))
    return _finite((at, _safely(lambda one=one: work(one))) for at, one in _series(value).items())  # type: ignore[misc]


def _combined(left: Value, right: Value, work: Arithmetic) -> Value:
    if isinstance(left, SeriesList) or isinstance(right, SeriesList):
        return _combined_lists(left, right, work)
    if isinstance(left, float):
        return _mapped(right, lambda value: work(left, value))
    if isinstance(right, float):
        return _mapped(left, lambda value: work(value, right))
    one, other = _series(left), _series(right)
    times = sorted(one.keys() | other.keys())
    return _finite((at, _safely(lambda at=at: work(one.get(at, 0.0), other.get(at, 0.0)))) for at in times)  # type: ignore[misc]


def _combined_lists(left: Value, right: Value, work: Arithmetic) -> SeriesList:
    if isinstance(left, SeriesList) and isinstance(right, SeriesList):
        raise ExpressionError("Two lists of metrics cannot be combined")
    many, flipped = (left, False) if isinstance(left, SeriesList) else (right, True)
    single = right if isinstance(left, SeriesList) else left
    assert isinstance(many, SeriesList)
    return SeriesList(
        tuple(
            (label, _series(_combined(single, series, work) if flipped else _combined(series, single, work)))
            for label, series in many.series
        )
    )


def _series(value: Value) -> Series:
    if isinstance(value, dict):
        return value
    raise ExpressionError("A time series is needed here")


def _safely(work: Callable[[], float]) -> float:
    try:
        return float(work())
    except (ArithmeticError, ValueError):
        return math.nan


def _finite(points: Iterable[tuple[datetime, float]]) -> Series:
    return {at: value for at, value in points if math.isfinite(value)}
