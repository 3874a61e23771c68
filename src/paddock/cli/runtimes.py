"""`paddock runtimes`: which Lambda runtimes this machine can run, with what, and installing them ahead of time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddock.cli.options import DataDir, Output, OutputOption, resolved

if TYPE_CHECKING:
    from paddock.runtimes import Pruning, RuntimeStatus, RuntimeStore


def runtimes(
    install: Annotated[
        list[str] | None,
        typer.Option("--install", metavar="RUNTIME", help="Install this runtime now; may be repeated."),
    ] = None,
    *,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove old installs that neither this version starts nor anybody uses.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --prune: only say what would be removed.")] = False,
    data_dir: DataDir = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the runtimes, what each is on this machine, and what is missing for those that cannot run."""
    from paddock.runtimes import RuntimeStore

    if (dry_run and not prune) or (prune and install):
        raise typer.BadParameter("--dry-run goes with --prune, and --prune not with --install")
    store = RuntimeStore(Path(os.environ.get("PADDOCK_RUNTIMES_DIR") or resolved(data_dir)))
    if prune:
        _show_pruning(store.prune(dry_run=dry_run), output, dry_run=dry_run)
        return
    for runtime in install or []:
        install_with_progress(store, runtime)
    statuses = store.status()
    if output is Output.JSON:
        typer.echo(json.dumps([_document(status) for status in statuses], indent=1))
        return
    _print_table(statuses)


def install_with_progress(store: RuntimeStore, runtime: str) -> None:
    """Install one runtime, showing what is done. Raises `StartError` with the remedy when it cannot be had."""
    from rich.console import Console

    from paddock.model.errors import StartError
    from paddock.runtimes import Progress, RuntimeUnavailable

    console = Console(stderr=True)
    with console.status(f"{runtime}: looking") as spinner:

        def show(progress: Progress) -> None:
            detail = f" [dim]{progress.detail[:60]}[/dim]" if progress.detail else ""
            spinner.update(f"{runtime}: {progress.step}{detail}")

        try:
            installed = store.ensure(runtime, show)
        except RuntimeUnavailable as unavailable:
            raise StartError(str(unavailable)) from unavailable
    note = f" ({installed.resolution.note})" if installed.resolution.note else ""
    console.print(f"{runtime}: ready{note}", highlight=False)


def _show_pruning(pruning: Pruning, output: Output, *, dry_run: bool) -> None:
    if output is Output.JSON:
        rows = {
            name: [{"path": str(each.path), "why": each.why} for each in directories]
            for name, directories in (("removed", pruning.removed), ("in_use", pruning.in_use))
        }
        typer.echo(json.dumps({"dry_run": dry_run, **rows, "freed_bytes": pruning.freed_bytes}, indent=1))
        return
    verb = "would remove" if dry_run else "removed"
    for each in pruning.removed:
        typer.echo(f"{verb} {each.path}: {each.why}")
    for each in pruning.in_use:
        typer.echo(f"kept {each.path}, which is in use: {each.why}")
    typer.echo(f"{pruning.freed_bytes / 1e6:.1f} MB {'would be ' if dry_run else ''}freed")


def _document(status: RuntimeStatus) -> dict[str, Any]:
    resolution = status.resolution
    return {
        "runtime": status.runtime.identifier,
        "state": status.state.value,
        "interpreter": str(resolution.interpreter_path) if resolution and resolution.interpreter_path else None,
        "version": resolution.version if resolution else None,
        "exact": resolution.exact if resolution else None,
        "note": resolution.note if resolution else "",
        "reason": status.reason,
        "remedy": status.remedy,
    }


def _print_table(statuses: list[RuntimeStatus]) -> None:
    from rich import box
    from rich.table import Table

    from paddock.cli.decisions import terminal

    table = Table("runtime", "state", "runs on", box=box.SIMPLE_HEAD)
    table.add_column("note", overflow="fold")  # a path that ends in … is of no use to anybody
    for status in statuses:
        document = _document(status)
        note = document["note"] or f"{document['reason']} {document['remedy']}".strip()
        table.add_row(document["runtime"], document["state"], document["version"] or "", note)
    terminal().print(table)
