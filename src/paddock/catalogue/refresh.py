"""Newer On-Demand prices: from AWS's price list through boto3, or from a file somebody downloaded.

Only Linux, shared tenancy, nothing pre-installed, nothing reserved: a filter forgotten is how other tables went wrong.
What is written here, `loader.load` lays over the shipped tables.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from paddock.catalogue.tables import Catalogue, CatalogueError
from paddock.model.ids import Region
from paddock.model.instance_types import parse_instance_type_name

FILTERS = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "licenseModel": "No License required",
    "operation": "RunInstances",
    "marketoption": "OnDemand",
}
_CSV_NAMES = {
    "operatingSystem": "Operating System",
    "tenancy": "Tenancy",
    "preInstalledSw": "Pre Installed S/W",
    "capacitystatus": "CapacityStatus",
    "operation": "operation",
}
MAX_FILE_BYTES = 256 * 1024 * 1024
"""Of files that are read as a whole; AWS's CSV offer is streamed and may be larger."""

_GO_PRICE = re.compile(r'"([a-z0-9-]+\.[a-z0-9-]+)":\s*([0-9.]+)')
_GO_REGION = re.compile(r'"([a-z]{2}(?:-gov)?-[a-z]+-\d)":\s*\{')


@dataclass(frozen=True, slots=True)
class Row:
    """One price as a table has it."""

    region: Region
    instance_type: str
    usd_per_hour: Decimal


def from_api(client: Any, region: Region) -> Iterator[Row]:
    """All On-Demand prices of a region; `client` is boto3's `pricing`. Errors of AWS pass through."""
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in FILTERS.items()]
    filters.append({"Type": "TERM_MATCH", "Field": "regionCode", "Value": region})
    for page in client.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=filters):
        for text in page["PriceList"]:
            product = json.loads(text, parse_float=Decimal)
            name = product.get("product", {}).get("attributes", {}).get("instanceType")
            for term in product.get("terms", {}).get("OnDemand", {}).values():
                for dimension in term.get("priceDimensions", {}).values():
                    usd = _decimal(dimension.get("pricePerUnit", {}).get("USD"))
                    if name and usd:
                        yield Row(region, name, usd)


def from_file(path: Path, region: Region | None = None) -> list[Row]:
    """AWS's CSV offer, Karpenter's generated Go table, instances.json, or `region,instance_type,hourly`.

    `region` is needed where the file names none. Raises CatalogueError, naming the file, when it is none of these.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
            first = file.readline(4096)
            file.seek(0)
            if first.startswith('"FormatVersion"'):
                return list(_aws_csv(file))
            if first.lstrip().startswith(("[", "{")):
                return list(_instances_json(_whole(path)))
            if "instance_type" in first or "instanceType" in first:
                return list(_plain_csv(path, csv.DictReader(file), region))
        return list(_karpenter(path, _whole(path), region))
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise CatalogueError(f"{path}: cannot be read as a price table: {error}") from error


def _whole(path: Path) -> str:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise CatalogueError(
            f"{path}: larger than {MAX_FILE_BYTES // 1024 // 1024} MiB; take AWS's offer file of one region in CSV"
        )
    return path.read_text(encoding="utf-8-sig")


def _decimal(text: object) -> Decimal | None:
    try:
        found = Decimal(str(text))
    except InvalidOperation:
        return None
    return found if found.is_finite() and found > 0 else None


def _aws_csv(file: Iterable[str]) -> Iterator[Row]:
    """Five lines of metadata, a header, and millions of rows."""
    lines = iter(file)
    for _ in range(5):
        next(lines, "")
    for row in csv.DictReader(lines):
        fits = all(row.get(column) == FILTERS[name] for name, column in _CSV_NAMES.items())
        if fits and row.get("TermType") == "OnDemand" and row.get("Currency", "USD") == "USD":
            usd = _decimal(row.get("PricePerUnit"))
            if usd and row.get("Region Code") and row.get("Instance Type"):
                yield Row(Region(str(row["Region Code"])), str(row["Instance Type"]), usd)


def _plain_csv(path: Path, reader: csv.DictReader[str], region: Region | None) -> Iterator[Row]:
    for row in reader:
        name = row.get("instance_type") or row.get("instanceType") or ""
        text = row.get("hourly") or row.get("price") or row.get("usd_per_hour")
        usd, where = _decimal(text), row.get("region") or region
        if usd is None or not where or parse_instance_type_name(name) is None:
            raise CatalogueError(f"{path}:{reader.line_num}: expected region,instance_type,hourly, found {row}")
        yield Row(Region(where), name, usd)


def _karpenter(path: Path, text: str, region: Region | None) -> Iterator[Row]:
    """`"us-east-1": {"c5.large": 0.085, ...}` in Go's notation."""
    where = region
    found = 0
    for line in text.splitlines():
        named = _GO_REGION.search(line)
        if named:
            where = Region(named[1])
        for name, price in _GO_PRICE.findall(line):
            usd = _decimal(price)
            if usd and where:
                found += 1
                yield Row(where, name, usd)
    if not found:
        raise CatalogueError(f"{path}: no prices in any notation known here (AWS's CSV offer, Go table, JSON, CSV)")


def _instances_json(text: str) -> Iterator[Row]:
    """A list of instances with `pricing[region].linux.ondemand`."""
    document = json.loads(text, parse_float=Decimal)
    for instance in document if isinstance(document, list) else []:
        for region, systems in (instance.get("pricing") or {}).items():
            usd = _decimal(((systems or {}).get("linux") or {}).get("ondemand"))
            if usd and isinstance(instance.get("instance_type"), str):
                yield Row(Region(region), instance["instance_type"], usd)


def write(path: Path, rows: Iterable[Row], catalogue: Catalogue, *, title: str, as_of: date) -> int:
    """Keep the prices of types the catalogue knows. A region's prices replace those it had; others keep their date.

    Returns how many were written. The file is replaced in one step: a run that is cut off leaves the old one.
    """
    regions: dict[str, Any] = {}
    if path.exists():
        try:
            regions = json.loads(path.read_text(encoding="utf-8"))["regions"]
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogueError(f"{path}: damaged; remove it and refresh again") from error
    prices: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.instance_type in catalogue.types:
            prices.setdefault(row.region, {})[row.instance_type] = str(row.usd_per_hour)
    if not prices:
        raise CatalogueError("no price of a C, M or R type was found")
    source = {"title": title, "as_of": as_of.isoformat(), "confidence": "high"}
    regions.update({region: {"source": source, "prices": found} for region, found in prices.items()})
    document = {"regions": regions}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(document, indent=0, sort_keys=True), encoding="utf-8")
    beside.replace(path)
    return sum(map(len, prices.values()))
