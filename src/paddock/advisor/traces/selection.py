"""Which of a file's functions is meant. A file of many functions is never silently added up."""

from __future__ import annotations

from collections import Counter

from paddock.advisor.documents import InputError

EVERY = "all"
SHOWN = 5
SHORTEST_BEGINNING = 6
"""Public traces name functions by long hashes or by small numbers; `1` must not mean `10`."""

MAX_FUNCTIONS = 200_000
"""Names remembered while looking for the one that is meant; the largest public trace has some 70,000."""


class Selection:
    """Asks for a function by name or unambiguous beginning, or for `all`. One is used for one file."""

    def __init__(self, wanted: str | None = None) -> None:
        self.wanted = wanted
        self._seen: Counter[str] = Counter()

    def takes(self, function: str, invocations: float = 1) -> bool:
        """Does this row count? All functions are remembered, so that a wrong choice is answered with the right ones."""
        if function in self._seen or len(self._seen) < MAX_FUNCTIONS:
            self._seen[function] += int(invocations)
        return self._fits(function)

    def _fits(self, function: str) -> bool:
        if self.wanted in (None, EVERY) or function == self.wanted:
            return True
        return len(self.wanted) >= SHORTEST_BEGINNING and function.startswith(self.wanted)

    @property
    def chosen(self) -> str | None:
        """The full name of the function, or None for several added up or for none named."""
        taken = self._taken()
        return taken[0] if len(taken) == 1 else None

    def settle(self, file: str) -> None:
        """Raises InputError when none or several functions fit and their sum was not asked for."""
        taken = self._taken()
        if (not self._seen and self.wanted is None) or self.wanted == EVERY or len(taken) == 1:
            return
        busiest = ", ".join(f"{name[:16]} ({count:,})" for name, count in self._seen.most_common(SHOWN))
        if not taken:
            raise InputError(f"has no function {self.wanted!r}; the busiest are {busiest or 'none at all'}", file=file)
        raise InputError(
            f"holds {len(taken):,} functions: choose one with --function, or `all`; the busiest are {busiest}",
            file=file,
        )

    def _taken(self) -> list[str]:
        return [name for name in self._seen if self._fits(name)]
