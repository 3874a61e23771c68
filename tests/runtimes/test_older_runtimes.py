"""The clients of runtimes that only default Lambda takes: one invocation at a time, against a scripted Runtime API."""

from __future__ import annotations

import pytest

from paddock.model.runtimes import CATALOGUE
from paddock.runtimes import InstalledRuntime, NotRunnable, RuntimeStore, RuntimeUnavailable, UnknownRuntime
from paddock.runtimes.errors import Retired
from tests.runtimes.built_functions import ToolchainMissing, java_classes
from tests.runtimes.conftest import Start
from tests.runtimes.scripted_runtime_api import RuntimeApi

pytestmark = pytest.mark.toolchain

PYTHON = """
import os, sys
def handler(event, context):
    if event == "fail":
        raise ValueError("asked to fail")
    if event == "exit":
        os._exit(3)
    return {"version": "%d.%d" % sys.version_info[:2], "id": context.aws_request_id, "env": dict(os.environ)}
"""
NODEJS = """
export const handler = async (event, context) => {
  if (event === "fail") throw new Error("asked to fail");
  if (event === "exit") process.exit(3);
  return { version: process.versions.node.split(".")[0], id: context.awsRequestId, env: { ...process.env } };
};
"""
SCRIPTS = ["python3.8", "python3.9", "python3.10", "python3.11", "python3.12", "nodejs18.x", "nodejs20.x"]


def installed(store: RuntimeStore, identifier: str) -> InstalledRuntime:
    try:
        runtime = store.ensure(identifier)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))
    if not runtime.resolution.exact:
        pytest.skip(runtime.resolution.note)
    return runtime


@pytest.fixture(params=SCRIPTS)
def runtime(request: pytest.FixtureRequest, runtime_store: RuntimeStore) -> InstalledRuntime:
    return installed(runtime_store, request.param)


def begin(start: Start, runtime: InstalledRuntime, handler: str = "app.handler") -> None:
    start(runtime, {"app.py": PYTHON, "app.mjs": NODEJS}, handler, max_concurrency=None)


def test_it_serves_one_after_the_other_as_the_version_that_was_asked_for(
    runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    begin(start, runtime)
    for _ in range(3):
        invocation_id = runtime_api.dispatch({})
        document = runtime_api.answer(invocation_id).document
        assert (document["version"], document["id"]) == (runtime.runtime.version, invocation_id)
        assert document["env"]["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{runtime.runtime.identifier}"
    assert runtime_api.most_polls == 1


def test_a_handler_that_fails_posts_its_error_and_goes_on(
    runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    begin(start, runtime)
    failed = runtime_api.answer(runtime_api.dispatch("fail"))
    assert (failed.kind, failed.document["errorMessage"]) == ("error", "asked to fail")
    assert runtime_api.answer(runtime_api.dispatch({})).kind == "response"


def test_an_exit_ends_the_environment_with_its_status(
    runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    started = start(runtime, {"app.py": PYTHON, "app.mjs": NODEJS}, "app.handler", max_concurrency=None)
    runtime_api.wait_for_polls(1)
    runtime_api.dispatch("exit")
    assert started.ended()[0] == 3
    assert runtime_api.posts == []


def test_a_handler_that_cannot_be_loaded_is_an_init_error(
    runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    started = start(runtime, {"app.py": PYTHON}, "missing.handler", max_concurrency=None)
    started.ended()
    assert [error_type for error_type, _ in runtime_api.init_errors] == ["Runtime.ImportModuleError"]


@pytest.mark.parametrize("identifier", ["java11", "java17", "java11.al2023"])
def test_older_javas_serve_one_after_the_other(
    identifier: str, runtime_store: RuntimeStore, runtime_api: RuntimeApi, start: Start
) -> None:
    runtime = installed(runtime_store, identifier)
    try:
        classes = java_classes(runtime.runtime_dir)
    except ToolchainMissing as missing:
        pytest.skip(str(missing))
    start(runtime, classes, "Handlers", max_concurrency=None)
    assert [runtime_api.answer(runtime_api.dispatch({})).document["invocations"] for _ in range(3)] == [1, 2, 3]
    assert runtime_api.most_polls == 1


@pytest.mark.parametrize("identifier", ["java8.al2", "ruby3.4", "ruby4.0"])
def test_what_has_no_client_here_is_refused_with_a_way_out(identifier: str, runtime_store: RuntimeStore) -> None:
    with pytest.raises(NotRunnable, match=f"{identifier} cannot run here.*container image"):
        runtime_store.resolve(identifier)


@pytest.mark.parametrize("identifier", ["cobol85", "Python3.14", ""])
def test_what_is_no_runtime_is_refused_with_the_names_of_those_known(
    identifier: str, runtime_store: RuntimeStore
) -> None:
    with pytest.raises(UnknownRuntime) as refused:
        runtime_store.ensure(identifier)

    assert str(refused.value).startswith(f"Paddock knows no Lambda runtime {identifier!r}. It knows python3.8, ")
    assert all(runtime.identifier in refused.value.remedy for runtime in CATALOGUE)


@pytest.mark.parametrize(
    ("identifier", "successor"),
    [
        ("python2.7", "python3.14"),
        ("python3.7", "python3.14"),
        ("nodejs16.x", "nodejs24.x"),
        ("java8", "java25"),
        ("dotnet6", "dotnet10"),
        ("go1.x", "provided.al2023"),
        ("provided", "provided.al2023"),
    ],
)
def test_what_aws_has_retired_is_refused_in_awss_words(
    identifier: str, successor: str, runtime_store: RuntimeStore
) -> None:
    with pytest.raises(Retired) as raised:
        runtime_store.resolve(identifier)
    assert str(raised.value) == (
        f"The runtime parameter of {identifier} is no longer supported for creating or updating AWS Lambda functions. "
        f"We recommend you use the new runtime ({successor}) while creating or updating functions."
    )
