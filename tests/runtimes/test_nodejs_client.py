"""The real aws-lambda-ric, compiled here, started as the agent starts it, against a scripted Runtime API."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from paddock.runtimes import InstalledRuntime
from tests.runtimes.conftest import Start
from tests.runtimes.scripted_runtime_api import RuntimeApi

FACTS = """
import { execArgv, env, cwd } from "node:process";
export const handler = async (event, context) => ({ event, env: { ...env }, cwd: cwd(), id: context.awsRequestId });
"""

MEET = """
import { readdir, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
export const handler = async ({ meeting, count }, context) => {
  // Every invocation waits until all of them have arrived: they can only end when they run at the same time.
  await writeFile(`${meeting}/${context.awsRequestId}`, "");
  while ((await readdir(meeting)).length < count) await setTimeout(5);
  return context.awsRequestId;
};
"""

THREAD = """
import { isMainThread } from "node:worker_threads";
export const handler = async () => isMainThread;
"""

EXIT = """
export const handler = async (event) => {
  if (event === "exit") process.exit(3);
  return event;
};
"""


def test_each_worker_thread_holds_a_poll_and_files_can_still_be_read(
    nodejs_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    start(nodejs_runtime, {"index.mjs": MEET}, "index.handler", max_concurrency=64)
    runtime_api.wait_for_polls(8)
    ids = [runtime_api.dispatch({"meeting": str(meeting), "count": 24}) for _ in range(24)]
    assert [runtime_api.answer(invocation_id).document for invocation_id in ids] == ids
    assert runtime_api.most_polls == 8


@pytest.mark.parametrize(("max_concurrency", "in_main_thread"), [(1, False), (None, True)])
def test_a_maximum_concurrency_of_one_is_still_multi_concurrency(
    nodejs_runtime: InstalledRuntime,
    runtime_api: RuntimeApi,
    start: Start,
    max_concurrency: int | None,
    in_main_thread: bool,
) -> None:
    start(nodejs_runtime, {"index.mjs": THREAD}, "index.handler", max_concurrency=max_concurrency)
    assert runtime_api.answer(runtime_api.dispatch({})).document is in_main_thread


def test_a_customers_worker_count_is_kept(
    nodejs_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    customer = {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "3"}
    start(nodejs_runtime, {"index.mjs": FACTS}, "index.handler", max_concurrency=64, customer=customer)
    runtime_api.wait_for_polls(3)
    environment = runtime_api.answer(runtime_api.dispatch({})).document["env"]
    assert (environment["AWS_LAMBDA_NODEJS_WORKER_COUNT"], environment["UV_THREADPOOL_SIZE"]) == ("3", "7")
    assert runtime_api.most_polls == 3


def test_the_function_sees_the_environment_of_the_managed_runtime(
    nodejs_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start, tmp_path: Path
) -> None:
    start(nodejs_runtime, {"index.mjs": FACTS}, "index.handler", max_concurrency=None)
    invocation_id = runtime_api.dispatch({"hello": "world"})
    facts = runtime_api.answer(invocation_id).document
    task, runtime = tmp_path / "task", nodejs_runtime.runtime_dir
    libraries = [tmp_path / "opt/nodejs/node22/node_modules", tmp_path / "opt/nodejs/node_modules"]
    assert facts["event"] == {"hello": "world"}
    assert facts["id"] == invocation_id
    assert facts["cwd"] == str(task)
    assert facts["env"]["AWS_EXECUTION_ENV"] == "AWS_Lambda_nodejs22.x"
    assert facts["env"]["NODE_PATH"].split(":") == [
        str(p) for p in (*libraries, runtime / "node_modules", runtime, task)
    ]
    assert "UV_THREADPOOL_SIZE" not in facts["env"]


def test_a_worker_that_exits_leaves_a_poll_behind_whose_event_aborts_the_process(
    nodejs_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    customer = {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "2"}
    runtime = start(nodejs_runtime, {"index.mjs": EXIT}, "index.handler", max_concurrency=64, customer=customer)
    runtime_api.wait_for_polls(2)
    runtime_api.dispatch("exit")
    for n in range(4):
        runtime_api.dispatch(n)
    assert runtime.ended()[0] == -signal.SIGABRT


def test_a_handler_that_does_not_import_is_an_init_error(
    nodejs_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start
) -> None:
    customer = {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "1"}
    runtime = start(nodejs_runtime, {"index.mjs": FACTS}, "no_such_file.handler", customer=customer)
    exit_status, output = runtime.ended()
    assert exit_status == 0, output
    assert [document["errorType"] for _, document in runtime_api.init_errors] == ["Runtime.ImportModuleError"]
