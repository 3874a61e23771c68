"""Working out metric math over time series. Pure.

A value is a number, a series (time to number), a list of series, or a text. A time at which one of two series has
nothing has nothing in the result either; neither has one where the arithmetic fails (a division by zero).
"""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
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

Series: TypeAlias = "dict[datetime, float]"


@dataclass(frozen=True, slots=True)
class SeriesList:
    """Several series with the labels they came with."""

    series: tuple[tuple[str, Series], ...]


Value: TypeAlias = "float | str | Series | SeriesList"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`values` are what other queries came to, by id; `metrics` those of them that are plain metrics.

    `times` are the beginnings of all periods asked for, ascending.
    """

    values: Mapping[str, Value]
    metrics: Mapping[str, Series]
    times: Sequence[datetime]
    period_seconds: int


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
            return SeriesList(tuple(("", _series(evaluate(item, around))) for item in items))
        case Called(function, arguments):
            return _call(function, arguments, around)


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

_OVER: Mapping[str, Callable[[list[float]], float]] = {
    "SUM": math.fsum,
    "AVG": statistics.fmean,
    "MIN": min,
    "MAX": max,
    "STDDEV": lambda values: statistics.stdev(values) if len(values) > 1 else 0.0,
}


def _call(function: str, arguments: tuple[Tree, ...], around: Surroundings) -> Value:
    if function == "METRICS":
        return _metrics(arguments, around)
    if function == "FILL":
        return _fill(arguments, around)
    given = [evaluate(each, around) for each in arguments]
    if function == "IF":
        return _choose(given)
    if len(given) != 1:
        raise ExpressionError(f"{function} takes one argument" if function in _KNOWN else _unknown(function))
    return _of_one(function, given[0], around)


def _of_one(function: str, given: Value, around: Surroundings) -> Value:
    if function in _EACH:
        return _mapped(given, _EACH[function])
    if function in _OVER:
        return _over(given, _OVER[function])
    match function:
        case "PERIOD":
            return float(around.period_seconds)
        case "METRIC_COUNT":
            return float(len(given.series)) if isinstance(given, SeriesList) else 1.0
        case "TIME_SERIES":
            if not isinstance(given, float):
                raise ExpressionError("TIME_SERIES takes a number")
            return dict.fromkeys(around.times, given)
        case "DIFF" | "RATE" | "DIFF_TIME" | "RUNNING_SUM":
            return _per_series(given, _ALONG[function])
        case _:
            raise ExpressionError(_unknown(function))


def _unknown(function: str) -> str:
    return f"Function {function} is not supported"


# One series after the other


def _diff(series: Series) -> Series:
    return {at: series[at] - series[before] for before, at in pairwise(series)}


def _rate(series: Series) -> Series:
    return {at: (series[at] - series[before]) / (at - before).total_seconds() for before, at in pairwise(series)}


def _diff_time(series: Series) -> Series:
    return {at: (at - before).total_seconds() for before, at in pairwise(series)}


def _running_sum(series: Series) -> Series:
    total, found = 0.0, {}
    for at, value in series.items():
        total += value
        found[at] = total
    return found


_ALONG: Mapping[str, Callable[[Series], Series]] = {
    "DIFF": _diff,
    "RATE": _rate,
    "DIFF_TIME": _diff_time,
    "RUNNING_SUM": _running_sum,
}
_KNOWN = _EACH.keys() | _OVER.keys() | _ALONG.keys() | {"PERIOD", "METRIC_COUNT", "TIME_SERIES"}


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
        return _per_series(metric, lambda series: _repeated(series, around.times))
    if isinstance(filling, Name) and filling.name.upper() == "LINEAR":
        return _per_series(metric, lambda series: _interpolated(series, around.times))
    value = evaluate(filling, around)
    if not isinstance(value, float):
        raise ExpressionError("FILL fills with a number, REPEAT or LINEAR")
    return _per_series(metric, lambda series: {at: series.get(at, value) for at in around.times})


def _repeated(series: Series, times: Sequence[datetime]) -> Series:
    found: Series = {}
    last: float | None = None
    for at in times:
        last = series.get(at, last)
        if last is not None:
            found[at] = last
    return found


def _interpolated(series: Series, times: Sequence[datetime]) -> Series:
    """Between two values on the straight line; before the first and after the last as these are."""
    known = list(series.items())
    if not known:
        return {}
    found: Series = {}
    after = 0
    for at in times:
        while after < len(known) and known[after][0] < at:
            after += 1
        right, left = known[min(after, len(known) - 1)], known[max(after - 1, 0)]
        width = (right[0] - left[0]).total_seconds()
        share = (at - left[0]).total_seconds() / width if width > 0 else 1.0
        found[at] = left[1] + (right[1] - left[1]) * min(max(share, 0.0), 1.0)
    return found


def _choose(given: list[Value]) -> Value:
    """IF(condition, then, else); without `else` there is nothing where the condition does not hold."""
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
        if at_value is not None:
            found[at] = at_value
    return found


# Arithmetic


def _over(given: Value, aggregate: Callable[[list[float]], float]) -> Value:
    """Of a list, series by series at each time; of one series, a single number."""
    if not isinstance(given, SeriesList):
        values = list(_series(given).values())
        return float(aggregate(values)) if values else math.nan
    times = sorted({at for _, series in given.series for at in series})
    return {at: float(aggregate([series[at] for _, series in given.series if at in series])) for at in times}


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
    return _finite((at, _safely(lambda at=at: work(one[at], other[at]))) for at in one if at in other)  # type: ignore[misc]


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
