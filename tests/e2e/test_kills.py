"""Processes are killed under load that does not wait for answers: what was accepted is run, only what was in flight
there fails, and every slot is back.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from paddock.cli.load import Load, Stream, steady
from paddock.ports.clock import SystemClock
from tests.e2e.callers import call, counted
from tests.e2e.conftest import Server, create_function, create_provider, eventually, invoke, package
from tests.e2e.listener import Listener, listening
from tests.e2e.test_overload import ENVIRONMENTS, SLOTS, SLOTS_EACH, assert_every_slot_is_free, statuses

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LOAD_SECONDS = 120
"""The most; it is stopped as soon as a test has seen what it waits for."""
LOAD = Stream("f", 4.0, lambda _: {"do": "wait", "seconds": 0.5})
"""Two in flight: what is left of the slots when an instance is gone has room for four times as many."""
QUICK_RETRIES = {"PADDOCK_ASYNC_RETRY_SECONDS": "1"}
ACCEPTED_EACH = 10
LEAKY_TIMEOUT_SECONDS = 3


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as hearing:
        yield hearing


@contextmanager
def under_load(server: Server) -> Iterator[Load]:
    """Left, it has stopped and everything that it sent is answered."""
    load = Load(server.client("lambda"), steady((LOAD,), LOAD_SECONDS), LOAD_SECONDS, SystemClock())
    sending = threading.Thread(target=load.run)
    sending.start()
    try:
        assert answered_well(load, 6)
        yield load
    finally:
        load.stop()
        sending.join()


def answered_well(load: Load, more: int) -> bool:
    """So many more calls than until now are answered as they should be."""
    enough = outcomes(load)["ok"] + more
    return eventually(lambda: outcomes(load)["ok"] >= enough)


def outcomes(load: Load) -> Counter[str]:
    return Counter(answer.outcome for answer in load.answers)


def others(load: Load) -> list[tuple[float, float, str, str | None]]:
    """When due, when sent and why: of the answers that are not as they should be."""
    wrong = [answer for answer in load.answers if answer.outcome != "ok"]
    return [(answer.due_seconds, answer.sent_seconds, answer.outcome, answer.detail) for answer in wrong]


def fixed_fleet(api: Any, provider: str, name: str, **more: Any) -> None:
    """As many environments as it has: neither more nor less while the test runs."""
    create_function(api, provider, name, **({"max_concurrency": SLOTS_EACH, "Timeout": 30} | more))
    fixed = {"MinExecutionEnvironments": ENVIRONMENTS, "MaxExecutionEnvironments": ENVIRONMENTS}
    api.put_function_scaling_config(FunctionName=name, Qualifier="$LATEST.PUBLISHED", FunctionScalingConfig=fixed)


def two_functions(server: Server) -> None:
    """`f` takes the load, `told` the asynchronous invocations; each has an environment on each of three instances."""
    api = server.client("lambda")
    provider = create_provider(api, "p")
    fixed_fleet(api, provider, "f")
    fixed_fleet(api, provider, "told", Handler="tells.handler", Code={"ZipFile": package("tells.py")})


def accept(server: Server, listener: Listener, name: str) -> set[str]:
    """Asynchronous invocations that were answered 202, and that take a moment each."""
    api = server.client("lambda")
    accepted = {f"{name}-{number}" for number in range(ACCEPTED_EACH)}
    for each in accepted:
        payload = json.dumps({"id": each, "listener": listener.url, "seconds": 0.5}).encode()
        answer = api.invoke(FunctionName="told", InvocationType="Event", Payload=payload)
        assert answer["StatusCode"] == 202
    return accepted


def ready(server: Server, *functions: str) -> dict[str, str]:
    """The instance of each environment of these functions that is ready."""
    status: Any = json.loads(server.paddock("status", "--output", "json").stdout)
    found = [each for provider in status["providers"] for each in provider["environments"]]
    return {
        each["environment_id"]: each["instance_id"]
        for each in found
        if each["function"].split(":")[0] in functions and each["phase"] == "ready"
    }


def are_back(server: Server, lost: set[str], *functions: str, seconds: float = 60) -> bool:
    """As many environments as before are ready, and none of those that were lost."""

    def holds() -> bool:
        now = ready(server, *functions)
        return len(now) == ENVIRONMENTS * len(functions) and not lost & now.keys()

    return eventually(holds, seconds)


def on_one_instance(server: Server) -> tuple[str, set[str]]:
    """An instance and its environments, one of each function."""
    places = ready(server, "f", "told")
    instance_id = min(places.values())
    there = {environment for environment, place in places.items() if place == instance_id}
    assert len(there) == 2
    return instance_id, there


def agent_pid(server: Server, instance_id: str) -> int:
    """The agent is the child of the watchdog that the instance's directory names."""
    watchdog = (server.data_dir / "instances" / instance_id / "process").read_text().split()[0]
    return children(int(watchdog))[0]


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill(pids: list[int]) -> None:
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def outlived(server: Server, listener: Listener, killed: list[int], lost: set[str]) -> Load:
    """The load while these processes are killed; whatever was accepted before and after has run, and all is back."""
    with under_load(server) as load:
        accepted = accept(server, listener, "before")
        kill(killed)
        accepted |= accept(server, listener, "after")
        assert are_back(server, lost, "f", "told")
        assert eventually(lambda: accepted <= set(listener.heard))
        assert answered_well(load, 6)
    return load


