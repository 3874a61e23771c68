"""`paddock patch`: replace instances so that new runtimes and a new agent take effect; new ones first, then the old."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddock.cli.asking import ask
from paddock.cli.options import DataDir, Output, OutputOption, found_server
from paddock.cli.status import fetch_status
from paddock.core.counting import counted

if TYPE_CHECKING:
    from paddock.server.data_dir import KeyPair, RunningServer

LOOK_SECONDS = 1.0

Provider = Annotated[
    str | None,
    typer.Option(help="Only this capacity provider; without it all, and default Lambda.", show_default=False),
]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress and return when all are replaced.")]


def patch(
    *, provider: Provider = None, wait: Wait = False, data_dir: DataDir = None, output: OutputOption = Output.TEXT
) -> None:
    """Replace every instance: new capacity first, then the old one drains and ends, a fifth of the fleet at a time.

    The server carries it on by itself; Ctrl-C ends only the watching.
    """
    if provider is not None and not provider.strip():
        raise typer.BadParameter("--provider is empty: name a capacity provider, or leave it out to patch all")
    running, keys = found_server(data_dir)
    begun = _begin(running, keys, provider)
    old = {each for ids in begun["instances"].values() for each in ids}
    if output is Output.TEXT:
        typer.echo(f"{counted(len(old), 'instance')} to replace, a fifth of each fleet at a time")
    if wait:
        _watch(running, keys, old, say=output is Output.TEXT)
    if output is Output.JSON:
        typer.echo(json.dumps(begun | {"done": wait or not old}, indent=1))


def _begin(running: RunningServer, keys: KeyPair, provider: str | None) -> dict[str, Any]:
    from urllib.parse import urlencode

    query = "" if provider is None else "?" + urlencode({"provider": provider})
    return ask(running, keys, "POST", f"patch{query}")


def _watch(running: RunningServer, keys: KeyPair, old: set[str], *, say: bool) -> None:
    shown = -1
    while True:
        left = len(old & _present(fetch_status(running, keys)))
        if say and len(old) - left != shown:
            shown = len(old) - left
            typer.echo(f"replaced {shown} of {len(old)}")
        if not left:
            return
        time.sleep(LOOK_SECONDS)


def _present(document: dict[str, Any]) -> set[str]:
    fleets = [*document["providers"], *filter(None, [document.get("default_lambda")])]
    return {instance["instance_id"] for fleet in fleets for instance in fleet["instances"]}
