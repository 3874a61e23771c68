"""`paddock bill`: what AWS would charge, from numbers in a file."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddock.cli.options import Output, OutputOption

if TYPE_CHECKING:
    from paddock.core.pricing.bill import Bill


def bill(
    file: Annotated[str, typer.Argument(help="JSON or YAML: one document or a list of them. - is standard input.")],
    *,
    output: OutputOption = Output.TEXT,
) -> None:
    """Itemise the bill of managed instances (`kind: lmi`) or default Lambda (`kind: lambda`).

    lmi: on_demand_usd_per_hour, instance_hours, discount (0 to 1), requests.
    lambda: requests with duration_ms and memory_mb, or gb_seconds; architecture, free_tier, ephemeral_storage_mb.
    """
    from paddock.advisor.bill_documents import bills_of
    from paddock.advisor.documents import InputError, read_source

    try:
        answers = bills_of(read_source(file))
    except InputError as error:
        typer.echo(f"paddock: {error}", err=True)
        raise typer.Exit(2) from None
    if output is Output.JSON:
        shown = [{"kind": answer.kind, **as_json(answer.bill)} for answer in answers.members]
        typer.echo(json.dumps(shown if answers.is_list else shown[0], indent=1))
        return
    for answer in answers.members:
        _print(answer.kind, answer.bill)


def as_json(found: Bill) -> dict[str, Any]:
    """A bill for programs. Items are exact, the total is rounded to the cent."""
    return {
        "currency": "USD",
        "items": [
            {
                "item": item.name,
                "quantity": number(item.quantity),
                "unit": item.unit,
                "unit_price_usd": number(item.unit_price_usd),
                "usd": number(item.usd),
            }
            for item in found.items
        ],
        "total_usd": number(found.total_usd),
    }


def number(value: Decimal) -> int | float:
    """JSON has one kind of number; whole ones stay whole."""
    return int(value) if value == value.to_integral_value() else float(value)


def plain(value: Decimal) -> str:
    """With thousands separated, without exponent and without zeros at the end."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _print(kind: str, found: Bill) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Managed instances" if kind == "lmi" else "Default Lambda", title_justify="left")
    table.add_column("Item")
    for heading in ("Quantity", "USD each", "USD"):
        table.add_column(heading, justify="right")
    for item in found.items:
        table.add_row(item.name, f"{plain(item.quantity)} {item.unit}", plain(item.unit_price_usd), f"{item.usd:,.2f}")
    table.add_section()
    table.add_row("Total", "", "", f"{found.total_usd:,.2f}")
    Console().print(table)
