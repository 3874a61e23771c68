"""Numbers in the sentences of reasons: `1 environment starts`, `2 environments start`."""

from __future__ import annotations

_OF_ONE = {"are": "is", "have": "has"}


def counted(count: int, noun: str) -> str:
    """`1 instance`, `2 instances`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def agreed(count: int, verb: str) -> str:
    """The verb, given as it is of several, as it is of so many: `starts` of one for `start`."""
    return verb if count != 1 else _OF_ONE.get(verb, f"{verb}s")
