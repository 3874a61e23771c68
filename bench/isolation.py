"""`python -m bench.isolation`: what each rung of isolation costs a start, as a ratio to a plain spawn in the same
round.

The program that is started says one line as soon as it runs; the time to that line is the time to ready. The memory
is what the processes in between hold, shared pages by their share.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from statistics import median

from paddock.isolation.ladder import Way, ways_of_this_machine
from paddock.isolation.selftest import failures, trial_in
from paddock.isolation.view import EnvironmentView, LaunchCommand, Program, Rung

INTERPRETER = Path(sys.executable).resolve()
FUNCTION = "import time; print('ready', flush=True); time.sleep(600)"


@dataclass(frozen=True)
class Start:
    milliseconds: float
    in_between_kib: int


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
        chain = _chain(process.pid)
        between = sum(_proportional_kib(pid) for pid in chain[:-1])
        os.killpg(process.pid, signal.SIGKILL)
    return Start(taken * 1000, between)


def _chain(pid: int) -> list[int]:
    """The started process, its only child and so on: the last one is the program itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *_chain(int(children[0]))] if children else [pid]


def _proportional_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.isolation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="how often each way is started")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        subjects = _subjects(Path(scratch))
        found: dict[str, list[Start]] = {name: [] for name in subjects}
        for _ in range(rounds + 1):
            for name, start in subjects.items():
                found[name].append(start())
    # The first round fills the caches.
    _print({name: starts[1:] for name, starts in found.items()})


def _subjects(scratch: Path) -> dict[str, Callable[[], Start]]:
    for name in ("task", "runtime", "lang"):
        (scratch / name).mkdir()
    (scratch / "task" / "function.py").write_text(FUNCTION)
    argv = (str(INTERPRETER), "-I", "-S", "-u", str(scratch / "task" / "function.py"))
    subjects: dict[str, Callable[[], Start]] = {"plain spawn": lambda: plain_start(argv)}
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
    with trial_in(scratch) as trial:
        for way in ways_of_this_machine(scratch):
            inside = way.rung >= Rung.NAMESPACES
            began = time.perf_counter()
            refused = failures(way.wrap, trial, way.claims, aws_layout=inside)
            name = f"{way.rung.name.lower()} ({', '.join(way.layers)})"
            if refused:
                sys.stdout.write(f"left out: {name}: {'; '.join(refused)}\n")
                continue
            sys.stdout.write(f"proved in {1000 * (time.perf_counter() - began):.0f} ms: {name}\n")
            root = PurePath("/var/task") if inside else scratch / "task"
            subjects[name] = _starting(way, view, Program((*argv[:-1], str(root / "function.py")), {}, root))
    return subjects


def _starting(way: Way, view: EnvironmentView, program: Program) -> Callable[[], Start]:
    return lambda: start_on(way, view, program)


def _print(found: Mapping[str, Sequence[Start]]) -> None:
    plain = [start.milliseconds for start in found["plain spawn"]]
    width = max(map(len, found))
    sys.stdout.write(f"\n{'to ready':{width}}  median ms   p95 ms  of plain  KiB in between\n")
    for name, starts in found.items():
        taken = sorted(start.milliseconds for start in starts)
        ratio = median(start.milliseconds / one for start, one in zip(starts, plain, strict=True))
        memory = median(start.in_between_kib for start in starts)
        late = taken[int(0.95 * (len(taken) - 1))]
        sys.stdout.write(f"{name:{width}}  {median(taken):9.1f} {late:8.1f} {ratio:9.2f} {memory:15.0f}\n")


if __name__ == "__main__":
    main()
