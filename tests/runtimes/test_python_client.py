"""The real awslambdaric, started as the agent starts it, against a scripted Runtime API."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paddock.runtimes import InstalledRuntime
from tests.runtimes.conftest import Start
from tests.runtimes.scripted_runtime_api import RuntimeApi

ECHO = """
import os
def handler(event, context):
    return {"event": event, "pid": os.getpid(), "remaining": context.get_remaining_time_in_millis()}
"""

MEET = """
import os, threading, time
def handler(event, context):
    # Every invocation waits until all of them have arrived: they can only end when they run at the same time.
    meeting = event["meeting"]
    open(os.path.join(meeting, str(os.getpid())), "w").close()
    while len(os.listdir(meeting)) < event["count"]:
        time.sleep(0.005)
    return os.getpid()
"""

FACTS = """
import os, sys
import boto3
def handler(event, context):
    env, cwd = dict(os.environ), os.getcwd()
    return {"path": sys.path, "env": env, "boto3": boto3.__file__, "cwd": cwd, "prefix": sys.prefix}
"""

EXIT_OR_HANG = """
import os, time
def handler(event, context):
    if event == "exit":
        os._exit(3)
    if event == "hang":
        time.sleep(3600)
    return os.getpid()
"""


def test_as_many_polls_are_open_as_the_maximum_concurrency(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    start(python_runtime, {"app.py": ECHO}, "app.handler", max_concurrency=4)
    runtime_api.wait_for_polls(4)
    assert runtime_api.most_polls == 4


def test_invocations_of_one_environment_run_at_the_same_time(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    start(python_runtime, {"app.py": MEET}, "app.handler", max_concurrency=4)
    runtime_api.wait_for_polls(4)
    ids = [runtime_api.dispatch({"meeting": str(meeting), "count": 4}) for _ in range(4)]
    answers = [runtime_api.answer(invocation_id) for invocation_id in ids]
    assert [answer.kind for answer in answers] == ["response"] * 4
    assert len({answer.document for answer in answers}) == 4


def test_default_lambda_runs_one_at_a_time(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    start(python_runtime, {"app.py": ECHO}, "app.handler", max_concurrency=None)
    pids = [runtime_api.answer(runtime_api.dispatch(n)).document["pid"] for n in range(3)]
    assert len(set(pids)) == 1
    assert runtime_api.most_polls == 1


@pytest.mark.parametrize(("max_concurrency", "in_a_worker"), [(1, True), (None, False)])
def test_a_maximum_concurrency_of_one_is_still_multi_concurrency(
    python_runtime: InstalledRuntime,
    runtime_api: RuntimeApi,
    start: Start,
    max_concurrency: int | None,
    in_a_worker: bool,
) -> None:
    started = start(python_runtime, {"app.py": ECHO}, "app.handler", max_concurrency=max_concurrency)
    pid = runtime_api.answer(runtime_api.dispatch({})).document["pid"]
    assert (pid != started.process.pid) == in_a_worker


def test_a_handler_that_does_not_import_is_an_init_error_of_each_worker(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    runtime = start(python_runtime, {"app.py": "import no_such_module\n"}, "app.handler", max_concurrency=2)
    exit_status, output = runtime.ended()
    assert exit_status == 0
    assert [error_type for error_type, _ in runtime_api.init_errors] == ["Runtime.ImportModuleError"] * 2
    assert "no_such_module" in output


def test_a_handler_that_raises_posts_its_error_and_goes_on(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    start(python_runtime, {"app.py": "def handler(event, context):\n    return 1 / event\n"}, "app.handler")
    failed = runtime_api.answer(runtime_api.dispatch(0))
    assert (failed.kind, failed.document["errorType"]) == ("error", "ZeroDivisionError")
    assert runtime_api.answer(runtime_api.dispatch(1)).document == 1.0


def test_one_worker_that_exits_leaves_the_others_and_the_last_one_ends_the_process(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    runtime = start(python_runtime, {"app.py": EXIT_OR_HANG}, "app.handler", max_concurrency=2)
    runtime_api.wait_for_polls(2)
    runtime_api.dispatch("exit")
    survivors = {runtime_api.answer(runtime_api.dispatch(n)).document for n in range(4)}
    assert len(survivors) == 1
    assert runtime.process.poll() is None
    runtime_api.dispatch("exit")
    assert runtime.ended()[0] == 0


def test_a_handler_that_hangs_takes_its_own_worker_and_no_other(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    start(python_runtime, {"app.py": EXIT_OR_HANG}, "app.handler", max_concurrency=2)
    runtime_api.wait_for_polls(2)
    runtime_api.dispatch("hang")
    assert len({runtime_api.answer(runtime_api.dispatch(n)).document for n in range(4)}) == 1


def test_the_function_finds_its_code_its_layers_and_the_sdk_and_nothing_of_this_machine(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    start(python_runtime, {"app.py": FACTS}, "app.handler", customer={"GREETING": "hello", "_SECRET": "x"})
    facts = runtime_api.answer(runtime_api.dispatch({})).document
    task, opt, runtime = str(tmp_path / "task"), str(tmp_path / "opt"), str(python_runtime.runtime_dir)
    assert facts["path"][:4] == [task, f"{opt}/python/lib/python3.13/site-packages", f"{opt}/python", runtime]
    assert facts["boto3"].startswith(runtime)
    assert facts["cwd"] == task
    assert facts["prefix"] == str(python_runtime.lang_dir)
    assert not [entry for entry in facts["path"] if "site-packages" in entry and not entry.startswith((opt, task))][1:]
    environment = facts["env"]
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["GREETING"] == "hello"
    assert "_SECRET" not in environment
    assert not (os.environ.keys() - {"PATH", "LANG", "TZ", "PWD", "OLDPWD", "_"}) & environment.keys() - {
        "LC_CTYPE",
        "SHLVL",
    }


def test_a_customers_pythonpath_comes_before_the_runtime(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    extra = str(tmp_path / "extra")
    start(python_runtime, {"app.py": FACTS}, "app.handler", customer={"PYTHONPATH": extra})
    found = runtime_api.answer(runtime_api.dispatch({})).document["path"]
    assert found.index(extra) < found.index(str(python_runtime.runtime_dir))
