"""`python -m bench.runtimes`: how long the real client of each runtime takes from its start to its first `/next`, as a
ratio to the bare interpreter in the same round, until all polls are open, and what it holds in memory then.

Each runtime is started as the agent starts it, without isolation, with a function that does nothing.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from paddock.model.runtimes import Language
from paddock.runtimes import (
    EnvironmentFacts,
    InstalledRuntime,
    ProcessKind,
    RuntimeStore,
    RuntimeUnavailable,
    managed_environment,
)

DEFAULT_RUNTIMES = "python3.13,nodejs22.x,nodejs24.x,nodejs26.x,java21,java25,provided.al2023"
MEMORY_MB = 2048
WAIT_SECONDS = 60.0
POLL = b"GET /2018-06-01/runtime/invocation/next"

CODE: Mapping[str, str] = {
    "index.py": "def handler(event, context):\n    return event\n",
    "index.mjs": "export const handler = async (event) => event;\n",
    "bootstrap": (
        "#!/bin/sh\n"
        'for _ in $(seq "$AWS_LAMBDA_MAX_CONCURRENCY"); do\n'
        '    curl --silent "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" &\n'
        "done\n"
        "wait\n"
    ),
}
"""Java's client polls before it looks for the handler, so there is none for it."""

BARE: Mapping[Language, Sequence[str]] = {
    Language.PYTHON: ("-I", "-c", ""),
    Language.NODEJS: ("-e", ""),
    Language.JAVA: ("-version",),
    Language.DOTNET: ("--version",),
}


@dataclass(frozen=True)
class Start:
    bare_ms: float
    first_ms: float
    all_ms: float
    memory_mb: float


class Polls:
    """A Runtime API that keeps every poll and answers none."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._connections: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def wait(self) -> float:
        """Until one more poll has come; when that was."""
        deadline = time.perf_counter() + WAIT_SECONDS
        while ready := self._selector.select(deadline - time.perf_counter()):
            for key, _ in ready:
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    self._connections.append(connection)
                    self._selector.register(connection, selectors.EVENT_READ)
                    continue
                assert isinstance(key.fileobj, socket.socket)
                self._selector.unregister(key.fileobj)
                if key.fileobj.recv(4096).startswith(POLL):
                    return time.perf_counter()
        raise SystemExit("the runtime did not poll")

    def close(self) -> None:
        self._selector.close()
        for held in (*self._connections, self._listener):
            held.close()


def measure(runtime: InstalledRuntime, task_root: Path, slots: int) -> Start:
    polls = Polls()
    try:
        bare_ms = bare_start(runtime)
        began = time.perf_counter()
        with started(runtime, task_root, polls.address, slots) as process:
            first = last = polls.wait()
            expected = polls_of(runtime, slots)
            for _ in range(expected - 1):
                last = polls.wait()
            memory_mb = memory_of_group(process.pid)
        return Start(bare_ms, (first - began) * 1000, (last - began) * 1000, memory_mb)
    finally:
        polls.close()


def polls_of(runtime: InstalledRuntime, slots: int) -> int:
    """Node.js's client has a poll for each of its threads, however many slots there are: eight for one vCPU."""
    return 8 if runtime.runtime.language is Language.NODEJS else slots


def bare_start(runtime: InstalledRuntime) -> float:
    path = runtime.resolution.interpreter_path
    argv = ["/bin/sh", "-c", ":"] if path is None else [str(path), *BARE[runtime.runtime.language]]
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return (time.perf_counter() - began) * 1000


@contextmanager
def started(
    runtime: InstalledRuntime, task_root: Path, runtime_api: str, slots: int
) -> Iterator[subprocess.Popen[bytes]]:
    command = runtime.command("index.handler", MEMORY_MB, 1.0, task_root, slots, {})
    facts = EnvironmentFacts(
        function_name="f",
        version="1",
        memory_mb=MEMORY_MB,
        handler="index.handler",
        region="us-east-1",
        runtime_api=runtime_api,
        log_group="/aws/lambda/f",
        log_stream="bench",
        max_concurrency=slots,
    )
    variables = managed_environment(facts, command.layout, ProcessKind.RUNTIME) | dict(command.env_additions)
    with subprocess.Popen(
        command.argv,
        cwd=command.cwd,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def memory_of_group(group: int) -> float:
    """Megabytes of all its processes, shared pages by their share."""
    kib = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            of_group = int(stat.read_text().rpartition(")")[2].split()[2]) == group
            lines = (stat.parent / "smaps_rollup").read_text().splitlines() if of_group else []
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.runtimes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument("--slots", type=int, default=8, help="concurrency of the execution environment")
    parser.add_argument("--runtimes", default=DEFAULT_RUNTIMES, help="separated by commas")
    parser.add_argument("--data-dir", type=Path, default=Path(".cache"))
    options = parser.parse_args()
    store = RuntimeStore(options.data_dir)
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as directory:
        task_root = Path(directory)
        for name, text in CODE.items():
            (task_root / name).write_text(text)
            (task_root / name).chmod(0o755)
        found = dict(installed(store, options.runtimes.split(",")))
        rounds = [
            {name: measure(runtime, task_root, options.slots) for name, runtime in found.items()}
            for _ in range(options.rounds)
        ]
    print(f"{options.slots} slots, {options.rounds} rounds, {os.cpu_count()} cores; medians")
    print(f"{'runtime':<16} {'bare ms':>8} {'first ms':>9} {'ratio':>6} {'all ms':>7} {'MB':>5}")
    for name in found:
        print(row(name, [one[name] for one in rounds]))


def installed(store: RuntimeStore, names: Sequence[str]) -> Iterator[tuple[str, InstalledRuntime]]:
    for name in names:
        try:
            yield name, store.ensure(name)
        except RuntimeUnavailable as unavailable:
            print(unavailable, file=sys.stderr)


def row(name: str, starts: Sequence[Start]) -> str:
    bare = median(start.bare_ms for start in starts)
    first = median(start.first_ms for start in starts)
    ratio = median(start.first_ms / start.bare_ms for start in starts)
    all_polls = median(start.all_ms for start in starts)
    memory = median(start.memory_mb for start in starts)
    return f"{name:<16} {bare:>8.0f} {first:>9.0f} {ratio:>6.1f} {all_polls:>7.0f} {memory:>5.0f}"


if __name__ == "__main__":
    main()
