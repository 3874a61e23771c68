"""`paddock check`: what AWS's linters miss in a template with managed instances."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from paddock.cli.options import Output, OutputOption
from paddock.core.counting import counted


def check(
    template: Annotated[str, typer.Argument(help="A CloudFormation or SAM template; - is standard input.")],
    *,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check a template against the rules of managed instances. Ends with 1 when an error is found."""
    from paddock.advisor.check.rules import Level
    from paddock.advisor.check.rules import check as check_template
    from paddock.advisor.check.template import CAPACITY_PROVIDERS, read_template
    from paddock.advisor.documents import InputError, read_source

    try:
        source = read_source(template)
        read = read_template(source)
    except InputError as error:
        typer.echo(f"paddock: {error}", err=True)
        raise typer.Exit(2) from None
    findings = check_template(read)
    if output is Output.JSON:
        rows = [
            {
                "level": each.level.value,
                "rule": each.rule,
                "resource": each.resource,
                "line": each.line,
                "text": each.text,
            }
            for each in findings
        ]
        typer.echo(json.dumps(rows, indent=1))
    else:
        for each in findings:
            place = source.name if each.line is None else f"{source.name}:{each.line}"
            typer.echo(f"{place}: {each.level.value} [{each.rule}] {each.resource}: {each.text}")
        providers = len(list(read.of_kinds(CAPACITY_PROVIDERS)))
        typer.echo(f"{counted(len(findings), 'finding')}; {counted(providers, 'capacity provider')}", err=True)
    if any(each.level is Level.ERROR for each in findings):
        raise typer.Exit(1)
