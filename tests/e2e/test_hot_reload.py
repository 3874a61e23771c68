"""A directory as a function's code: what changes there runs, what is in flight ends, bad code takes nobody in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROLE, Server, create_function, create_provider, eventually, invoke, start_server

pytestmark = pytest.mark.e2e

CODE = """
import time
def handler(event, context):
    if "seconds" in event:
        print("it has begun")
        time.sleep(event["seconds"])
    return "{answer}"
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def reloading(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start_server(tmp_path_factory.mktemp("reloading") / "data", "--hot-reload-dir", str(sources))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def reloading_api(reloading: Server) -> Any:
    return reloading.client("lambda")


def write(directory: Path, answer: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "app.py").write_text(CODE.format(answer=answer))


def code_of(directory: Path) -> dict[str, str]:
    return {"S3Bucket": "hot-reload", "S3Key": str(directory)}


def answers(api: Any, name: str, answer: str) -> bool:
    return eventually(lambda: invoke(api, name, {}) == answer)


def has_begun(server: Server, name: str) -> bool:
    logs = server.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern='"it has begun"')
    except logs.exceptions.ResourceNotFoundException:
        return False
    return bool(found["events"])


def test_on_managed_instances_a_change_is_published_and_bad_code_is_not_taken_in(
    reloading_api: Any, reloading: Server, sources: Path
) -> None:
    directory = sources / "managed"
    write(directory, "one")
    provider = create_provider(reloading_api, "reloading")
    create_function(reloading_api, provider, "managed", Code=code_of(directory), Handler="app.handler", Timeout=30)
    assert invoke(reloading_api, "managed", {}) == "one"
    with ThreadPoolExecutor(1) as pool:
        in_flight = pool.submit(invoke, reloading_api, "managed", {"seconds": 6})
        assert eventually(lambda: has_begun(reloading, "managed"))
        write(directory, "two")
        assert answers(reloading_api, "managed", "two")
        assert in_flight.result() == "one"
    (directory / "app.py").write_text("this is no Python")
    assert eventually(lambda: _last_update(reloading_api)["LastUpdateStatus"] == "Failed")
    assert _last_update(reloading_api)["LastUpdateStatusReason"]
    assert invoke(reloading_api, "managed", {}) == "two"
    write(directory, "three")
    assert answers(reloading_api, "managed", "three")


def _last_update(api: Any) -> Any:
    return api.get_function_configuration(FunctionName="managed", Qualifier="$LATEST.PUBLISHED")


def test_on_default_lambda_the_next_invocation_runs_what_changed(
    reloading_api: Any, reloading: Server, sources: Path
) -> None:
    directory = sources / "default"
    write(directory, "one")
    reloading_api.create_function(
        FunctionName="default",
        Runtime="python3.13",
        Handler="app.handler",
        Role=ROLE,
        Code=code_of(directory),
        Timeout=30,
    )
    reloading_api.get_waiter("function_active_v2").wait(FunctionName="default", WaiterConfig={"Delay": 1})
    assert invoke(reloading_api, "default", {}) == "one"
    with ThreadPoolExecutor(1) as pool:
        in_flight = pool.submit(invoke, reloading_api, "default", {"seconds": 4})
        assert eventually(lambda: has_begun(reloading, "default"))
        write(directory, "two")
        assert answers(reloading_api, "default", "two")
        assert in_flight.result() == "one"
    (directory / "app.py").write_text("this is no Python")
    assert eventually(lambda: "error" in invoke(reloading_api, "default", {}))
    write(directory, "three")
    assert answers(reloading_api, "default", "three")


@pytest.mark.parametrize("name", ["managed", "default"])
def test_no_invocation_fails_while_code_is_saved_again_and_again(reloading_api: Any, sources: Path, name: str) -> None:
    """Of the functions of the tests above."""
    saved = threading.Event()

    def invoke_until_saved() -> set[str]:
        answered = set()
        while not saved.is_set():
            answered.add(json.dumps(invoke(reloading_api, name, {})))
        return answered

    numbers = [str(number) for number in range(4)]
    with ThreadPoolExecutor(3) as pool:
        callers = [pool.submit(invoke_until_saved) for _ in range(3)]
        try:
            for number in numbers:
                write(sources / name, number)
                assert answers(reloading_api, name, number)
        finally:
            saved.set()
    answered = set().union(*(caller.result() for caller in callers))
    assert answered <= {json.dumps(text) for text in ["three", *numbers]}


def test_a_directory_that_was_not_allowed_is_refused(reloading_api: Any, tmp_path: Path) -> None:
    write(tmp_path, "one")
    with pytest.raises(reloading_api.exceptions.ClientError, match="--hot-reload-dir"):
        reloading_api.create_function(
            FunctionName="refused", Runtime="python3.13", Handler="app.handler", Role=ROLE, Code=code_of(tmp_path)
        )


def test_without_the_setting_it_is_off(api: Any, tmp_path: Path) -> None:
    write(tmp_path, "one")
    with pytest.raises(api.exceptions.InvalidParameterValueException, match="Hot reload is off on this server"):
        api.create_function(
            FunctionName="off", Runtime="python3.13", Handler="app.handler", Role=ROLE, Code=code_of(tmp_path)
        )
