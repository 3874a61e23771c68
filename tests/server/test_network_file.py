"""The operator's network file: what it gives, and what a bad one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddock.model.errors import SettingsError
from paddock.model.ids import Region
from paddock.server.network_file import load_network

REGION = Region("us-east-1")
SUBNET = "{subnet_id: subnet-1, zone: us-east-1a, cidr_block: 10.0.0.0/20}"


def test_without_a_file_there_are_three_subnets_in_three_zones() -> None:
    network = load_network(None, REGION)

    assert [subnet.subnet_id for subnet in network.subnets] == ["subnet-a", "subnet-b", "subnet-c"]
    assert len({subnet.zone for subnet in network.subnets}) == 3


def test_a_file_names_others(tmp_path: Path) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(f"vpc_id: vpc-1\nsubnets: [{SUBNET}]\nsecurity_groups: [sg-web, sg-db]\n")

    network = load_network(file, REGION)

    assert network.default_security_group_id == "sg-web"
    assert network.subnets[0].zone == "us-east-1a"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "mapping"),
        ("vpc_id: v\nsubnets: []\nsecurity_groups: [sg-a]", "subnets must be"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: []", "one at least"),
        (f"vpc_id: v\nsubnets: [{SUBNET}, {SUBNET}]\nsecurity_groups: [sg-a]", "twice"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [web]", "no id like"),
        ("vpc_id: v\nsecurity_groups: [sg-a]", "missing"),
        (f"vpc_id: v\nsubnets: [{SUBNET.replace('1a', '2a')}]\nsecurity_groups: [sg-a]", "no zone"),
        (f"vpc_id: v\nsubnets: [{SUBNET.replace('/20', '/99')}]\nsecurity_groups: [sg-a]", "99"),
        ("{", "cannot be read"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(text)

    with pytest.raises(SettingsError, match=said):
        load_network(file, REGION)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        load_network(tmp_path / "nowhere.yaml", REGION)
