"""What a person can type or set is in the docs: each command, each option, each setting and its variable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Protocol, cast

import typer

from paddock.cli.app import app
from paddock.server.settings import Settings
from tests.tidy.tree import complaints_about, pages


class Command(Protocol):
    """What this check asks of a command as typer builds it."""

    hidden: bool
    params: list[Parameter]


class Parameter(Protocol):
    opts: list[str]


def commands(path: str, command: Command) -> Iterator[tuple[str, Command]]:
    """`paddock logs` and so on, groups and all in them."""
    inside: Mapping[str, Command] = getattr(command, "commands", {})
    if not inside:
        yield path, command
    for name, one in inside.items():
        if not one.hidden:
            yield from commands(f"{path} {name}", one)


def all_commands() -> dict[str, Command]:
    return dict(commands("paddock", cast("Command", typer.main.get_command(app))))


def documentation() -> str:
    return "\n".join(source.text for source in pages() if source.within("docs") or source.path == "README.md")


def unmentioned(words: Iterable[str], text: str) -> list[str]:
    """Whole words only: `--port` is not mentioned by `--port-range`."""
    return [word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]


def test_every_command_is_documented() -> None:
    there = all_commands()
    assert {"paddock up", "paddock env", "paddock status", "paddock logs", "paddock demo"} <= there.keys()
    said = unmentioned(there, documentation())
    assert not said, complaints_about(said)


def test_every_option_is_documented() -> None:
    options = {
        option
        for command in all_commands().values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    }
    assert "--data-dir" in options
    said = unmentioned(options, documentation())
    assert not said, complaints_about(said)


def test_every_setting_is_documented() -> None:
    names = [setting.name for setting in fields(Settings)]
    said = unmentioned([*names, *(f"PADDOCK_{name.upper()}" for name in names)], documentation())
    assert not said, complaints_about(said)


def test_every_setting_has_its_help() -> None:
    assert [setting.name for setting in fields(Settings) if not setting.metadata.get("help")] == []


def test_a_command_that_is_not_mentioned_is_found() -> None:
    text = "Type `paddock logs-all` or `paddock up --port-range`."
    assert unmentioned(["paddock logs", "paddock up", "--port"], text) == ["paddock logs", "--port"]


def test_commands_inside_groups_are_seen() -> None:
    group = typer.Typer()
    group.command("inner")(lambda: None)
    group.command("other")(lambda: None)
    outer = typer.Typer()
    outer.add_typer(group, name="group")
    outer.command("plain")(lambda: None)
    found = dict(commands("tool", cast("Command", typer.main.get_command(outer))))
    assert set(found) == {"tool group inner", "tool group other", "tool plain"}
