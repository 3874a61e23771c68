"""Asks and changes the kernel's packet rules with nft(8) and its JSON, in the namespace of the calling thread."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

Statement = dict[str, Any]
"""One command or object of libnftables-json(5)."""

SECONDS = 20.0
"""A change takes milliseconds; a machine that swaps takes longer."""


class NftError(Exception):
    """What nft said, in a line."""


def apply(statements: Sequence[Statement]) -> None:
    """All of them or none. Raises `NftError`."""
    _run(["-j", "-f", "-"], json.dumps({"nftables": list(statements)}))


def tables() -> tuple[tuple[str, str], ...]:
    """Family and name of each."""
    found = (each["table"] for each in _asked("list", "tables") if "table" in each)
    return tuple((str(each["family"]), str(each["name"])) for each in found)


def elements(family: str, table: str, name: str) -> tuple[str, ...]:
    """Of a set of single values; none where there is no such set."""
    try:
        found = _asked("list", "set", family, table, name)
    except NftError:
        return ()
    return tuple(str(each) for one in found for each in one.get("set", {}).get("elem", ()))


def listing(*what: str) -> list[Statement]:
    """`nft list` with these words. Raises `NftError`."""
    return _asked("list", *what)


def _asked(*words: str) -> list[Statement]:
    loaded = json.loads(_run(["-j", *words], ""))
    return [each for each in loaded.get("nftables", ()) if isinstance(each, dict)]


def _run(arguments: list[str], given: str) -> str:
    try:
        done = subprocess.run(
            ["nft", *arguments], input=given, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NftError(f"nft: {error}") from error
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if line.strip()), f"status {done.returncode}")
        raise NftError(f"nft: {said.strip()}")
    return done.stdout
