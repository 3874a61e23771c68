"""The commands of `paddock`. Each imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from paddock import __version__
from paddock.cli import advise, bill, check, env, export, logs, patch, prices, runtimes, simulate, status, up
from paddock.cli.bench import command as bench
from paddock.cli.demo import command as demo
from paddock.model.errors import SettingsError, StartError

app = typer.Typer(
    name="paddock",
    help="AWS Lambda Managed Instances that anyone can run.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.command("env")(env.env)
app.command("status")(status.status)
app.command("patch")(patch.patch)
app.command("logs")(logs.logs)
app.command("demo")(demo.demo)
app.command("runtimes")(runtimes.runtimes)
app.command("advise")(advise.advise)
app.command("bench")(bench.bench)
app.command("simulate")(simulate.simulate)
app.command("export")(export.export)
app.command("check")(check.check)
app.command("bill")(bill.bill)
app.add_typer(prices.app, name="prices")


@app.command("version")
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def _version_and_end(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _paddock(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version_and_end, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run a command; a fault of the operator's surroundings, or what the server refuses, is one line on stderr, never
    a traceback.
    """
    try:
        app()
    except (SettingsError, StartError) as error:
        typer.echo(f"paddock: {error}", err=True)
        sys.exit(1)
    except _of_clients() as error:
        typer.echo(f"paddock: the server would not: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


def _of_clients() -> tuple[type[Exception], ...]:
    """What boto3's clients raise. Asked for only when something was raised: a second of imports, otherwise."""
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError
