"""`paddock prices`: what the catalogue knows, how old it is, and newer prices from AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddock.cli.options import DataDir, Output, OutputOption, resolved

if TYPE_CHECKING:
    from paddock.catalogue import Catalogue
    from paddock.model.instance_types import InstanceType

REFRESHED_PRICES = "prices.json"
"""In the data directory; `advise` reads it too."""

app = typer.Typer(
    help="Instance types and prices: show them, their sources and age; refresh them.", no_args_is_help=True
)


@app.command("show")
def show(
    pattern: Annotated[str, typer.Argument(help="Instance types, * for any run of characters.")] = "*.xlarge",
    *,
    region: Annotated[str, typer.Option(help="AWS region.")] = "us-east-1",
    data_dir: DataDir = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show types with their prices, sources and age. A price nobody knows is `unknown`."""
    from paddock.model.ids import Region
    from paddock.model.instance_types import instance_type_matches

    catalogue = _catalogue(data_dir)
    _known_region(catalogue, region)
    found = [
        offered
        for offered in catalogue.instance_types(Region(region), all_types=True)
        if instance_type_matches(offered.name, pattern)
    ]
    if not found:
        typer.echo(f"paddock: no C, M or R type of {region} is like {pattern!r}", err=True)
        raise typer.Exit(2)
    if output is Output.JSON:
        typer.echo(json.dumps([_as_json(catalogue, Region(region), each) for each in found], indent=1))
    else:
        _print(catalogue, region, found)


@app.command("refresh")
def refresh(
    file: Annotated[
        Path | None, typer.Argument(help="A downloaded price table; without it AWS is asked through boto3.")
    ] = None,
    *,
    region: Annotated[str, typer.Option(help="AWS region.")] = "us-east-1",
    data_dir: DataDir = None,
) -> None:
    """Take newer On-Demand prices, from AWS's price list (pricing:GetProducts) or from a file.

    Files: AWS's EC2 offer of a region in CSV, Karpenter's generated Go table, instances.json, or a CSV with the columns
    region,instance_type,hourly.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from paddock.catalogue import CatalogueError, load
    from paddock.catalogue.refresh import from_api, from_file, write
    from paddock.model.ids import Region
    from paddock.ports.clock import SystemClock

    target = resolved(data_dir) / REFRESHED_PRICES
    today = SystemClock().now().date()
    try:
        catalogue = load()
        _known_region(catalogue, region)
        if file is not None:
            rows, title = from_file(file, Region(region)), f"price table {file.name}"
        else:
            typer.echo(f"asking AWS for the prices of {region} ...", err=True)
            rows, title = list(from_api(_pricing_client(), Region(region))), "AWS price list, GetProducts"
        count = write(target, rows, catalogue, title=title, as_of=today)
    except CatalogueError as error:
        typer.echo(f"paddock: {error}", err=True)
        raise typer.Exit(2) from None
    except (BotoCoreError, ClientError) as error:
        typer.echo(f"paddock: AWS was asked in vain: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{count:,} prices written to {target}")


def _pricing_client() -> Any:
    """The price list is served from us-east-1, whatever region is asked about; credentials are the user's own."""
    import boto3

    return boto3.client("pricing", region_name="us-east-1")


def _catalogue(data_dir: Path | None) -> Catalogue:
    from paddock.catalogue import CatalogueError, load

    try:
        return load(resolved(data_dir) / REFRESHED_PRICES)
    except CatalogueError as error:
        typer.echo(f"paddock: {error}", err=True)
        raise typer.Exit(2) from None


def _known_region(catalogue: Catalogue, region: str) -> None:
    if region not in catalogue.regions:
        typer.echo(f"paddock: no region {region!r}; known are {', '.join(catalogue.regions)}", err=True)
        raise typer.Exit(2)


def _as_json(catalogue: Catalogue, region: Any, each: InstanceType) -> dict[str, Any]:
    from paddock.catalogue import taken_by_lambda
    from paddock.model.prices import Price

    price = catalogue.on_demand(region, each.name)
    priced: dict[str, Any] = {"usd_per_hour": "unknown", "why": getattr(price, "why", "")}
    if isinstance(price, Price):
        source = price.source
        priced = {
            "usd_per_hour": float(price.usd),
            "source": source.title,
            "as_of": source.as_of.isoformat(),
            "confidence": source.confidence.value,
        }
    return {
        "instance_type": each.name,
        "vcpu": each.vcpu,
        "cores": each.cores,
        "memory_gib": each.memory_gib,
        "architecture": each.architecture.value,
        "network_gbps": {"baseline": each.network_baseline_gbps, "peak": each.network_peak_gbps},
        "zones": list(each.zones),
        "taken_by_lambda": taken_by_lambda(each.name),
        "on_demand": priced,
    }


def _print(catalogue: Catalogue, region: str, found: list[InstanceType]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from paddock.model.ids import Region
    from paddock.model.prices import Price
    from paddock.ports.clock import SystemClock

    today = SystemClock().now().date()
    table = Table(
        title=f"On-Demand, Linux, {region}", title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False
    )
    for heading in ("type", "vCPU", "GiB", "architecture", "zones", "USD/h", "days old", "confidence"):
        table.add_column(heading, justify="left" if heading in ("type", "architecture") else "right")
    for each in found:
        price = catalogue.on_demand(Region(region), each.name)
        known = price if isinstance(price, Price) else None
        table.add_row(
            each.name,
            str(each.vcpu),
            f"{each.memory_gib:g}",
            each.architecture.value,
            "".join(zone[-1] for zone in each.zones),
            f"{known.usd.normalize():f}" if known else "unknown",
            str((today - known.source.as_of).days) if known else "",
            known.source.confidence.value if known else "",
        )
    Console().print(table)
