"""What came of one simulation, whichever it was, and the breach that ends one. Knows nothing of what is simulated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

CRASH = "crash"
"""The name of what no simulation promises by itself: an exception that nobody expected, in the product or here."""


class InvariantBroken(AssertionError):
    """`invariant` is its short name; the text says what was seen."""

    def __init__(self, invariant: str, at: float, text: str) -> None:
        super().__init__(invariant, at, text)
        self.invariant = invariant

    def __str__(self) -> str:
        invariant, at, text = self.args
        return f"{invariant} at {at:.2f} s: {text}"


def nothing() -> Counter[str]:
    return Counter()


@dataclass(slots=True)
class Report:
    """`broken` is None when every promise was kept.

    `outcomes` are of calls, `checks` of promises that were looked at, `faults` of what was made to fail, `requests` of
    what people asked for meanwhile, `decisions` of what plans said.
    """

    seed: int
    seconds: float = 0.0
    events: int = 0
    outcomes: Counter[str] = field(default_factory=nothing)
    checks: Counter[str] = field(default_factory=nothing)
    faults: Counter[str] = field(default_factory=nothing)
    requests: Counter[str] = field(default_factory=nothing)
    decisions: Counter[str] = field(default_factory=nothing)
    story: list[str] = field(default_factory=list, repr=False)
    broken: InvariantBroken | None = None

    @property
    def digest(self) -> tuple[object, ...]:
        """The same for two runs of a seed, or they were not the same run."""
        counts = (self.outcomes, self.checks, self.faults, self.requests, self.decisions)
        return (self.seconds, self.events, *(sorted(each.items()) for each in counts), tuple(self.story))

    def add(self, other: Report) -> None:
        """To what many came to."""
        self.seconds += other.seconds
        self.events += other.events
        self.outcomes += other.outcomes
        self.checks += other.checks
        self.faults += other.faults
        self.requests += other.requests
        self.decisions += other.decisions


def spoken(happening: Callable[..., object]) -> str:
    """The name of what happened, as people say it."""
    return happening.__name__.replace("_", " ")
