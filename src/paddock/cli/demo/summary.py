"""What a load showed, as numbers. Pure: answers in, figures out; knows neither clients nor terminals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paddock.cli.answers import Answer, Latency, latency_of


@dataclass(frozen=True, slots=True)
class FunctionSummary:
    function_name: str
    requests: int
    outcomes: dict[str, int]
    latency: Latency | None
    per_environment: dict[str, int]


@dataclass(frozen=True, slots=True)
class LoadSummary:
    seconds: float
    requests: int
    throughput_per_second: float
    outcomes: dict[str, int]
    latency: Latency | None
    functions: tuple[FunctionSummary, ...]
    problems: tuple[str, ...]


def summarise(answers: Iterable[Answer], seconds: float) -> LoadSummary:
    every = tuple(answers)
    names = sorted({answer.function_name for answer in every})
    functions = tuple(
        _of_function(name, [answer for answer in every if answer.function_name == name]) for name in names
    )
    outcomes = Counter(answer.outcome for answer in every)
    return LoadSummary(
        seconds=seconds,
        requests=len(every),
        throughput_per_second=outcomes["ok"] / seconds if seconds else 0.0,
        outcomes=dict(outcomes),
        latency=latency_of(every),
        functions=functions,
        problems=tuple(dict.fromkeys(answer.detail for answer in every if answer.detail))[:5],
    )


def _of_function(name: str, answers: Sequence[Answer]) -> FunctionSummary:
    return FunctionSummary(
        function_name=name,
        requests=len(answers),
        outcomes=dict(Counter(answer.outcome for answer in answers)),
        latency=latency_of(answers),
        per_environment=dict(Counter(answer.environment for answer in answers if answer.environment)),
    )
