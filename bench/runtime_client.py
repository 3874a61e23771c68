"""Starts the real, unmodified runtime interface client of a runtime against any Runtime API server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.code import WITHOUT_EXECUTION_ENV, handler
from bench.processes import Started, started
from paddock.runtimes.environment import EnvironmentFacts, ProcessKind, managed_environment
from paddock.runtimes.installed import InstalledRuntime

MEMORY_MB = 2048
VCPU = 1.0


@contextmanager
def runtime_client(
    runtime: InstalledRuntime, runtime_api: str, slots: int, task_root: Path, *, execution_env: bool = True
) -> Iterator[Started]:
    """`execution_env` False leaves `AWS_EXECUTION_ENV` out, as a container image does."""
    entry = handler(runtime.runtime.language)
    customer: dict[str, str] = {}
    if not execution_env:
        customer["AWS_LAMBDA_EXEC_WRAPPER"] = str(WITHOUT_EXECUTION_ENV)
    command = runtime.command(entry, MEMORY_MB, VCPU, task_root, slots, customer)
    facts = EnvironmentFacts(
        function_name="f",
        version="$LATEST.PUBLISHED",
        memory_mb=MEMORY_MB,
        handler=entry,
        region="us-east-1",
        runtime_api=runtime_api,
        log_group="/aws/lambda/f",
        log_stream="bench",
        max_concurrency=slots,
        customer=customer,
    )
    variables = managed_environment(facts, command.layout, ProcessKind.RUNTIME)
    environment = {**variables, **command.env_additions}
    with started(command.argv, environment=environment, cwd=command.cwd) as client:
        yield client
