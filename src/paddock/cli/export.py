"""`paddock export`: advice as infrastructure code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    notation: Annotated[str, typer.Argument(help="sam, cloudformation, cdk, terraform, serverless or boto3.")],
    advice: Annotated[str, typer.Argument(help="What `paddock advise --output json` printed; - is standard input.")],
    *,
    name: Annotated[str, typer.Option(help="Of the function and its capacity provider.")] = "orders",
    to: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None,
) -> None:
    """Write the advised set-up: capacity provider, roles, network, function, scaling, alarms and schedule."""
    from paddock.advisor.documents import InputError, read_source
    from paddock.advisor.export.notations import RENDERERS, Notation
    from paddock.advisor.export.proposal import proposal_from

    try:
        if notation not in set(Notation):
            raise InputError(f"there is no notation {notation!r}; there are {', '.join(Notation)}")
        text = RENDERERS[Notation(notation)](proposal_from(read_source(advice), name))
        if to is not None:
            to.write_text(text, encoding="utf-8")
    except InputError as error:
        typer.echo(f"paddock: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(f"paddock: {to} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    if to is None:
        typer.echo(text, nl=False)
