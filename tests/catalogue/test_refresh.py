"""Newer prices from every kind of table, and from AWS's API as botocore's own model shapes it."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import boto3
import pytest
from botocore.stub import ANY, Stubber
from typer.testing import CliRunner

from paddock.catalogue import CatalogueError, load
from paddock.catalogue.refresh import Row, from_api, from_file, write
from paddock.cli.prices import app
from paddock.model.ids import Region
from paddock.model.prices import Price

IRELAND = Region("eu-west-1")
M9G = Row(IRELAND, "m9g.xlarge", Decimal("0.2152"))

AWS_CSV = (
    '"FormatVersion","v1.0"\n"Disclaimer","x"\n"Publication Date","2026-11-01"\n"Version","1"\n"OfferCode","EC2"\n'
    '"TermType","PricePerUnit","Currency","Region Code","Instance Type","Tenancy","Operating System","CapacityStatus",'
    '"Pre Installed S/W","operation"\n'
    '"OnDemand","0.2152000000","USD","eu-west-1","m9g.xlarge","Shared","Linux","Used","NA","RunInstances"\n'
    '"OnDemand","0.2282000000","USD","eu-west-1","m9g.xlarge","Dedicated","Linux","Used","NA","RunInstances"\n'
    '"OnDemand","0.0000000000","USD","eu-west-1","m9g.xlarge","Shared","Linux","AllocatedCapacityReservation","NA","RunInstances"\n'
    '"Reserved","0.1000000000","USD","eu-west-1","m9g.xlarge","Shared","Linux","Used","NA","RunInstances"\n'
    '"OnDemand","0.3992000000","USD","eu-west-1","m9g.xlarge","Shared","Windows","Used","NA","RunInstances:0002"\n'
)
GO = (
    'var p = map[string]map[string]float64{\n\t"eu-west-1": {\n\t\t"m9g.xlarge": 0.2152, "t4g.nano": 0.0046,\n\t},\n}\n'
)
INSTANCES = json.dumps([{"instance_type": "m9g.xlarge", "pricing": {"eu-west-1": {"linux": {"ondemand": "0.2152"}}}}])
PLAIN = "region,instance_type,hourly\neu-west-1,m9g.xlarge,0.2152\n"


@pytest.mark.parametrize("text", [AWS_CSV, GO, INSTANCES, PLAIN], ids=["aws", "karpenter", "instances.json", "plain"])
def test_every_kind_of_table_gives_the_shared_linux_on_demand_price(tmp_path: Path, text: str) -> None:
    table = tmp_path / "table"
    table.write_text(text)

    found = [row for row in from_file(table) if row.instance_type == "m9g.xlarge"]

    assert found == [M9G]


def test_awss_api_is_asked_with_every_filter_and_only_positive_prices_are_taken() -> None:
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")

    def product(name: str, usd: str) -> str:
        dimension = {"priceDimensions": {"d": {"pricePerUnit": {"USD": usd}}}}
        return json.dumps({"product": {"attributes": {"instanceType": name}}, "terms": {"OnDemand": {"t": dimension}}})

    with Stubber(client) as stubbed:
        stubbed.add_response(
            "get_products",
            {"PriceList": [product("m9g.xlarge", "0.2152"), product("m9g.large", "0.0000000000")]},
            {"ServiceCode": "AmazonEC2", "Filters": ANY},
        )
        assert list(from_api(client, IRELAND)) == [M9G]


def test_what_was_written_is_laid_over_the_shipped_prices_and_over_what_was_written_before(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "prices.json"
    london = Region("eu-west-2")
    older = Row(london, "m9g.xlarge", Decimal("0.22"))

    write(target, [older, Row(IRELAND, "t3.large", Decimal(1))], load(), title="older", as_of=date(2026, 1, 1))
    count = write(target, [M9G], load(), title="newer", as_of=date(2026, 11, 23))

    catalogue = load(target)
    price = catalogue.on_demand(IRELAND, "m9g.xlarge")
    assert count == 1
    assert isinstance(price, Price)
    assert (price.usd, price.source.title) == (Decimal("0.2152"), "newer")
    kept = catalogue.on_demand(london, "m9g.xlarge")
    assert isinstance(kept, Price)
    assert kept.source.as_of == date(2026, 1, 1)


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"[1, 2",
        b"region,instance_type,hourly\nx,m9g.xlarge,-3\n",
        b"region,instance_type\n,,\n",
    ],
)
def test_a_file_that_is_no_price_table_is_refused_by_name(tmp_path: Path, blob: bytes) -> None:
    table = tmp_path / "table"
    table.write_bytes(blob)

    with pytest.raises(CatalogueError, match="table"):
        from_file(table)


def test_nothing_usable_leaves_the_old_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "prices.json"
    write(target, [M9G], load(), title="kept", as_of=date(2026, 1, 1))
    before = target.read_text()

    with pytest.raises(CatalogueError, match="no price"):
        write(target, [Row(IRELAND, "t3.large", Decimal(1))], load(), title="", as_of=date(2026, 1, 2))
    assert target.read_text() == before


# --- the commands ---------------------------------------------------------------------------------------------------


def test_refresh_from_a_file_is_seen_by_show(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(PLAIN)
    where = ["--data-dir", str(tmp_path), "--region", "eu-west-1"]

    before = CliRunner().invoke(app, ["show", "m9g.xlarge", *where])
    done = CliRunner().invoke(app, ["refresh", str(table), *where])
    after = CliRunner().invoke(app, ["show", "m9g.xlarge", *where, "--output", "json"])

    assert "unknown" in before.stdout
    assert "1 prices written" in done.stdout
    shown = json.loads(after.stdout)[0]
    assert shown["on_demand"]["usd_per_hour"] == 0.2152
    assert shown["on_demand"]["source"] == "price table table.csv"
    assert shown["taken_by_lambda"] is True


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "t3.*"], "no C, M or R type"),
        (["show", "--region", "moon-1"], "no region"),
        (["refresh", "/nothing"], "cannot be read"),
        (["refresh", "--region", "moon-1"], "no region"),
    ],
)
def test_a_wrong_question_ends_with_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path)])

    assert result.exit_code == 2
    assert says in result.stderr
