"""`paddock bill` from text to total, and what it says about text that is wrong."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from paddock.advisor.bill_documents import bills_of
from paddock.advisor.documents import MAX_DOCUMENT_BYTES, InputError, Source, read_source
from paddock.cli.bill import bill

LMI = "{kind: lmi, on_demand_usd_per_hour: 0.1632, instance_hours: 2000, discount: 0.72, requests: 100000000}"

app = typer.Typer()
app.command()(bill)


@app.callback()
def callback() -> None:
    """Make `bill` a command with a name, as it is in the product."""


def totals(text: str) -> list[Decimal]:
    return [answer.bill.total_usd for answer in bills_of(Source("bill", text)).members]


def test_json_and_yaml_give_the_same_bill() -> None:
    as_json = '{"kind": "lambda", "requests": 3e6, "duration_ms": 120, "memory_mb": 1536, "free_tier": true}'
    as_yaml = "kind: lambda\nrequests: 3_000_000\nduration_ms: 120\nmemory_mb: 1536\nfree_tier: yes\n"

    assert totals(as_json) == totals(as_yaml) == [Decimal("2.73")]


def test_a_list_and_several_yaml_documents_are_answered_in_order() -> None:
    other = "{kind: lambda, gb_seconds: 30000000000, requests: 15000000000}"
    expected = [Decimal("160.35"), Decimal("438001.20")]

    assert totals(f"- {LMI}\n- {other}\n") == expected
    assert totals(f"---\n{LMI}\n---\n{other}\n") == expected


def test_one_document_is_answered_with_one_object_and_a_list_with_a_list(tmp_path: Path) -> None:
    one, many = tmp_path / "one.yaml", tmp_path / "many.yaml"
    one.write_text(LMI)
    many.write_text(f"[{LMI}]")

    shown = CliRunner().invoke(app, ["bill", str(one), "--output", "json"])
    listed = CliRunner().invoke(app, ["bill", str(many), "--output", "json"])

    assert json.loads(shown.stdout)["total_usd"] == 160.35
    assert json.loads(shown.stdout)["items"][0]["usd"] == 91.392
    assert json.loads(listed.stdout) == [json.loads(shown.stdout)]


def test_standard_input_is_read_for_a_dash() -> None:
    result = CliRunner().invoke(app, ["bill", "-"], input=LMI)

    assert result.exit_code == 0
    assert "160.35" in result.stdout


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("kind: lmi\non_demand_usd_per_hour: 1\ninstance_hours: -2\n", 3, "at least 0"),
        ("kind: lmi\non_demand_usd_per_hour: 1\ninstance_hours: .nan\n", 3, "must be a number"),
        ('{"kind": "lmi",\n "on_demand_usd_per_hour": NaN,\n\t"instance_hours": 1}', 2, "must be a number"),
        (
            '{"kind": "lmi",\n "on_demand_usd_per_hour": 1e99999999999999999999, "instance_hours": 1}',
            2,
            "must be a number",
        ),
        ('{"kind": "lmi",\n "on_demand_usd_per_hour": 1e9999, "instance_hours": 1}', 2, "no such number"),
        ("kind: lmi\non_demand_usd_per_hour: 1\ninstance_hours: '1'\n", 3, "must be a number"),
        ("kind: lmi\non_demand_usd_per_hour: 1\n", 1, "`instance_hours` is missing"),
        ("- kind: lmi\n  on_demand_usd_per_hour: 1\n  instance_hours: 1\n- kind: lmx\n", 4, "lmi or lambda"),
        ("kind: lambda\nrequests: 1\nduration_ms: 1\nmemory_mb: 128\narch: arm64\n", 5, "did you mean `architecture`"),
        ("kind: lambda\nrequests: 1\nduration_ms: 1\nmemory_mb: 128\narchitecture: mips\n", 5, "x86_64 or arm64"),
        ("kind: lambda\nrequests: 1\ngb_seconds: 1\nmemory_mb: 128\n", 4, "give one of them"),
        ("kind: lambda\nrequests: 1\nduration_ms: 1\nmemory_mb: 128\nfree_tier: 1\n", 5, "true or false"),
        ("kind: lmi\ndiscount: 72\non_demand_usd_per_hour: 1\ninstance_hours: 1\n", 2, "at most 1"),
        ("kind: lmi\nkind: lambda\n", 2, "given twice"),
        ("kind: [lmi\n", 2, "no valid YAML"),
        ('{"kind": "lmi",\n"a": ]}', 2, "no valid JSON"),
        ("5", 1, "expected names and values"),
        ("? [a]\n: 1\n", 1, "plain name"),
        ("kind: lambda\ngb_seconds: 1\narchitecture: arm64\ntenant_environments_gb: 1\n", 3, "environments of tenants"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(InputError) as refused:
        bills_of(Source("bill.yaml", text))

    assert str(refused.value).startswith(f"bill.yaml:{line}: ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "# only a comment\n", '{"a": 1, "a": 2}', "[" * 100_000, "- " * 20_000, "{" * 5000]
)
def test_what_holds_no_document_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^bill"):
        bills_of(Source("bill", text))


def test_bad_input_ends_the_command_with_2_and_one_line(tmp_path: Path) -> None:
    file = tmp_path / "bill.yaml"
    file.write_text("kind: lmi\n")

    result = CliRunner().invoke(app, ["bill", str(file)])

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "bill.yaml:1:" in result.stderr


@pytest.mark.parametrize(
    ("blob", "says"), [(b"\xff\xfe\x00", "UTF-8"), (b"a: 1\n\xff", ":2:"), (b" " * (MAX_DOCUMENT_BYTES + 1), "larger")]
)
def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path, blob: bytes, says: str) -> None:
    file = tmp_path / "bill"
    file.write_bytes(blob)

    with pytest.raises(InputError, match=says):
        read_source(str(file))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_source(str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="directory"):
        read_source(str(tmp_path))


@given(st.text())
def test_any_text_is_answered_or_refused(text: str) -> None:
    try:
        answers = bills_of(Source("bill", text))
    except InputError:
        return
    assert answers.members
