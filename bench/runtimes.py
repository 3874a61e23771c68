"""`python -m bench.runtimes`: by each means of isolation, how long the real client of each runtime takes from the
moment its environment is started to its first `/next`, until all polls are open, and what it holds in memory then.

`launch` is the part of it that is the platform's: until the runtime's own program is executed. `bare` is the
interpreter alone, in the same round. Each runtime is started as the agent starts it, with a function that does nothing;
those that managed instances do not take serve one invocation at a time.
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

from bench import table
from paddock.isolation.ladder import Isolation, Way, select, ways_of_this_machine
from paddock.isolation.view import EnvironmentView, IsolationUnavailable, Program
from paddock.launchers.processes import all_stats, descendants
from paddock.model.runtimes import Language
from paddock.runtimes import (
    AWS_LAYOUT,
    EnvironmentFacts,
    InstalledRuntime,
    ProcessKind,
    RuntimeStore,
    RuntimeUnavailable,
    managed_environment,
)

MANAGED_RUNTIMES = "python3.13,python3.14,nodejs22.x,nodejs24.x,nodejs26.x,java21,java25,provided.al2023"
DEFAULT_RUNTIMES = (
    f"python3.8,python3.9,python3.10,python3.11,python3.12,nodejs18.x,nodejs20.x,java11,java17,{MANAGED_RUNTIMES}"
)
MEMORY_MB = 2048
WAIT_SECONDS = 60.0
POLL = b"GET /2018-06-01/runtime/invocation/next"

CODE: Mapping[str, str] = {
    "index.py": "def handler(event, context):\n    return event\n",
    "index.mjs": "export const handler = async (event) => event;\n",
    "bootstrap": (
        "#!/bin/sh\n"
        'for _ in $(seq "${AWS_LAMBDA_MAX_CONCURRENCY:-1}"); do\n'
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
    launch_ms: float
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


def measure(runtime: InstalledRuntime, isolation: Isolation, task_root: Path, slots: int | None) -> Start:
    polls = Polls()
    try:
        bare_ms = bare_start(runtime)
        began = time.perf_counter()
        with started(runtime, isolation, task_root, polls.address, slots) as process:
            executed = time.perf_counter()
            first = last = polls.wait()
            for _ in range(polls_of(runtime, slots) - 1):
                last = polls.wait()
            memory_mb = memory_of_tree(process.pid)
        return Start(bare_ms, (executed - began) * 1000, (first - began) * 1000, (last - began) * 1000, memory_mb)
    finally:
        polls.close()


def polls_of(runtime: InstalledRuntime, slots: int | None) -> int:
    """Node.js's client has a poll for each of its threads: eight for one vCPU, and no more than slots."""
    if slots is None:
        return 1
    return min(8, slots) if runtime.runtime.language is Language.NODEJS else slots


def bare_start(runtime: InstalledRuntime) -> float:
    path = runtime.resolution.interpreter_path
    argv = ["/bin/sh", "-c", ":"] if path is None else [str(path), *BARE[runtime.runtime.language]]
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return (time.perf_counter() - began) * 1000


