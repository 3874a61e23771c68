"""The real Java client, started as the agent starts it, against a scripted Runtime API."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from paddock.runtimes import InstalledRuntime, InstallFailed, RuntimeStore, RuntimeUnavailable
from paddock.runtimes.languages import java
from tests.runtimes.built_functions import ToolchainMissing, java_classes
from tests.runtimes.conftest import Start
from tests.runtimes.scripted_runtime_api import RuntimeApi

pytestmark = pytest.mark.toolchain
Classes = dict[str, bytes]


@pytest.fixture(scope="module", params=["java21", "java25"])
def java_runtime(runtime_store: RuntimeStore, request: pytest.FixtureRequest) -> InstalledRuntime:
    try:
        return runtime_store.ensure(request.param)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))


@pytest.fixture(scope="module")
def classes(java_runtime: InstalledRuntime) -> Classes:
    try:
        return java_classes(java_runtime.runtime_dir)
    except ToolchainMissing as missing:
        pytest.skip(str(missing))


def test_each_thread_holds_a_poll(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start
) -> None:
    start(java_runtime, classes, "Handlers", max_concurrency=8)
    runtime_api.wait_for_polls(8)
    assert runtime_api.most_polls == 8


def test_invocations_of_one_environment_run_at_the_same_time(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    start(java_runtime, classes, "Handlers::meet", max_concurrency=8)
    ids = [runtime_api.dispatch({"meeting": str(meeting), "count": 8}) for _ in range(8)]
    answers = [runtime_api.answer(invocation_id) for invocation_id in ids]
    assert [answer.kind for answer in answers] == ["response"] * 8, answers
    assert len({answer.document for answer in answers}) == 8


def test_one_handler_object_serves_all_threads(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start
) -> None:
    start(java_runtime, classes, "Handlers", max_concurrency=4)
    ids = [runtime_api.dispatch({"n": n}) for n in range(20)]
    documents = [runtime_api.answer(invocation_id).document for invocation_id in ids]
    assert sorted(document["invocations"] for document in documents) == list(range(1, 21))
    assert [document["id"] for document in documents] == ids
    assert [document["event"]["n"] for document in documents] == list(range(20))


def test_default_lambda_runs_one_at_a_time(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start
) -> None:
    start(java_runtime, classes, "Handlers", max_concurrency=None)
    assert [runtime_api.answer(runtime_api.dispatch({})).document["invocations"] for _ in range(3)] == [1, 2, 3]
    assert runtime_api.most_polls == 1


@pytest.mark.parametrize(("max_concurrency", "in_main_thread"), [(1, False), (None, True)])
def test_a_maximum_concurrency_of_one_is_still_multi_concurrency(
    java_runtime: InstalledRuntime,
    classes: Classes,
    runtime_api: RuntimeApi,
    start: Start,
    max_concurrency: int | None,
    in_main_thread: bool,
) -> None:
    start(java_runtime, classes, "Handlers::hang", max_concurrency=max_concurrency)
    thread = runtime_api.answer(runtime_api.dispatch("go on")).document
    assert (thread == "main") == in_main_thread


def test_a_wrong_handler_name_is_no_init_error_but_fails_every_invocation(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start
) -> None:
    start(java_runtime, classes, "NoSuchClass::handle", max_concurrency=2)
    runtime_api.wait_for_polls(2)
    for _ in range(3):
        failed = runtime_api.answer(runtime_api.dispatch({}))
        assert (failed.kind, failed.error_type) == ("error", "Runtime.BadFunctionCode")
        assert "NoSuchClass" in failed.document["errorMessage"]
    assert runtime_api.init_errors == []


def test_a_handler_that_throws_posts_its_error_and_goes_on(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start
) -> None:
    start(java_runtime, classes, "Handlers::divide", max_concurrency=1)
    failed = runtime_api.answer(runtime_api.dispatch(0))
    assert (failed.kind, failed.document["errorType"]) == ("error", "java.lang.ArithmeticException")
    assert runtime_api.answer(runtime_api.dispatch(1)).document == 1


@pytest.mark.parametrize("payload", [b"", b"{"])
def test_a_payload_that_is_no_json_is_the_invocations_error(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start, payload: bytes
) -> None:
    start(java_runtime, classes, "Handlers::divide", max_concurrency=1)
    failed = runtime_api.answer(runtime_api.dispatch_bytes(payload))
    assert failed.kind == "error"
    assert runtime_api.answer(runtime_api.dispatch(1)).document == 1


def test_system_exit_ends_the_environment_and_leaves_the_invocation_unanswered(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start
) -> None:
    runtime = start(java_runtime, classes, "Handlers::exit", max_concurrency=4)
    runtime_api.wait_for_polls(4)
    runtime_api.dispatch(7)
    exit_status, _ = runtime.ended()
    assert exit_status == 7
    assert runtime_api.posts == []


def test_a_handler_that_hangs_takes_its_own_thread_and_no_other(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start
) -> None:
    start(java_runtime, classes, "Handlers::hang", max_concurrency=2)
    runtime_api.wait_for_polls(2)
    runtime_api.dispatch("hang")
    assert len({runtime_api.answer(runtime_api.dispatch("go on")).document for _ in range(4)}) == 1


def test_a_refused_response_is_followed_by_an_error_for_the_same_invocation(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start
) -> None:
    start(java_runtime, classes, "Handlers", max_concurrency=1)
    runtime_api.post_status = 410
    late = runtime_api.dispatch({})
    assert [answer.kind for answer in runtime_api.answers(late, 2)] == ["response", "error"]
    runtime_api.post_status = 202
    assert runtime_api.answer(runtime_api.dispatch({})).kind == "response"


def test_the_function_sees_the_environment_of_the_managed_runtime(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    runtime = start(java_runtime, classes, "Handlers::facts", max_concurrency=32)
    facts = runtime_api.answer(runtime_api.dispatch({})).document
    identifier = java_runtime.runtime.identifier
    assert facts["env"]["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{identifier}"
    assert facts["version"] == java_runtime.runtime.version
    assert facts["cwd"] == str(tmp_path / "task")
    assert facts["collectors"] == ["Copy", "MarkSweepCompact"]
    assert "-XX:TieredStopAtLevel=1" in facts["arguments"]
    assert "-XX:MaxHeapSize=1851392k" in facts["arguments"]
    runtime.process.kill()
    assert "Grüße" in runtime.ended()[1]


def test_a_function_finds_the_classes_of_its_layers(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    library = tmp_path / "opt" / "java" / "lib"
    library.mkdir(parents=True)
    (library / "greeting.jar").write_bytes(classes["layer.jar"])
    start(java_runtime, classes, "Layered::handle", max_concurrency=1)
    assert runtime_api.answer(runtime_api.dispatch({})).document == "hello from a layer"


def test_classes_come_from_the_archive_that_the_install_made(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    customer = {"JAVA_TOOL_OPTIONS": f"-Xlog:class+load:file={tmp_path / 'loaded.txt'}"}
    start(java_runtime, classes, "Handlers", max_concurrency=1, customer=customer)
    runtime_api.wait_for_polls(1)
    client = [line for line in (tmp_path / "loaded.txt").read_text().splitlines() if ".runtime.api.client." in line]
    assert client
    assert [line for line in client if "shared objects file" not in line and "$$Lambda" not in line] == []


def test_it_starts_from_a_runtimes_directory_that_was_moved_and_fetches_nothing(
    java_runtime: InstalledRuntime,
    runtime_api: RuntimeApi,
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it was put together from is made anew for the new place, its class path and class archive too."""
    parts = java_runtime.directory.parents[1]
    for part in ("java-client", "java", java_runtime.runtime.identifier):
        if (parts / part).is_dir():
            shutil.copytree(parts / part, tmp_path / "old" / "runtimes" / part, symlinks=True)

    def fetch(lock: Path, *_: object) -> None:
        raise InstallFailed("java", f"{lock.name} is fetched again.", "")

    for name in ("maven_fetch", "unpack_interpreter"):
        monkeypatch.setattr(java, name, fetch)
    first = RuntimeStore(tmp_path / "old").ensure(java_runtime.runtime.identifier)
    (tmp_path / "old").rename(tmp_path / "new")
    (tmp_path / "link").symlink_to(tmp_path / "new", target_is_directory=True)
    moved = RuntimeStore(tmp_path / "link").ensure(java_runtime.runtime.identifier)
    assert moved.directory.name != first.directory.name
    assert str(tmp_path / "old") not in (moved.runtime_dir / "bootstrap").read_text()
    start(moved, {"unused.txt": ""}, "NoSuchClass::handle", max_concurrency=2)
    runtime_api.wait_for_polls(2)


def test_java_tool_options_reach_the_virtual_machine(
    java_runtime: InstalledRuntime, classes: Classes, runtime_api: RuntimeApi, start: Start
) -> None:
    customer = {"JAVA_TOOL_OPTIONS": "-Dgreeting=hello"}
    start(java_runtime, classes, "Handlers::facts", max_concurrency=1, customer=customer)
    assert "-Dgreeting=hello" in runtime_api.answer(runtime_api.dispatch({})).document["arguments"]
