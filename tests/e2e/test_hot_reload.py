"""A directory as a function's code: what changes there runs, what is in flight ends, bad code takes nobody in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import QUICKLY, ROLE, Server, create_function, create_provider, eventually, invoke, start_server

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


def has_begun(server: Server, name: str) -> bool:
    """Once is enough: it is asked for in one test only."""
    logs = server.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern='"it has begun"')
    except logs.exceptions.ResourceNotFoundException:
        return False
    return bool(found["events"])


@pytest.fixture(scope="module")
def managed(reloading_api: Any, sources: Path) -> str:
    """A function on managed instances that follows a directory of its name."""
    write(sources / "managed", "one")
    provider = create_provider(reloading_api, "reloading")
    code = code_of(sources / "managed")
    create_function(reloading_api, provider, "managed", Code=code, Handler="app.handler", Timeout=30)
    return "managed"


@pytest.fixture(scope="module")
def default(reloading_api: Any, sources: Path) -> str:
    """The same without a capacity provider."""
    write(sources / "default", "one")
    reloading_api.create_function(
        FunctionName="default",
        Runtime="python3.13",
        Handler="app.handler",
        Role=ROLE,
        Code=code_of(sources / "default"),
        Timeout=30,
    )
    reloading_api.get_waiter("function_active_v2").wait(FunctionName="default", WaiterConfig=QUICKLY)
    return "default"


def saved(api: Any, directory: Path, answer: str) -> bool:
    """Whether it is what the function of that name answers before long."""
    write(directory, answer)
    return eventually(lambda: invoke(api, directory.name, {}) == answer)


def test_what_is_in_flight_ends_on_the_code_it_began_with(
    reloading_api: Any, reloading: Server, sources: Path, managed: str, default: str
) -> None:
    for name in (managed, default):
        assert saved(reloading_api, sources / name, "one")
        with ThreadPoolExecutor(1) as pool:
            in_flight = pool.submit(invoke, reloading_api, name, {"seconds": 5})
            assert eventually(lambda name=name: has_begun(reloading, name))  # type: ignore[misc]
            assert saved(reloading_api, sources / name, "two")
            assert in_flight.result() == "one"


def test_on_managed_instances_code_that_does_not_start_is_not_taken_in(
    reloading_api: Any, reloading: Server, sources: Path, managed: str
) -> None:
    assert saved(reloading_api, sources / managed, "before")
    (sources / managed / "app.py").write_text("this is no Python")
    assert eventually(lambda: _last_update(reloading_api)["LastUpdateStatus"] == "Failed")
    assert _last_update(reloading_api)["LastUpdateStatusReason"]
    told = "the code before goes on serving"
    assert eventually(lambda: told in reloading.paddock("status", "--output", "json").stdout)
    assert invoke(reloading_api, managed, {}) == "before"
    assert saved(reloading_api, sources / managed, "mended")


def _last_update(api: Any) -> Any:
    return api.get_function_configuration(FunctionName="managed", Qualifier="$LATEST.PUBLISHED")


def test_on_default_lambda_the_next_invocation_says_that_code_does_not_start(
    reloading_api: Any, sources: Path, default: str
) -> None:
    (sources / default / "app.py").write_text("this is no Python")
    assert eventually(lambda: "error" in invoke(reloading_api, default, {}))
    assert saved(reloading_api, sources / default, "mended")


@pytest.mark.parametrize("kind", ["managed", "default"])
def test_no_invocation_fails_while_code_is_saved_again_and_again(
    reloading_api: Any, sources: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    name = request.getfixturevalue(kind)
    assert saved(reloading_api, sources / name, "before")
    over = threading.Event()

    def invoke_until_over() -> set[str]:
        answered = set()
        while not over.is_set():
            answered.add(json.dumps(invoke(reloading_api, name, {})))
        return answered

    numbers = [str(number) for number in range(4)]
    with ThreadPoolExecutor(3) as pool:
        callers = [pool.submit(invoke_until_over) for _ in range(3)]
        try:
            for number in numbers:
                assert saved(reloading_api, sources / name, number)
        finally:
            over.set()
    answered: set[str] = set().union(*(caller.result() for caller in callers))
    assert answered <= {json.dumps(text) for text in ["before", *numbers]}


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
