"""What managed instances promise while they are replaced, under load that does not wait for answers."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.cli.load import Load, Stream, steady
from paddock.cli.options import found_server
from paddock.cli.status import fetch_status
from paddock.ports.clock import SystemClock
from tests.e2e.conftest import Server, create_function, create_provider, eventually, invoke
from tests.e2e.test_default_lambda import create
from tests.e2e.watching import look, watched

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LOAD_SECONDS = 180
"""The most; it is stopped as soon as everything is replaced."""
LIFETIME_HOURS = 45 / 3600


THREE_ENVIRONMENTS_EACH: dict[str, Any] = {"InstanceRequirements": {"AllowedInstanceTypes": ["c7i.xlarge"]}}
"""Four vCPU, one of them the system's."""


def _instance_ids(server: Server) -> set[str]:
    """Of all providers and of default Lambda."""
    status: Any = fetch_status(*found_server(server.data_dir))
    fleets = [*status["providers"], *([status["default_lambda"]] if status["default_lambda"] else [])]
    return {each["instance_id"] for fleet in fleets for each in fleet["instances"]}


@contextmanager
def _under_load(server: Server) -> Iterator[Load]:
    """Of ten requests a second to `f`. Left, it has stopped and everything that it sent is answered."""
    stream = Stream("f", 10.0, lambda _: {"do": "wait", "seconds": 0.05})
    load = Load(server.client("lambda"), steady((stream,), LOAD_SECONDS), LOAD_SECONDS, SystemClock())
    sending = threading.Thread(target=load.run)
    sending.start()
    try:
        assert eventually(lambda: len(load.answers) > 0)
        yield load
    finally:
        load.stop()
        sending.join()


def _answered_since(load: Load) -> bool:
    """As many more as a second brings, so that what replaced the instances has served."""
    enough = len(load.answers) + 10
    return eventually(lambda: len(load.answers) >= enough)


def _outcomes(load: Load) -> Counter[str]:
    return Counter(answer.outcome for answer in load.answers)


def test_a_patch_replaces_every_instance_under_load_and_no_invocation_fails(
    own_server: Callable[..., Server],
) -> None:
    server = own_server()
    api = server.client("lambda")
    create_function(api, create_provider(api, "p"), "f")
    before = _instance_ids(server)
    with _under_load(server) as load:
        begun = server.paddock("patch", "--output", "json")
        again = server.paddock("patch")
        assert eventually(lambda: not before & _instance_ids(server), LOAD_SECONDS)
        assert _answered_since(load)

    assert set(json.loads(begun.stdout)["instances"]["p"]) == before
    assert again.returncode == 1
    assert "is under way" in again.stderr
    assert set(_outcomes(load)) == {"ok"}


def test_instances_are_replaced_by_age_under_load_and_no_invocation_fails(own_server: Callable[..., Server]) -> None:
    server = own_server(environ={"PADDOCK_INSTANCE_LIFETIME_HOURS": str(LIFETIME_HOURS)})
    api = server.client("lambda")
    create_function(api, create_provider(api, "p"), "f")
    before = _instance_ids(server)
    assert len(before) == 3
    with _under_load(server) as load:
        assert eventually(lambda: not before & _instance_ids(server), LOAD_SECONDS)
        assert _answered_since(load)

    assert set(_outcomes(load)) == {"ok"}
    assert "is nearly over" in server.paddock("status", "--output", "json").stdout


def test_a_patch_replaces_default_lambdas_instance_under_load_and_no_invocation_fails(
    own_server: Callable[..., Server],
) -> None:
    server = own_server()
    create(server.client("lambda"), "f")
    with _under_load(server) as load:
        before = _instance_ids(server)
        begun = server.paddock("patch", "--output", "json")
        assert eventually(lambda: not before & _instance_ids(server), LOAD_SECONDS)
        assert _answered_since(load)

    assert {each for ids in json.loads(begun.stdout)["instances"].values() for each in ids} == before
    assert len(before) == len(_instance_ids(server)) == 1
    assert set(_outcomes(load)) == {"ok"}


def test_zero_and_zero_ends_all_instances_and_a_later_put_brings_them_back(own_server: Callable[..., Server]) -> None:
    server = own_server("--scaling-speedup", "30")
    api = server.client("lambda")
    create_function(api, create_provider(api, "p"), "f")

    def put(environments: int) -> str:
        bounds = {"MinExecutionEnvironments": environments, "MaxExecutionEnvironments": environments}
        answer = api.put_function_scaling_config(
            FunctionName="f", Qualifier="$LATEST.PUBLISHED", FunctionScalingConfig=bounds
        )
        return str(answer["FunctionState"])

    def state() -> str:
        return str(api.get_function_configuration(FunctionName="f", Qualifier="$LATEST.PUBLISHED")["State"])

    assert put(0) == "Deactivating"
    assert eventually(lambda: state() == "Deactivated")
    assert eventually(lambda: not _instance_ids(server)), "instances without environments stay"
    with pytest.raises(ClientError, match="ResourceNotReadyException"):
        invoke(api, "f", {})

    put(2)
    assert eventually(lambda: state() == "Active")
    assert invoke(api, "f", {})["event"] == {}
    assert len(_instance_ids(server)) == 2


def test_instances_are_emptied_onto_others_under_load_and_no_invocation_fails(
    own_server: Callable[..., Server],
) -> None:
    """Two functions fill three instances, the third one needs three more; when the first is gone all fit on three."""
    server = own_server("--scaling-speedup", "30")
    api = server.client("lambda")
    provider = create_provider(api, "p", **THREE_ENVIRONMENTS_EACH)
    create_function(api, provider, "leaving")
    create_function(api, provider, "staying")
    six = {"MinExecutionEnvironments": 6, "MaxExecutionEnvironments": 6}
    api.put_function_scaling_config(FunctionName="staying", Qualifier="$LATEST.PUBLISHED", FunctionScalingConfig=six)
    assert eventually(lambda: look(server, "staying").ready == 6)
    assert len(_instance_ids(server)) == 3
    create_function(api, provider, "f")
    assert len(_instance_ids(server)) == 6

    with watched(server, "f") as seen, _under_load(server) as load:
        api.delete_function(FunctionName="leaving")
        assert eventually(lambda: len(_instance_ids(server)) == 3, LOAD_SECONDS)
        assert _answered_since(load)

    assert set(_outcomes(load)) == {"ok"}
    assert min(sight.ready for sight in seen) >= 3
    assert re.search("fits? on other instances", server.paddock("status", "--output", "json").stdout)
