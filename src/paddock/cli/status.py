"""`paddock status`: providers, instances, environments, slots in use, and the last decisions with their reasons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from paddock.cli.asking import ask
from paddock.cli.decisions import print_decision, short, terminal
from paddock.cli.options import DataDir, Output, OutputOption, found_server
from paddock.core.counting import counted

if TYPE_CHECKING:
    from rich.console import Console

    from paddock.server.data_dir import KeyPair, RunningServer

SHOWN_DECISIONS = 5
NETWORKS = {
    "host": "host: instances share this machine's; subnets and security groups are not enforced",
    "vpc": "vpc: each instance has an interface in a subnet, and security groups are enforced",
}


def status(*, data_dir: DataDir = None, output: OutputOption = Output.TEXT) -> None:
    """Show what runs where, how full it is, and what was decided last and why."""
    running, keys = found_server(data_dir)
    document = fetch_status(running, keys)
    if output is Output.JSON:
        typer.echo(json.dumps(document, indent=1))
        return
    _print(terminal(), running, document)


def fetch_status(running: RunningServer, keys: KeyPair) -> dict[str, Any]:
    """The server's status document."""
    return ask(running, keys, "GET", "status")


def _print(console: Console, running: RunningServer, document: dict[str, Any]) -> None:
    console.print(f"{running.url}, {running.region}, process {running.pid}", highlight=False)
    for line in networks(document):
        console.print(line, highlight=False)
    for note in document.get("runtime_notes", ()):
        console.print(f"note: {note}", highlight=False)
    for line in document.get("hot_reload", ()):
        console.print(f"hot reload: {line}", highlight=False)
    if not document["providers"]:
        console.print("no capacity providers yet")
    for provider in document["providers"]:
        _print_provider(console, provider)
    if document.get("default_lambda"):
        _print_provider(console, document["default_lambda"])


def _print_provider(console: Console, provider: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    from paddock.cli.demo.live import environment_rows

    console.rule(f"[bold]{provider['name']}[/bold] {provider['state']}", align="left")
    used, cap = provider["vcpu"], provider["max_vcpu_count"]
    console.print(f"{counted(len(provider['instances']), 'instance')}, {used} of at most {cap} vCPU", highlight=False)
    for line in (*shortages(provider), *failed_launches(provider), *replacements(provider)):
        console.print(short(line), highlight=False, markup=False)
    table = Table("instance", "zone", "type", "environment", "function", "slots in use", "most", box=box.SIMPLE_HEAD)
    for row in environment_rows({"providers": [provider]}):
        table.add_row(*row)
    if table.row_count:
        console.print(table)
    for decision in provider["decisions"][-SHOWN_DECISIONS:]:
        reasons = [f"{reason['subject']}: {reason['text']}" for reason in decision["reasons"]]
        print_decision(console, decision["at"][11:19], decision["actions"], reasons)


def networks(document: dict[str, Any]) -> list[str]:
    """What is enforced for new instances; and how many still have the other network, that of an earlier start."""
    mode = document["launcher"]["network"]
    lines = [f"network {NETWORKS.get(mode, mode)}"]
    instances = [instance for provider in document["providers"] for instance in provider["instances"]]
    others = sum((instance.get("private_ip_address") is None) == (mode == "vpc") for instance in instances)
    if others:
        other = "host" if mode == "vpc" else "vpc"
        lines.append(f"{counted(others, 'instance')} launched with network {other} until replaced")
    return lines


def shortages(provider: dict[str, Any]) -> list[str]:
    """A line for each version that has less than its minimum, with what planning says about it."""
    return [
        f"{each['function']} has {each['ready']} of at least {counted(each['minimum'], 'environment')}: "
        + ("; ".join(each["reasons"]) or "the next decision says why")
        for each in provider.get("below_minimum", ())
    ]


def failed_launches(provider: dict[str, Any]) -> list[str]:
    """How many failed lately and why the last one did, and when another one is tried."""
    failures = provider.get("failed_launches", ())
    if not failures:
        return []
    last = failures[-1]
    where = f"{last['instance_type']} in {last['zone']} at {last['at'][11:19]}"
    lines = [f"launches failed {counted(len(failures), 'time')} lately; the last: {where}: {last['text']}"]
    waits = [each["text"] for each in provider["reasons_now"] if " launched for " in each["text"]]
    return [*lines, *(f"  {text}" for text in waits)]


def replacements(provider: dict[str, Any]) -> list[str]:
    """How far a patch or another replacement is: how many are left, and each with its reason."""
    left = [each for each in provider["instances"] if each.get("replace_reason")]
    if not left:
        return []
    going = [each for each in left if each["draining"] or each["phase"] == "stopping"]
    lines = [f"{counted(len(left), 'instance')} still to be replaced; {len(going)} being emptied or ending"]
    for each in left:
        step = "ends" if each["phase"] == "stopping" else "is being emptied" if each["draining"] else "waits its turn"
        lines.append(f"  {each['instance_id']} in {each['zone']} {step}: {each['replace_reason']}")
    return lines