def test_a_killed_agent_loses_nothing_accepted_and_fails_only_what_it_had(
    own_server: Callable[..., Server], listener: Listener
) -> None:
    server = own_server(environ=QUICK_RETRIES)
    two_functions(server)
    instance_id, lost = on_one_instance(server)

    load = outlived(server, listener, [agent_pid(server, instance_id)], lost)

    result = outcomes(load)
    assert set(result) <= {"ok", "failed"}, others(load)
    assert result["failed"] <= SLOTS_EACH
    assert all("ServiceException" in str(answer.detail) for answer in load.answers if answer.outcome == "failed")
    assert_every_slot_is_free(server, "f")


def test_killed_main_processes_of_environments_lose_nothing_accepted_and_fail_only_what_they_had(
    own_server: Callable[..., Server], listener: Listener
) -> None:
    server = own_server(environ=QUICK_RETRIES)
    two_functions(server)
    instance_id, lost = on_one_instance(server)
    agent = agent_pid(server, instance_id)

    load = outlived(server, listener, children(agent), lost)

    result = outcomes(load)
    assert set(result) <= {"ok", "function error"}, others(load)
    assert result["function error"] <= SLOTS_EACH
    assert agent_pid(server, instance_id) == agent
    assert_every_slot_is_free(server, "f")


def test_a_killed_server_loses_nothing_accepted_and_the_next_one_has_every_slot(
    own_server: Callable[..., Server], listener: Listener
) -> None:
    first = own_server(environ=QUICK_RETRIES)
    two_functions(first)
    before = ready(first, "f", "told")
    with under_load(first) as load:
        accepted = accept(first, listener, "before")
        first.kill()
    assert outcomes(load)["function error"] == outcomes(load)["throttled"] == 0

    second = own_server(environ=QUICK_RETRIES)
    accepted |= accept(second, listener, "after")
    assert eventually(lambda: accepted <= set(listener.heard))
    assert eventually(lambda: ready(second, "f", "told") == before)
    with under_load(second) as load:
        assert answered_well(load, 12)

    assert set(outcomes(load)) == {"ok"}
    assert_every_slot_is_free(second, "f")


def test_environments_whose_handlers_never_return_are_replaced_and_every_slot_is_free_again(
    own_server: Callable[..., Server],
) -> None:
    server = own_server(environ={"PADDOCK_LEAKED_SLOT_SECONDS": "5"})
    api = server.client("lambda")
    fixed_fleet(api, create_provider(api, "leaks"), "leaks", Timeout=LEAKY_TIMEOUT_SECONDS)
    leaky = ready(server, "leaks")
    assert len(leaky) == ENVIRONMENTS

    answers = call(server, "leaks", {"do": "wait", "seconds": 3600}, callers=SLOTS)

    assert statuses(answers) == {200: SLOTS}
    assert all("Sandbox.Timedout" in answer.body.decode() for answer in answers)
    assert statuses(call(server, "leaks", {}, callers=1)) == {429: 1}

    assert are_back(server, set(leaky), "leaks")
    assert eventually(lambda: counted(server, "paddock_invocations_in_flight", "leaks") == 0)
    held = call(server, "leaks", {"do": "wait", "seconds": 1.5}, callers=SLOTS + 3)
    assert statuses(held) == {200: SLOTS, 429: 3}
    assert invoke(api, "leaks", {})["event"] == {}
