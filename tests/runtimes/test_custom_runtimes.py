"""Real custom runtimes, each with its language's own client, against a scripted Runtime API: Go, Rust, and a shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddock.runtimes import InstalledRuntime, RuntimeStore
from tests.runtimes.built_functions import ToolchainMissing, bootstrap
from tests.runtimes.conftest import Start, StartedRuntime
from tests.runtimes.scripted_runtime_api import RuntimeApi

COMPILED = [pytest.param("go", marks=pytest.mark.toolchain), pytest.param("rust", marks=pytest.mark.toolchain)]
EVERY = [*COMPILED, "shell"]


@pytest.fixture
def provided(runtime_store: RuntimeStore) -> InstalledRuntime:
    return runtime_store.ensure("provided.al2023")


@pytest.fixture
def code(request: pytest.FixtureRequest) -> dict[str, bytes]:
    """The deployment package of the function in the language that a test is given."""
    try:
        return {"bootstrap": bootstrap(request.param)}
    except ToolchainMissing as missing:
        pytest.skip(str(missing))


def in_languages(*languages: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("code", languages, indirect=True)


@in_languages(*EVERY)
def test_as_many_polls_are_open_as_the_maximum_concurrency(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start
) -> None:
    start(provided, code, "unused", max_concurrency=8)
    runtime_api.wait_for_polls(8)
    assert runtime_api.most_polls == 8


@in_languages(*EVERY)
def test_invocations_of_one_environment_run_at_the_same_time_in_one_process(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    start(provided, code, "unused", max_concurrency=8)
    ids = [runtime_api.dispatch({"do": "meet", "n": n, "meeting": str(meeting), "count": 8}) for n in range(8)]
    documents = [runtime_api.answer(invocation_id).document for invocation_id in ids]
    assert [(document["n"], document["request_id"]) for document in documents] == list(enumerate(ids))
    assert len({document["process_id"] for document in documents}) == 1


@in_languages(*EVERY)
def test_default_lambda_runs_one_at_a_time(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start
) -> None:
    start(provided, code, "unused", max_concurrency=None)
    assert [runtime_api.answer(runtime_api.dispatch({"do": "echo", "n": n})).document["n"] for n in range(3)] == [
        0,
        1,
        2,
    ]
    assert runtime_api.most_polls == 1


@in_languages(*EVERY)
def test_a_handler_that_fails_posts_its_error_and_goes_on(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start
) -> None:
    start(provided, code, "unused", max_concurrency=1)
    failed = runtime_api.answer(runtime_api.dispatch({"do": "fail"}))
    assert (failed.kind, failed.document["errorMessage"]) == ("error", "asked to fail")
    assert runtime_api.answer(runtime_api.dispatch({"do": "echo", "n": 1})).document["n"] == 1


@in_languages(*COMPILED)
def test_a_payload_that_is_no_json_is_the_invocations_error(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start
) -> None:
    start(provided, code, "unused", max_concurrency=1)
    assert runtime_api.answer(runtime_api.dispatch_bytes(b"{")).kind == "error"
    assert runtime_api.answer(runtime_api.dispatch({"do": "echo", "n": 1})).document["n"] == 1


@in_languages(*COMPILED)
def test_an_exit_ends_the_environment_and_leaves_the_invocation_unanswered(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start
) -> None:
    runtime = start(provided, code, "unused", max_concurrency=4)
    runtime_api.wait_for_polls(4)
    runtime_api.dispatch({"do": "exit", "status": 7})
    assert runtime.ended()[0] == 7
    assert runtime_api.posts == []


@in_languages("go")
@pytest.mark.toolchain
def test_a_panic_in_go_is_answered_and_ends_the_environment(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start
) -> None:
    runtime = start(provided, code, "unused", max_concurrency=4)
    panicked = runtime_api.answer(runtime_api.dispatch({"do": "panic"}))
    assert (panicked.kind, panicked.document["errorMessage"]) == ("error", "asked to panic")
    assert runtime.ended()[0] == 1


@in_languages("rust")
@pytest.mark.toolchain
def test_a_panic_in_rust_is_answered_and_no_more(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start
) -> None:
    start(provided, code, "unused", max_concurrency=1)
    panicked = runtime_api.answer(runtime_api.dispatch({"do": "panic"}))
    assert panicked.kind == "error"
    assert "asked to panic" in panicked.document["errorMessage"]
    assert runtime_api.answer(runtime_api.dispatch({"do": "echo", "n": 1})).document["n"] == 1


def test_the_exec_wrapper_is_left_to_the_function(
    provided: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    customer = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/no-such-wrapper"}
    start(provided, {"bootstrap": bootstrap("shell")}, "unused", max_concurrency=1, customer=customer)
    assert runtime_api.answer(runtime_api.dispatch({"do": "echo", "n": 1})).document["n"] == 1


def refuse_one(runtime: StartedRuntime, runtime_api: RuntimeApi) -> None:
    """As the platform does with the answer of an invocation whose time is over."""
    runtime_api.wait_for_polls(1)
    runtime_api.post_status = 410
    runtime_api.answer(runtime_api.dispatch({"do": "echo", "n": 1}))
    runtime_api.post_status = 202


@in_languages("rust", "shell")
@pytest.mark.toolchain
def test_a_refused_response_is_no_harm(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start
) -> None:
    refuse_one(start(provided, code, "unused", max_concurrency=1), runtime_api)
    assert runtime_api.answer(runtime_api.dispatch({"do": "echo", "n": 2})).document["n"] == 2


@in_languages("go")
@pytest.mark.toolchain
def test_a_refused_response_ends_an_environment_in_go(
    provided: InstalledRuntime, code: dict[str, bytes], runtime_api: RuntimeApi, start: Start
) -> None:
    runtime = start(provided, code, "unused", max_concurrency=1)
    refuse_one(runtime, runtime_api)
    assert runtime.ended()[0] == 1
