"""Launches that really fail, on a real server: tried again with pauses, shown wherever one looks, over by themselves.

Three causes that an operator meets: the disk of the instances is not mounted, the interpreter cannot be started, and
what is started hangs.
"""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from paddock.launchers.processes import all_stats, was_started_with
from tests.e2e.conftest import QUICKLY, Server, create_function, create_provider, eventually, invoke, wait_active

pytestmark = pytest.mark.e2e

QUICK_PAUSES = {
    "PADDOCK_PLANNING_LAUNCH_BACKOFF_SECONDS": "1",
    "PADDOCK_PLANNING_LAUNCH_BACKOFF_LIMIT_SECONDS": "2",
    "PADDOCK_PLANNING_LAUNCH_TRIES": "1000",
}
"""And a publish that does not give up before the test has looked at it."""
AGENTS = """#!/bin/bash
# The interpreter of this installation. Agents get what the file beside it says.
case " $* " in *" paddock.agent "*) case "$(cat {mode})" in
  exits) echo "error while loading shared libraries: libpython.so" >&2; exit 127 ;;
  hangs) sleep 3600; exit 1 ;;
  *) exec {python} "$@" ;;
esac ;; esac
exec -a "$0" {python} "$@"
"""


class Interpreter:
    """Another way into the same virtual environment, whose agents exit, hang or work. `within` it a server starts."""

    def __init__(self, directory: Path) -> None:
        path = directory / "bin" / "python"
        self.within = (str(directory / "start"),)
        self._mode = directory / "mode"
        path.parent.mkdir(parents=True)
        shutil.copy(Path(sys.prefix, "pyvenv.cfg"), directory)
        library = Path(sysconfig.get_path("stdlib")).parent.name
        (directory / library).symlink_to(Path(sys.prefix, library))
        path.write_text(AGENTS.format(mode=self._mode, python=sys.executable))
        Path(*self.within).write_text(f'#!/bin/sh\nshift\nexec {path} "$@"\n')
        for program in (path, Path(*self.within)):
            program.chmod(0o755)

    def agents(self, mode: str) -> None:
        self._mode.write_text(mode)


def status(server: Server) -> Any:
    (provider,) = json.loads(server.paddock("status", "--output", "json").stdout)["providers"]
    return provider


def instances(server: Server) -> list[Any]:
    found = server.client("ec2").describe_instances(IncludeManagedResources=True)
    return [each for reservation in found["Reservations"] for each in reservation["Instances"]]


def system_log(server: Server, operation: str) -> list[str]:
    """The messages of an operation in the provider's own log."""
    answer = server.client("logs").filter_log_events(logGroupName="/aws/lambda/capacity-provider/failing")
    records = [json.loads(event["message"]) for event in answer["events"]]
    return [record["message"] for record in records if record["operation"] == operation]


def published(server: Server) -> Any:
    """A provider with one instance type, so that every pause is a pause, and a publish that waits for instances."""
    api = server.client("lambda")
    allowed = {"Architectures": ["x86_64"], "AllowedInstanceTypes": ["m7i.xlarge"]}
    create_function(api, create_provider(api, "failing", InstanceRequirements=allowed), "f", publish=False)
    api.publish_version(FunctionName="f", PublishTo="LATEST_PUBLISHED")
    return api


def failed_at_least(server: Server, count: int) -> bool:
    return eventually(lambda: len(status(server)["failed_launches"]) >= count)


def assert_shown(server: Server, cause: str) -> None:
    """Launches failed more than once: in the status, in the decisions, in the provider's log and in the state."""
    failures = status(server)["failed_launches"]
    assert all(cause in each["text"] for each in failures), failures
    assert {each["reason_code"] for each in failures} == {"InternalError"}
    text = " ".join(server.paddock("status").stdout.split())
    assert "launches failed" in text
    assert cause in text

    def paused() -> bool:
        reasons = [reason["text"] for decision in status(server)["decisions"] for reason in decision["reasons"]]
        return any("nothing is launched for" in reason and cause in reason for reason in reasons)

    assert eventually(paused)
    assert eventually(lambda: len(system_log(server, "LaunchFailed")) >= 4)
    assert all(
        message.startswith("Failed to launch m7i.xlarge instance in us-east-1")
        and cause in message
        and "the system will retry" in message
        for message in system_log(server, "LaunchFailed")
    )
    shown = server.client("lambda").get_function_configuration(FunctionName="f", Qualifier="$LATEST.PUBLISHED")
    assert shown["State"] == "Pending"
    assert server.client("lambda").get_capacity_provider(CapacityProviderName="failing")["CapacityProvider"]["State"]