@contextmanager
def started(
    runtime: InstalledRuntime, isolation: Isolation, task_root: Path, runtime_api: str, slots: int | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Once its own program is executed."""
    layout = AWS_LAYOUT if isolation.has_aws_layout else None
    command = runtime.command("index.handler", MEMORY_MB, 1.0, task_root, slots, {}, layout=layout)
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
    view = EnvironmentView(
        environment_id="bench",
        task_root=task_root,
        opt_root=None,
        runtime_dir=runtime.runtime_dir,
        lang_dir=runtime.lang_dir,
        readable_paths=command.readable_paths,
        memory_mb=MEMORY_MB,
        vcpu=1.0,
    )
    launch = isolation.wrap(view, Program(command.argv, variables, command.cwd))
    with subprocess.Popen(
        launch.argv,
        cwd="/",
        env=dict(launch.environment),
        pass_fds=launch.pass_fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as process:
        launch.close_passed()
        try:
            launch.wait_executed()
            yield process
        finally:
            for pid in (process.pid, *descendants([process.pid], all_stats())):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def memory_of_tree(root: int) -> float:
    """Megabytes of the process and all that came of it, shared pages by their share."""
    kib = 0
    for pid in (root, *descendants([root], all_stats())):
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024


MEANS = "process,bubblewrap,namespaces"
"""Rungs by their names, and bubblewrap, which is another way to the same rung."""


def means(wanted: str, scratch: Path) -> Iterator[tuple[str, Isolation]]:
    for name in wanted.split(","):
        ways = [way for way in ways_of_this_machine(scratch) if name_of(way) == name]
        try:
            yield name, select(None, scratch, ways)
        except IsolationUnavailable as unavailable:
            print(f"{name}: {unavailable}", file=sys.stderr)


def name_of(way: Way) -> str:
    return way.layers[0] if way.layers[0] == "bubblewrap" else way.rung.name.lower()


@dataclass(frozen=True)
class Wanted:
    """`runtimes` and `means` as they are called, separated by commas."""

    data_dir: Path
    rounds: int = 5
    slots: int = 8
    runtimes: str = DEFAULT_RUNTIMES
    means: str = MEANS


HEADINGS = ("runtime", "by", "bare ms", "launch ms", "first ms", "all ms", "MB")


def starts(wanted: Wanted) -> list[tuple[str, ...]]:
    """Medians, the headings first. What cannot be had here is left out, and said."""
    store = RuntimeStore(wanted.data_dir)
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as directory:
        task_root, scratch = Path(directory, "task"), Path(directory, "scratch")
        for made in (task_root, scratch):
            made.mkdir()
        Path(directory).chmod(0o755)
        for name, text in CODE.items():
            (task_root / name).write_text(text)
            (task_root / name).chmod(0o755)
        found = dict(installed(store, wanted.runtimes.split(",")))
        isolations = list(means(wanted.means, scratch))
        kinds = [(runtime, *named) for runtime in found.values() for named in isolations]
        rounds = [
            [measure(runtime, isolation, task_root, slots_of(runtime, wanted.slots)) for runtime, _, isolation in kinds]
            for _ in range(wanted.rounds)
        ]
    return [
        HEADINGS,
        *(
            (shown(runtime), name, *medians([one[place] for one in rounds]))
            for place, (runtime, name, _) in enumerate(kinds)
        ),
    ]


def shown(runtime: InstalledRuntime) -> str:
    """What stands in is not passed off as what was asked for."""
    resolution = runtime.resolution
    return runtime.runtime.identifier + ("" if resolution.exact else f" ({resolution.version})")


def slots_of(runtime: InstalledRuntime, slots: int) -> int | None:
    return slots if runtime.runtime.supports_managed_instances else None


def installed(store: RuntimeStore, names: Sequence[str]) -> Iterator[tuple[str, InstalledRuntime]]:
    for name in names:
        try:
            yield name, store.ensure(name)
        except RuntimeUnavailable as unavailable:
            print(unavailable, file=sys.stderr)


def medians(measured: Sequence[Start]) -> list[str]:
    return [f"{median(getattr(start, figure.name) for start in measured):.0f}" for figure in fields(Start)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.runtimes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=Wanted.rounds, help="how often everything is measured")
    parser.add_argument("--slots", type=int, default=Wanted.slots, help="concurrency of the execution environment")
    parser.add_argument("--means", default=MEANS, help="of isolation, separated by commas")
    parser.add_argument("--runtimes", default=DEFAULT_RUNTIMES, help="separated by commas")
    parser.add_argument("--data-dir", type=Path, default=Path(".cache"))
    options = parser.parse_args()
    print(f"{options.slots} slots, {options.rounds} rounds, {os.cpu_count()} cores; medians")
    print(table.text(starts(Wanted(**vars(options)))))


if __name__ == "__main__":
    main()
