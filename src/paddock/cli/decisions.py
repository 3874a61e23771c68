"""How a decision is shown in a terminal: what was done, a line each, and why, below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from paddock.model.ids import DEFAULT_LAMBDA

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_OF_A_PIPE = 120
"""Where there is no terminal to ask."""

_LONG_ID = re.compile(r"\b(env-|i-)?[0-9a-f]{8,24}([0-9a-f]{8})\b")


def terminal(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or wide enough for a table where there is none."""
    from rich.console import Console

    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=WIDTH_OF_A_PIPE)


def short(text: str) -> str:
    """Ids by their last eight digits; `paddock status --output json` has them whole. Default Lambda's pool by its name
    for people.
    """
    return _LONG_ID.sub(r"\1…\2", text).replace(DEFAULT_LAMBDA, "default Lambda")


def print_decision(console: Console, at: str, actions: Sequence[str], reasons: Sequence[str]) -> None:
    first, *others = actions or ("nothing to do",)
    console.print(f"{at} {short(first)}", highlight=False, markup=False)
    for action in others:
        console.print(f"         {short(action)}", highlight=False, markup=False)
    for reason in reasons:
        console.print(f"         because {short(reason)}", highlight=False, markup=False, style="dim")
