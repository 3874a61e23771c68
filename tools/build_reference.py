"""Writes the reference pages that are made from code: settings, commands, states and parity with AWS's API.

`--check` writes nothing and fails when a page is stale; a test calls it so.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import typer

from paddock.awsapi import parity
from paddock.awsapi.front import SHORT_WAY
from paddock.awsapi.services import Services
from paddock.cli.app import app
from paddock.controlplane.operations import OPERATIONS
from paddock.core.lifecycle import MACHINES
from paddock.server.caller_identity import CALLER_IDENTITY
from paddock.server.capacity_settings import CapacitySettings
from paddock.server.settings import Settings

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def settings_page() -> str:
    lines = [
        "# Settings",
        "",
        "Made by `python tools/build_reference.py` from `src/paddock/server/settings.py` and `capacity_settings.py`.",
        "",
        "Each setting can stand in `settings.yaml` in the data directory, in an environment variable, or in a flag of",
        "`paddock up` where there is one; the later wins. The data directory itself comes from `PADDOCK_DATA_DIR` or",
        "`--data-dir`.",
        "",
    ]
    of_capacity = fields(CapacitySettings)
    names = {setting.name for setting in of_capacity}
    lines += _settings_table(setting for setting in fields(Settings) if setting.name not in names)
    lines += [
        "",
        "## How capacity follows load",
        "",
        "What AWS does not publish of scaling, placement, life cycle and waits. The rules and the reason for each",
        "figure are in [how scaling decides](../explanation/scaling.md); `paddock simulate` and `paddock advise` take",
        "the defaults.",
        "",
        *_settings_table(of_capacity),
    ]
    return "\n".join(lines) + "\n"


def _settings_table(settings: Iterable[Field[Any]]) -> Iterator[str]:
    yield "| Setting | Variable | Default | What it does |"
    yield "|---|---|---|---|"
    for setting in settings:
        default = "see text" if setting.default is MISSING else _shown(setting.default)
        variable = f"`PADDOCK_{setting.name.upper()}`"
        yield f"| `{setting.name}` | {variable} | {default} | {setting.metadata['help']} |"


def _shown(default: object) -> str:
    if default is None:
        return "see text"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def commands_page() -> str:
    lines = ["# Commands", "", "Made by `python tools/build_reference.py` from the commands' own help.", ""]
    lines += _described("paddock", typer.main.get_command(app))
    return "\n".join(lines).rstrip() + "\n"


def _described(path: str, command: Any) -> list[str]:
    """A command and those below it. Typer carries its own copy of click, so its classes are told by what they have."""
    lines = [f"## `{path}`", "", re.sub(r"\s+", " ", command.help or "").strip(), ""]
    subcommands = getattr(command, "commands", None)
    if subcommands is not None:
        for name in subcommands:
            lines += _described(f"{path} {name}", subcommands[name])
        return lines
    rows = [_row(each) for each in command.params if getattr(each, "help", None)]
    return [*lines, "| | |", "|---|---|", *rows, ""] if rows else lines


def _row(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    names = f"`{parameter.name.upper()}`" if is_argument else ", ".join(f"`{name}`" for name in parameter.opts)
    text = re.sub(r"\s+", " ", str(parameter.help)).strip()
    return f"| {names} | {text.replace('|', chr(92) + '|')} |"


def states_page() -> str:
    lines = [
        "# States",
        "",
        "Made by `python tools/build_reference.py` from the tables in `src/paddock/core/lifecycle.py`. A transition",
        "that is not drawn is refused. `[*]` is where a thing begins, and where nothing is stored of it any more.",
        "",
    ]
    for machine in MACHINES:
        lines += [f"## {machine.name.capitalize()}", "", "```mermaid", machine.diagram().rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def parity_page() -> str:
    return parity.page([*SHORT_WAY, *OPERATIONS, CALLER_IDENTITY], Services())


PAGES = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "states.md": states_page,
    "parity.md": parity_page,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is stale")
    check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path = REFERENCE / name
        text = page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path))
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"stale: {', '.join(stale)}; run python tools/build_reference.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
