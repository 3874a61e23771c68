"""`python -m bench.isolation`: what each means of isolation costs a start, as a ratio to a plain spawn in the same
round; and a start with an extension beside the program, as the agent starts it.

The program that is started says one line as soon as it runs; the time to that line is the time to ready. An extension
is started before it and says its line before the program is begun. The memory is what the processes in between hold,
shared pages by their share, and what the whole environment holds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from statistics import median

from bench import table
from paddock.agent.beside import BesideProcess, open_environment
from paddock.agent.runtime_process import ProcessCommand
from paddock.isolation.ladder import Isolation, Way, ways_of_this_machine
from paddock.isolation.selftest import failures, trial_in
from paddock.isolation.view import EnvironmentView, LaunchCommand, Program, Rung
from paddock.launchers.processes import all_stats

INTERPRETER = Path(sys.executable).resolve()
FUNCTION = "import time; print('ready', flush=True); time.sleep(600)"


PROGRAM, EXTENSION = "function.py", "extension.py"
MARKER = "PADDOCK_BENCH=environment"
HEADINGS = ("to ready", "median ms", "p95 ms", "of plain", "KiB in between", "KiB in all")


@dataclass(frozen=True)
class Start:
    milliseconds: float
    in_between_kib: int
    all_kib: int


def plain_start(argv: Sequence[str]) -> Start:
    began = time.perf_counter()
    return _until_ready(began, lambda: subprocess.Popen(argv, env={}, stdout=subprocess.PIPE, process_group=0))


def start_on(way: Way, view: EnvironmentView, program: Program) -> Start:
    began = time.perf_counter()
    launch = way.wrap(view, program)
    return _until_ready(began, lambda: _spawn(launch))


def _spawn(launch: LaunchCommand) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        launch.argv,
        env=dict(launch.environment),
        pass_fds=launch.pass_fds,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    launch.close_passed()
    launch.wait_executed()
    return process


def _until_ready(began: float, spawn: Callable[[], subprocess.Popen[bytes]]) -> Start:
    with spawn() as process:
        assert process.stdout is not None
        if process.stdout.readline().strip() != b"ready":
            raise SystemExit("the program did not start")
        taken = time.perf_counter() - began
        held = [_proportional_kib(pid) for pid in _chain(process.pid)]
        os.killpg(process.pid, signal.SIGKILL)
    return Start(taken * 1000, sum(held[:-1]), sum(held))


def _chain(pid: int) -> list[int]:
    """The started process, its only child and so on: the last one is the program itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *_chain(int(children[0]))] if children else [pid]


async def start_with_extension(way: Way, view: EnvironmentView, extension: Program, program: Program) -> Start:
    name, _, value = MARKER.partition("=")
    command = ProcessCommand(program.argv, {name: value}, program.cwd, MARKER.encode(), view)
    began = time.perf_counter()
    whole = open_environment(command, None, Isolation(way))
    try:
        whole.wait_executed()
        programs = {_ready(whole.start_beside(one.argv, one.environment, one.cwd)) for one in (extension, program)}
        taken = time.perf_counter() - began
        held = {stat.pid: _proportional_kib(stat.pid) for stat in whole.own(all_stats())}
    finally:
        whole.forget()
        whole.kill()
    between = sum(kib for pid, kib in held.items() if pid not in programs)
    return Start(taken * 1000, between, sum(held.values()))


def _ready(process: BesideProcess) -> int:
    """Its pid, when it has said so."""
    output, errors = process.next_pipe(), process.next_pipe()
    assert output is not None
    assert errors is not None
    with output, errors:
        process.wait_executed()
        if output.readline().strip() != b"ready":
            raise SystemExit("the program did not start")
    return process.pid


def _proportional_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.isolation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="how often each way is started")
    found, left_out = measure(parser.parse_args().rounds)
    print(*left_out, table.text(found), sep="\n")


def measure(rounds: int) -> tuple[list[tuple[str, ...]], list[str]]:
    """A table, headings first, and what this machine does not give, with the reason."""
    left_out: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        subjects = _subjects(Path(scratch), left_out)
        found: dict[str, list[Start]] = {name: [] for name in subjects}
        for _ in range(rounds + 1):
            for name, start in subjects.items():
                found[name].append(start())
    # The first round fills the caches.
    return _cells({name: starts[1:] for name, starts in found.items()}), left_out


def _subjects(scratch: Path, left_out: list[str]) -> dict[str, Callable[[], Start]]:
    for name in ("task", "runtime", "lang"):
        (scratch / name).mkdir()
    for name in (PROGRAM, EXTENSION):
        (scratch / "task" / name).write_text(FUNCTION)
    view = EnvironmentView(
        environment_id="bench",
        task_root=scratch / "task",
        opt_root=None,
        runtime_dir=scratch / "runtime",
        lang_dir=scratch / "lang",
        readable_paths=(Path(sys.base_prefix).resolve(), INTERPRETER.parent),
        memory_mb=512,
        vcpu=1.0,
    )
    plain = _program(PurePath(scratch, "task"), PROGRAM).argv
    subjects: dict[str, Callable[[], Start]] = {"plain spawn": lambda: plain_start(plain)}
    with trial_in(scratch) as trial:
        for way in ways_of_this_machine(scratch):
            inside = way.rung >= Rung.NAMESPACES
            refused = failures(way.wrap, trial, way.claims, aws_layout=inside)
            if refused:
                left_out.append(f"left out: {_name(way)}: {'; '.join(refused)}")
                continue
            root = PurePath("/var/task" if inside else scratch / "task")
            program, extension = _program(root, PROGRAM), _program(root, EXTENSION)
            subjects[_name(way)] = partial(start_on, way, view, program)
            subjects[f"{_name(way)}, with an extension"] = partial(_beside, way, view, extension, program)
    return subjects


def _name(way: Way) -> str:
    return f"{way.rung.name.lower()} ({', '.join(way.layers)})"


def _program(root: PurePath, name: str) -> Program:
    return Program((str(INTERPRETER), "-I", "-S", "-u", str(root / name)), {}, root)


def _beside(way: Way, view: EnvironmentView, extension: Program, program: Program) -> Start:
    return asyncio.run(start_with_extension(way, view, extension, program))


def _cells(found: Mapping[str, Sequence[Start]]) -> list[tuple[str, ...]]:
    plain = [start.milliseconds for start in found["plain spawn"]]
    lines: list[tuple[str, ...]] = [HEADINGS]
    for name, starts in found.items():
        taken = sorted(start.milliseconds for start in starts)
        ratio = median(start.milliseconds / one for start, one in zip(starts, plain, strict=True))
        between = median(start.in_between_kib for start in starts)
        held = median(start.all_kib for start in starts)
        late = taken[int(0.95 * (len(taken) - 1))]
        lines.append((name, f"{median(taken):.1f}", f"{late:.1f}", f"{ratio:.2f}", f"{between:.0f}", f"{held:.0f}"))
    return lines


if __name__ == "__main__":
    main()