def assert_all_is_well(server: Server) -> None:
    api = server.client("lambda")
    wait_active(api, "f")
    assert invoke(api, "f", {"n": 1})["event"] == {"n": 1}
    running = [each for each in instances(server) if each["State"]["Name"] == "running"]
    assert len(running) == 3
    assert not any("nothing is launched" in each["text"] for each in status(server)["reasons_now"])


def test_instances_whose_disk_is_not_there_come_when_it_is(own_server: Callable[..., Server], tmp_path: Path) -> None:
    disk = tmp_path / "disk" / "instances"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "instances").symlink_to(disk)
    server = own_server(environ=QUICK_PAUSES)
    published(server)

    assert failed_at_least(server, 6)
    assert_shown(server, "File exists")
    assert "in vain until the cause is gone" in system_log(server, "LaunchFailed")[0]

    disk.mkdir(parents=True)
    assert_all_is_well(server)


def test_agents_that_cannot_be_started_come_when_they_can(own_server: Callable[..., Server], tmp_path: Path) -> None:
    interpreter = Interpreter(tmp_path / "venv")
    interpreter.agents("exits")
    server = own_server(environ=QUICK_PAUSES, within=interpreter.within)
    published(server)

    assert failed_at_least(server, 6)
    assert_shown(server, "libpython.so")
    gone = [each for each in instances(server) if each["State"]["Name"] == "terminated"]
    assert gone
    assert {each["StateReason"]["Code"] for each in gone} == {"Server.InternalError"}

    interpreter.agents("work")
    assert_all_is_well(server)


def test_a_launch_that_hangs_ends_at_its_deadline_and_is_tried_again(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    interpreter = Interpreter(tmp_path / "venv")
    interpreter.agents("hangs")
    deadline = {"PADDOCK_PLANNING_LAUNCH_DEADLINE_SECONDS": "3"}
    server = own_server(environ=QUICK_PAUSES | deadline, within=interpreter.within)
    published(server)

    assert failed_at_least(server, 6)
    assert_shown(server, "no agent reported within 3 s")
    ended = {each["InstanceId"]: each for each in instances(server) if each["State"]["Name"] == "terminated"}
    assert ended
    assert all("no agent reported within 3 s" in each["StateReason"]["Message"] for each in ended.values())
    assert eventually(lambda: not hanging(server, ended)), "what hung is killed"

    # A launch that hung while the interpreter was broken still runs to its deadline.
    interpreter.agents("work")
    assert_all_is_well(server)


def hanging(server: Server, instance_ids: Any) -> list[int]:
    bootstraps = [str(server.data_dir / "instances" / each / "bootstrap.json") for each in instance_ids]
    return [
        stat.pid
        for stat in all_stats()
        if any(was_started_with(stat.pid, "--bootstrap", bootstrap) for bootstrap in bootstraps)
    ]


def test_a_publish_that_gives_up_says_why_and_a_later_one_succeeds(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    disk = tmp_path / "disk" / "instances"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "instances").symlink_to(disk)
    patience = {"PADDOCK_PLANNING_LAUNCH_TRIES": "6", "PADDOCK_PLANNING_LAUNCH_PATIENCE_SECONDS": "1"}
    server = own_server(environ=QUICK_PAUSES | patience)
    api = published(server)

    with pytest.raises(WaiterError):
        api.get_waiter("published_version_active").wait(
            FunctionName="f", Qualifier="$LATEST.PUBLISHED", WaiterConfig=QUICKLY
        )
    shown = api.get_function_configuration(FunctionName="f", Qualifier="$LATEST.PUBLISHED")
    assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "InternalError")
    assert "File exists" in shown["StateReason"]

    disk.mkdir(parents=True)
    api.publish_version(FunctionName="f", PublishTo="LATEST_PUBLISHED")
    assert_all_is_well(server)
