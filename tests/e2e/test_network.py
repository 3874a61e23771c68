"""`--network vpc` with real clients: interfaces, routes, groups and what they count. All in namespaces of the test."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.launchers.instance_directory import InstanceDirectory
from paddock.model.ids import InstanceId
from paddock.networks.names import Names
from tests.e2e.conftest import ROLE, Server, create_function, eventually, invoke, package, start_server
from tests.e2e.far_network import FAR_ADDRESS, MACHINE_ADDRESS, FarNetwork, Inside, far_network

pytestmark = pytest.mark.e2e
NETWORK = """
vpc_id: vpc-test
subnets:
  - {subnet_id: subnet-1, zone: us-east-1a, cidr_block: 10.77.0.0/24}
security_groups:
  - sg-open
  - {group_id: sg-closed, ip_permissions_egress: []}
"""
UP, DOWN = 3_000_000, 5_000_000
PORT = 4243


@dataclass
class World:
    """`server` is the one that runs now."""

    far: FarNetwork
    server: Server
    flags: tuple[str, ...]

    def client(self, service: str) -> Any:
        return Inside(self.server.client(service), self.far)

    @property
    def api(self) -> Any:
        return self.client("lambda")

    def kill_and_start_again(self, *flags: str) -> None:
        """`flags` go over those of the first start."""
        if self.server.process.poll() is None:
            self.server.kill()
        self.server = start_server(self.server.data_dir, *self.flags, *flags, within=self.far.within)

    def status(self, *options: str) -> str:
        program = (sys.executable, "-m", "paddock.cli.main", "status", "--data-dir", str(self.server.data_dir))
        return self.far.said_by(*program, *options)

    def interfaces(self, provider: str) -> list[dict[str, Any]]:
        """Of the provider's instances."""
        arn = f"*:{provider}"
        answer = self.client("ec2").describe_network_interfaces(
            IncludeManagedResources=True, Filters=[{"Name": "tag:aws:lambda:capacity-provider", "Values": [arn]}]
        )
        return list(answer["NetworkInterfaces"])

    def addresses(self, provider: str) -> dict[str, str]:
        """By instance."""
        return {each["Attachment"]["InstanceId"]: each["PrivateIpAddress"] for each in self.interfaces(provider)}

    def moved(self, name: str, provider: str) -> float:
        """By all instances of the provider, of whatever type."""
        listed = self.client("cloudwatch").list_metrics(
            MetricName=name, Dimensions=[{"Name": "CapacityProviderName", "Value": provider}]
        )["Metrics"]
        queries = [
            {"Id": f"moved{number}", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
            for number, metric in enumerate(listed)
        ]
        if not queries:
            return 0.0
        now = datetime.now(UTC)
        answer = self.client("cloudwatch").get_metric_data(
            MetricDataQueries=queries, StartTime=now - timedelta(hours=2), EndTime=now + timedelta(hours=1)
        )
        return float(sum(value for result in answer["MetricDataResults"] for value in result["Values"]))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("network")
    network_file = directory / "network.yaml"
    network_file.write_text(NETWORK)
    flags = ("--network", "vpc", "--network-file", str(network_file))
    with far_network(directory) as far:
        server = start_server(directory / "data", *flags, within=far.within)
        world = World(far, server, flags)
        try:
            # In the network that tests run in: the one that the server is in leads nowhere.
            assert server.paddock("runtimes", "--install", "python3.13", timeout=600).returncode == 0
            yield world
        finally:
            if world.server.process.poll() is not None:
                world.kill_and_start_again()
            world.server.stop()


def made_provider(world: World, name: str, group: str) -> str:
    created = world.api.create_capacity_provider(
        CapacityProviderName=name,
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": [group]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE},
    )
    arn = str(created["CapacityProvider"]["CapacityProviderArn"])
    create_function(
        world.api, arn, name, Handler="connects.handler", Code={"ZipFile": package("connects.py")}, Timeout=60
    )
    return name


@pytest.fixture(scope="module")
def opened(world: World) -> str:
    """Provider and function of a group that lets everything out."""
    return made_provider(world, "opened", "sg-open")


@pytest.fixture(scope="module")
def closed(world: World) -> str:
    """Provider and function of a group that lets nothing out."""
    return made_provider(world, "closed", "sg-closed")


def connect(world: World, function: str, **event: Any) -> Any:
    return invoke(world.api, function, {"address": FAR_ADDRESS, "port": world.far.port, **event})


def connect_soon(world: World, function: str, **event: Any) -> Any:
    """To a server that just began: it refuses until it has word of its agents."""
    answers: list[Any] = []

    def is_answered() -> bool:
        try:
            answers.append(connect(world, function, **event))
        except ClientError as error:
            if error.response["Error"]["Code"] != "TooManyRequestsException":
                raise
        return bool(answers)

    assert eventually(is_answered)
    return answers[0]


def test_a_function_reaches_what_its_route_and_its_groups_allow(world: World, opened: str) -> None:
    answer = connect(world, opened, up=10, down=10)
    assert answer["received"] == 10
    assert answer["from"] in world.addresses(opened).values()


def test_a_function_of_a_group_without_egress_reaches_nothing(world: World, closed: str) -> None:
    assert connect(world, closed, patience=3)["failed"] == "timed out"
    assert connect(world, closed, address=MACHINE_ADDRESS, patience=3)["failed"] == "timed out"


def test_an_instance_shows_the_interface_it_has(world: World, opened: str) -> None:
    interface = world.interfaces(opened)[0]
    assert (interface["Status"], interface["SubnetId"]) == ("in-use", "subnet-1")
    assert interface["Groups"] == [{"GroupId": "sg-open", "GroupName": "default"}]
    instance_id = interface["Attachment"]["InstanceId"]
    shown = world.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    assert shown["PrivateIpAddress"] == interface["PrivateIpAddress"]
    assert shown["NetworkInterfaces"][0]["NetworkInterfaceId"] == interface["NetworkInterfaceId"]
    namespace = Path("/run/netns", Names.of(world.server.data_dir).namespace(instance_id))
    said = world.far.said_by(
        "nsenter", f"--net={namespace}", "ip", "-brief", "-4", "address", "show", "scope", "global"
    )
    assert f"{shown['PrivateIpAddress']}/32" in said


def test_what_passes_the_interface_is_measured(world: World, opened: str) -> None:
    before = world.moved("NetworkIn", opened), world.moved("NetworkOut", opened)
    assert connect(world, opened, up=UP, down=DOWN)["received"] == DOWN

    def moved() -> tuple[float, float]:
        return world.moved("NetworkIn", opened) - before[0], world.moved("NetworkOut", opened) - before[1]

    assert eventually(lambda: moved() >= (DOWN, UP)), moved()
    received, sent = moved()
    assert DOWN <= received < 2 * DOWN
    assert UP <= sent < 2 * UP
    dimensions = f'capacity_provider_name="{opened}"'

    def scraped() -> str:
        with urllib.request.urlopen(f"{world.server.url}/metrics") as answer:
            return str(answer.read().decode())

    counted = [
        float(line.split()[-1])
        for line in world.far.inside(scraped).splitlines()
        if line.startswith("paddock_network_in_bytes_total{") and dimensions in line
    ]
    assert sum(counted) >= DOWN


def test_instances_have_ports_of_their_own_and_environments_of_one_share_them(world: World, opened: str) -> None:
    """An instance's network is its own; the environments on it share it."""
    beside = "beside"
    arn = world.api.get_capacity_provider(CapacityProviderName=opened)["CapacityProvider"]["CapacityProviderArn"]
    code = {"ZipFile": package("connects.py")}
    create_function(world.api, arn, beside, Handler="connects.handler", Code=code)
    listening: dict[str, str] = {}

    def is_found_out() -> bool:
        """Each on two instances, and one beside another of the same."""
        for name in (opened, beside):
            answer = invoke(world.api, name, {"listen": PORT})
            if "listens" in answer:
                assert answer["address"] not in listening
                listening[answer["address"]] = answer["environment"]
            else:
                assert answer["failed"].startswith("Address already in use")
                if answer["environment"] != listening[answer["address"]]:
                    return len(listening) > 1
        return False

    try:
        assert eventually(is_found_out)
    finally:
        world.api.delete_function(FunctionName=beside)


def test_status_says_which_network_is_in_force(world: World) -> None:
    said = world.status()
    assert "network vpc: each instance has an interface in a subnet" in said
    assert "until replaced" not in said


def test_the_network_outlives_a_server_that_was_killed(world: World, opened: str, closed: str) -> None:
    before = world.addresses(opened)
    world.kill_and_start_again()
    assert connect_soon(world, opened, up=1, down=1)["from"] in before.values()
    assert world.addresses(opened) == before
    assert connect_soon(world, closed, patience=3)["failed"] == "timed out"


def test_an_instance_keeps_the_network_it_was_launched_with(world: World, opened: str, closed: str) -> None:
    before = world.addresses(opened)
    world.kill_and_start_again("--network", "host")
    assert connect_soon(world, opened, up=1, down=1)["from"] in before.values()
    lines = world.status().splitlines()
    assert any(line.startswith("network host: instances share this machine's") for line in lines)
    assert any(line.endswith("launched with network vpc until replaced") for line in lines)
    world.kill_and_start_again()


def test_an_instance_that_died_gives_its_interface_back(world: World, opened: str) -> None:
    before = world.addresses(opened)
    victim = next(iter(before))
    recorded = InstanceDirectory(world.server.data_dir / "instances" / victim).process()
    assert recorded is not None
    os.kill(recorded.pid, signal.SIGKILL)
    namespace = Path("/run/netns", Names.of(world.server.data_dir).namespace(InstanceId(victim)))
    assert eventually(lambda: not namespace.exists())

    def is_replaced() -> bool:
        found = world.addresses(opened)
        return victim not in found and len(found) == len(before)

    assert eventually(is_replaced)
    assert connect_soon(world, opened, up=1, down=1)["received"] == 1


def test_functions_are_as_shut_off_as_in_the_machines_network(world: World, opened: str) -> None:
    document = json.loads(world.status("--output", "json"))
    found = {instance["isolation"] for provider in document["providers"] for instance in provider["instances"]}
    assert found == {document["launcher"]["isolation"]}


def test_default_lambda_stays_in_the_machines_network(world: World) -> None:
    """As on AWS, where it runs in Lambda's own network and not in a VPC of the account."""
    world.api.create_function(
        FunctionName="plain",
        Runtime="python3.13",
        Handler="connects.handler",
        Role=ROLE,
        Code={"ZipFile": package("connects.py")},
        Timeout=60,
    )
    assert connect(world, "plain", up=1, down=1)["from"] == MACHINE_ADDRESS
    world.api.delete_function(FunctionName="plain")


def test_nothing_is_left_when_the_last_provider_is_gone(world: World, opened: str, closed: str) -> None:
    names = Names.of(world.server.data_dir)
    assert names.uplink in world.far.links()
    for name in (opened, closed):
        world.api.delete_function(FunctionName=name)

    def is_deleted(name: str) -> bool:
        try:
            world.api.delete_capacity_provider(CapacityProviderName=name)
        except ClientError as error:
            return bool(error.response["Error"]["Code"] == "ResourceNotFoundException")
        return False

    assert all(eventually(lambda name=name: is_deleted(name)) for name in (opened, closed))  # type: ignore[misc]

    def namespaces() -> list[str]:
        return [path.name for path in Path("/run/netns").iterdir() if path.name.startswith(names.router)]

    assert eventually(lambda: not namespaces()), namespaces()
    assert eventually(lambda: world.far.links() == {"lo", "near"}), world.far.links()
    assert world.far.said_by("nft", "list", "tables") == ""
