"""The real runtime interface clients on each rung: what AWS promises of an environment, seen from a handler."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from paddock.isolation.view import EnvironmentView, Program
from paddock.runtimes import (
    AWS_LAYOUT,
    EnvironmentFacts,
    InstalledRuntime,
    ProcessKind,
    RuntimeStore,
    RuntimeUnavailable,
    managed_environment,
)
from tests.isolation.enclosed import Enclosure
from tests.runtimes.scripted_runtime_api import RuntimeApi, scripted_runtime_api

CACHE = Path(__file__).parents[2] / ".cache"

PYTHON = """
import json, os, ssl, sys
def handler(event, context):
    with open(event["scratch"], "w") as file:
        file.write("x")
    try:
        open(os.environ["LAMBDA_TASK_ROOT"] + "/written", "w")
        writable = True
    except OSError:
        writable = False
    return {"event": event, "cwd": os.getcwd(), "file": __file__, "uid": os.getuid(), "writable": writable,
            "runtime": os.environ["LAMBDA_RUNTIME_DIR"], "processors": os.cpu_count(), "tls": ssl.OPENSSL_VERSION[:7]}
"""
NODEJS = """
import { readFileSync } from "node:fs";
import { cwd, getuid } from "node:process";
import { lookup } from "node:dns/promises";
export const handler = async (event) => ({
  event, cwd: cwd(), uid: getuid(), localhost: (await lookup("localhost", 4)).address,
  workers: process.env.AWS_LAMBDA_NODEJS_WORKER_COUNT,
});
"""
SHELL = """#!/bin/sh
while true; do
  headers=$(mktemp)
  event=$(curl -sS -D "$headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -i Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  answer="{\\"event\\": $event, \\"pid\\": $$, \\"cwd\\": \\"$(pwd)\\"}"
  curl -sS -o /dev/null -d "$answer" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
done
"""

Start = Callable[[InstalledRuntime, Mapping[str, str], str], None]


@pytest.fixture(scope="session")
def store() -> RuntimeStore:
    return RuntimeStore(CACHE)


def installed(store: RuntimeStore, runtime: str) -> InstalledRuntime:
    try:
        return store.ensure(runtime)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))


@pytest.fixture
def runtime_api() -> Iterator[RuntimeApi]:
    with scripted_runtime_api() as api:
        yield api


@pytest.fixture
def start(anywhere: Enclosure, runtime_api: RuntimeApi) -> Iterator[Start]:
    """As the agent does it: the layout is the rung's."""
    started: list[subprocess.Popen[str]] = []

    def start_runtime(runtime: InstalledRuntime, files: Mapping[str, str], handler: str) -> None:
        task_root, opt_root = anywhere.directory / "task", anywhere.directory / "opt"
        task_root.mkdir()
        opt_root.mkdir()
        for name, text in files.items():
            (task_root / name).write_text(text)
            (task_root / name).chmod(0o555)
        layout = AWS_LAYOUT if anywhere.isolation.has_aws_layout else None
        command = runtime.command(handler, 2048, 2.0, task_root, 4, {}, opt_dir=opt_root, layout=layout)
        facts = EnvironmentFacts("f", "1", 2048, handler, "us-east-1", runtime_api.address, "/aws/lambda/f", "s", 4)
        variables = managed_environment(facts, command.layout, ProcessKind.RUNTIME) | dict(command.env_additions)
        view = EnvironmentView(
            "env-1", task_root, opt_root, runtime.runtime_dir, runtime.lang_dir, command.readable_paths, 2048, 2.0
        )
        launch = anywhere.isolation.wrap(view, Program(command.argv, variables, command.cwd))
        process = subprocess.Popen(
            launch.argv,
            env=dict(launch.environment),
            pass_fds=launch.pass_fds,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            text=True,
        )
        started.append(process)
        launch.close_passed()
        launch.wait_executed()

    yield start_runtime
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        print(output)  # shown with a failure


def test_python_runs_as_on_lambda(
    anywhere: Enclosure, store: RuntimeStore, start: Start, runtime_api: RuntimeApi
) -> None:
    start(installed(store, "python3.13"), {"app.py": PYTHON}, "app.handler")
    scratch = Path("/tmp") / f"paddock-test-{os.getpid()}"
    seen = runtime_api.answer(runtime_api.dispatch({"scratch": str(scratch)})).document
    left = scratch.exists()
    scratch.unlink(missing_ok=True)
    assert seen["tls"] == "OpenSSL"
    assert left != anywhere.isolation.has_aws_layout
    if anywhere.isolation.has_aws_layout:
        assert (seen["cwd"], seen["file"]) == ("/var/task", "/var/task/app.py")
        assert (seen["runtime"], seen["uid"], seen["processors"]) == ("/var/runtime", 993, 2)
        assert not seen["writable"]


def test_nodejs_runs_as_on_lambda(
    anywhere: Enclosure, store: RuntimeStore, start: Start, runtime_api: RuntimeApi
) -> None:
    start(installed(store, "nodejs22.x"), {"index.mjs": NODEJS}, "index.handler")
    seen = runtime_api.answer(runtime_api.dispatch({"hello": "world"})).document
    assert seen["event"] == {"hello": "world"}
    assert (seen["localhost"], seen["workers"]) == ("127.0.0.1", "4")
    if anywhere.isolation.has_aws_layout:
        assert (seen["cwd"], seen["uid"]) == ("/var/task", 993)


def test_a_bootstrap_of_one_s_own_runs(
    anywhere: Enclosure, store: RuntimeStore, start: Start, runtime_api: RuntimeApi
) -> None:
    start(installed(store, "provided.al2023"), {"bootstrap": SHELL}, "any")
    seen = runtime_api.answer(runtime_api.dispatch({"hello": "world"})).document
    assert seen["event"] == {"hello": "world"}
    if anywhere.isolation.has_aws_layout:
        assert seen["cwd"] == "/var/task"
        assert seen["pid"] < 10
