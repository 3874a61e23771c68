"""Real runtimes for the tests below, installed once beside the code so that the second run needs no network."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from paddock.runtimes import (
    EnvironmentFacts,
    InstalledRuntime,
    ProcessKind,
    RuntimeStore,
    RuntimeUnavailable,
    managed_environment,
)
from tests.runtimes.scripted_runtime_api import RuntimeApi, scripted_runtime_api

CACHE = Path(__file__).parents[2] / ".cache"


@pytest.fixture(scope="session")
def runtime_store() -> RuntimeStore:
    return RuntimeStore(CACHE)


@pytest.fixture(scope="session")
def python_runtime(runtime_store: RuntimeStore) -> InstalledRuntime:
    return runtime_store.ensure("python3.13")


@pytest.fixture(scope="session")
def nodejs_runtime(runtime_store: RuntimeStore) -> InstalledRuntime:
    try:
        return runtime_store.ensure("nodejs22.x")
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))


@pytest.fixture
def runtime_api() -> Iterator[RuntimeApi]:
    with scripted_runtime_api() as api:
        yield api


@dataclass(frozen=True)
class StartedRuntime:
    process: subprocess.Popen[str]

    def ended(self) -> tuple[int, str]:
        """The exit status and all output, once the process ends by itself."""
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output


Start = Callable[..., StartedRuntime]


@pytest.fixture
def start(tmp_path: Path, runtime_api: RuntimeApi) -> Iterator[Start]:
    """Starts a runtime on function code given as {file name: content}, as the agent would without any isolation."""
    started: list[subprocess.Popen[str]] = []

    def start_runtime(
        runtime: InstalledRuntime,
        files: Mapping[str, str | bytes],
        handler: str,
        *,
        max_concurrency: int | None = 4,
        vcpu: float = 1.0,
        customer: Mapping[str, str] | None = None,
    ) -> StartedRuntime:
        task_root = tmp_path / "task"
        for name, content in files.items():
            file = task_root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            file.chmod(0o755)
        customer = customer or {}
        command = runtime.command(handler, 2048, vcpu, task_root, max_concurrency, customer)
        facts = EnvironmentFacts(
            function_name="f",
            version="1",
            memory_mb=2048,
            handler=handler,
            region="us-east-1",
            runtime_api=runtime_api.address,
            log_group="/aws/lambda/f",
            log_stream="2026/01/01/[1]0123456789abcdef",
            max_concurrency=max_concurrency,
            customer=customer,
        )
        environment = managed_environment(facts, command.layout, ProcessKind.RUNTIME) | dict(command.env_additions)
        process = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        started.append(process)
        return StartedRuntime(process)

    yield start_runtime
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        print(output)  # shown with a failure


@pytest.fixture
def empty_machine(tmp_path: Path) -> dict[str, str]:
    """Variables of a machine on which nothing is installed, for searches."""
    home = tmp_path / "home"
    home.mkdir()
    path = tmp_path / "bin"
    path.mkdir()
    return {"HOME": str(home), "PATH": str(path)}
