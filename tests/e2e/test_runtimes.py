"""The same ordinary function in every language, deployed and invoked with boto3 on managed instances."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from paddock.runtimes import RuntimeStore, RuntimeUnavailable
from tests.e2e.conftest import RUNTIMES_DIR, Server, create_function, eventually, invoke
from tests.runtimes.built_functions import FUNCTIONS, ToolchainMissing, bootstrap, java_classes

pytestmark = [pytest.mark.e2e, pytest.mark.toolchain]

SLOTS = 4
ENVIRONMENTS = 3
"""The fewest that a function has."""

ENDS_WITH_ITS_ENVIRONMENT = ("java21", "go", "rust", "shell")
"""Where one process serves all slots."""


def archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            package.writestr(entry, content)
    return buffer.getvalue()


def source(path: str) -> dict[str, bytes]:
    file = FUNCTIONS / path
    return {file.name: file.read_bytes()}


def java() -> dict[str, bytes]:
    return java_classes(RuntimeStore(RUNTIMES_DIR).ensure("java21").runtime_dir)


KINDS: Mapping[str, tuple[str, str, Callable[[], dict[str, bytes]]]] = {
    "python3.13": ("python3.13", "asked.handler", lambda: source("python/asked.py")),
    "nodejs22.x": ("nodejs22.x", "asked.handler", lambda: source("nodejs/asked.mjs")),
    "java21": ("java21", "Asked::handleRequest", java),
    "go": ("provided.al2023", "unused", lambda: {"bootstrap": bootstrap("go")}),
    "rust": ("provided.al2023", "unused", lambda: {"bootstrap": bootstrap("rust")}),
    "shell": ("provided.al2023", "unused", lambda: {"bootstrap": bootstrap("shell")}),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, api: Any, provider: str) -> str:
    """A function of this kind is there under the kind's name."""
    runtime, handler, files = KINDS[request.param]
    try:
        RuntimeStore(RUNTIMES_DIR).ensure(runtime)
        package = archive(files())
    except (RuntimeUnavailable, ToolchainMissing) as missing:
        pytest.skip(str(missing))
    name = name_of(request.param)
    create_function(
        api, provider, name, Runtime=runtime, Handler=handler, Code={"ZipFile": package}, max_concurrency=SLOTS
    )
    return str(request.param)


def name_of(kind: str) -> str:
    return f"asked-{kind.replace('.', '-')}"


def test_all_slots_of_all_environments_are_served_at_once(api: Any, server: Server, kind: str) -> None:
    answers = fill_all_slots(api, kind)
    assert [answer["n"] for answer in answers] == list(range(SLOTS * ENVIRONMENTS))
    assert len({answer["request_id"] for answer in answers}) == SLOTS * ENVIRONMENTS
    if kind in ENDS_WITH_ITS_ENVIRONMENT:
        request_ids = {answer["request_id"] for answer in answers}
        assert eventually(lambda: len(log_streams_of(server, name_of(kind), request_ids)) == ENVIRONMENTS)


def test_a_failing_handler_is_a_function_error_and_no_more(api: Any, kind: str) -> None:
    failed = invoke(api, name_of(kind), {"do": "fail", "n": 0})
    assert failed["error"]["errorMessage"] == "asked to fail"
    assert invoke(api, name_of(kind), {"do": "echo", "n": 1})["n"] == 1


def test_a_process_that_ends_is_a_function_error_and_is_replaced(api: Any, kind: str) -> None:
    if kind not in ENDS_WITH_ITS_ENVIRONMENT:
        pytest.skip("one process or thread of several ends: see the tests of its client")
    failed = invoke(api, name_of(kind), {"do": "exit", "n": 0, "status": 3})
    assert failed["error"]["errorType"] == "Runtime.ExitError"
    assert eventually(lambda: serves_all_slots(api, kind))


def log_streams_of(server: Server, name: str, request_ids: set[str]) -> set[str]:
    """One for each environment that served: process ids are the same in all of them."""
    events = server.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
    records = [(event["logStreamName"], event["message"]) for page in events for event in page["events"]]
    return {stream for stream, message in records if any(request_id in message for request_id in request_ids)}


def fill_all_slots(api: Any, kind: str) -> list[Any]:
    """Raises when one is refused: they take so long that no slot can serve two."""
    with ThreadPoolExecutor(SLOTS * ENVIRONMENTS) as pool:
        events = [{"do": "wait", "seconds": 1, "n": n} for n in range(SLOTS * ENVIRONMENTS)]
        return list(pool.map(lambda event: invoke(api, name_of(kind), event), events))


def serves_all_slots(api: Any, kind: str) -> bool:
    try:
        fill_all_slots(api, kind)
    except api.exceptions.TooManyRequestsException:
        return False
    return True
