"""Processes are killed; what was acknowledged goes on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Server, create_function, create_provider, eventually, invoke, wait_active

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def _status(server: Server) -> Any:
    return json.loads(server.paddock("status", "--output", "json").stdout)


def _instance_ids(server: Server) -> set[str]:
    return {
        instance["instance_id"]
        for provider in _status(server)["providers"]
        for instance in provider["instances"]
        if instance["phase"] == "running"
    }


def test_a_killed_server_takes_its_instances_and_functions_back(own_server: Callable[..., Server]) -> None:
    first = own_server()
    api = first.client("lambda")
    create_function(api, create_provider(api, "p"), "f")
    environments = {invoke(api, "f", {})["environment"] for _ in range(9)}
    instances = _instance_ids(first)
    first.kill()

    second = own_server()
    again = second.client("lambda")

    assert again.get_function_configuration(FunctionName="f", Qualifier="$LATEST.PUBLISHED")["State"] == "Active"
    answers = {_invoke_patiently(again, "f") for _ in range(9)}
    assert answers <= environments
    assert _instance_ids(second) == instances


def _invoke_patiently(api: Any, name: str, seconds: float = 15) -> str:
    """After a restart agents are taken back within moments; until then a throttle is honest."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return str(invoke(api, name, {})["environment"])
        except (api.exceptions.TooManyRequestsException, api.exceptions.ResourceNotReadyException):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_a_publish_under_way_goes_on_after_a_kill(own_server: Callable[..., Server]) -> None:
    first = own_server()
    api = first.client("lambda")
    create_function(api, create_provider(api, "p"), "f", publish=False)
    api.publish_version(FunctionName="f")
    first.kill()

    second = own_server()

    wait_active(second.client("lambda"), "f", "1")
    assert invoke(second.client("lambda"), "f", {}, Qualifier="1")["version"] == "1"


def test_accepted_asynchronous_invokes_run_after_a_kill(own_server: Callable[..., Server]) -> None:
    first = own_server()
    api = first.client("lambda")
    create_function(api, create_provider(api, "p"), "f")
    texts = [f"accepted-{number}" for number in range(20)]
    for text in texts:
        payload = json.dumps({"do": "log", "text": text}).encode()
        assert api.invoke(FunctionName="f", InvocationType="Event", Payload=payload)["StatusCode"] == 202
    first.kill()

    logs = own_server().client("logs")

    def all_ran() -> bool:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/f")
        seen = " ".join(event["message"] for page in pages for event in page["events"])
        return all(text in seen for text in texts)

    assert eventually(all_ran, seconds=30)


def test_a_killed_agent_is_replaced_and_capacity_comes_back(own_server: Callable[..., Server]) -> None:
    server = own_server()
    api = server.client("lambda")
    create_function(api, create_provider(api, "p"), "f")
    before = _instance_ids(server)
    victim = next(
        instance
        for provider in _status(server)["providers"]
        for instance in provider["instances"]
        if instance["phase"] == "running"
    )
    os.kill(_agent_pid(server, victim["instance_id"]), signal.SIGKILL)

    def is_replaced() -> bool:
        now = _instance_ids(server)
        return len(now) == 3 and victim["instance_id"] not in now

    assert victim["instance_id"] in before
    assert eventually(is_replaced)
    assert len({invoke(api, "f", {})["environment"] for _ in range(9)}) >= 2


def test_ctrl_c_ends_all_it_started_and_says_what_it_kept(own_server: Callable[..., Server]) -> None:
    server = own_server()
    api = server.client("lambda")
    create_function(api, create_provider(api, "p"), "f")
    pids = [_agent_pid(server, instance_id) for instance_id in _instance_ids(server)]
    assert len(pids) == 3

    output = server.stop()

    assert "kept" in output
    assert str(server.data_dir) in output
    assert not [pid for pid in pids if _runs(pid)]


def _agent_pid(server: Server, instance_id: str) -> int:
    """The agent is the child of the watchdog that the instance's directory names."""
    watchdog = (server.data_dir / "instances" / instance_id / "process").read_text().split()[0]
    return int(Path(f"/proc/{watchdog}/task/{watchdog}/children").read_text().split()[0])


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
