"""What the text of `paddock status` says beside the table."""

from __future__ import annotations

from typing import Any

from paddock.cli.demo.live import environment_rows
from paddock.cli.status import failed_launches, networks, replacements, shortages

PATCHED = "it is patched: a new runtime or agent"


def instance(
    number: int, phase: str = "running", *, draining: bool = False, why: str | None = PATCHED
) -> dict[str, Any]:
    return {
        "instance_id": f"i-{number}",
        "zone": "us-east-1a",
        "phase": phase,
        "draining": draining,
        "replace_reason": why,
    }


def test_a_patch_shows_how_far_it_is_and_each_instances_reason() -> None:
    instances = [
        instance(1, "stopping"),
        instance(2, draining=True),
        instance(3),
        instance(4, why="it has reached its lifetime of 14 days, 0:00:00"),
        instance(5, why=None),
    ]

    assert replacements({"instances": instances}) == [
        "4 instances still to be replaced; 2 being emptied or ending",
        f"  i-1 in us-east-1a ends: {PATCHED}",
        f"  i-2 in us-east-1a is being emptied: {PATCHED}",
        f"  i-3 in us-east-1a waits its turn: {PATCHED}",
        "  i-4 in us-east-1a waits its turn: it has reached its lifetime of 14 days, 0:00:00",
    ]


def in_network(mode: str, *addresses: str | None) -> dict[str, Any]:
    instances = [{"private_ip_address": address} for address in addresses]
    return {"launcher": {"network": mode}, "providers": [{"instances": instances}]}


def test_the_network_is_named_with_what_it_enforces() -> None:
    assert networks(in_network("host", None)) == [
        "network host: instances share this machine's; subnets and security groups are not enforced"
    ]
    assert networks(in_network("vpc", "10.231.0.4")) == [
        "network vpc: each instance has an interface in a subnet, and security groups are enforced"
    ]


def test_instances_of_a_start_with_another_network_are_counted() -> None:
    assert networks(in_network("vpc", None, "10.231.0.4", None))[1] == (
        "2 instances launched with network host until replaced"
    )
    assert networks(in_network("host", "10.231.0.4"))[1] == "1 instance launched with network vpc until replaced"


def test_a_fleet_in_order_says_nothing_of_replacement_or_shortage() -> None:
    provider = {"instances": [instance(1, why=None)], "below_minimum": []}

    assert replacements(provider) == []
    assert shortages(provider) == []


def test_a_version_below_its_minimum_is_named_with_the_reason() -> None:
    row = {"function": "hello:1", "ready": 2, "minimum": 3, "reasons": ["the ceiling", "no room"]}
    unplanned = row | {"reasons": []}

    assert shortages({"below_minimum": [row, unplanned]}) == [
        "hello:1 has 2 of at least 3 environments: the ceiling; no room",
        "hello:1 has 2 of at least 3 environments: the next decision says why",
    ]


def test_an_environment_of_a_tenant_names_it_beside_its_function() -> None:
    environment = {
        "instance_id": "i-00000001",
        "environment_id": "env-00000001",
        "function": "shop:$LATEST",
        "in_flight": 0,
        "max_concurrency": 1,
        "peak_in_flight": 1,
    }
    provider = {
        "instances": [],
        "environments": [{**environment, "tenant_id": "blue"}, {**environment, "tenant_id": None}],
    }
    assert [row[4] for row in environment_rows({"providers": [provider]})] == ["shop:$LATEST blue", "shop:$LATEST"]


def test_launches_that_fail_are_shown_with_the_last_cause_and_the_pause() -> None:
    failures = [
        {"at": f"2026-11-23T12:00:0{second}+00:00", "instance_type": "m7i.xlarge", "zone": "us-east-1a", "text": text}
        for second, text in ((1, "the disk is full"), (3, "no agent came"))
    ]
    reasons = [
        {"subject": "mine", "text": "m7i.xlarge in us-east-1a is not launched for 20 s: it failed before"},
        {"subject": "hello:1", "text": "is at its minimum"},
    ]

    assert failed_launches({"failed_launches": failures, "reasons_now": reasons}) == [
        "launches failed 2 times lately; the last: m7i.xlarge in us-east-1a at 12:00:03: no agent came",
        "  m7i.xlarge in us-east-1a is not launched for 20 s: it failed before",
    ]
    assert failed_launches({"failed_launches": [], "reasons_now": reasons}) == []
