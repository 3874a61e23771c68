"""What the kernel is asked to do for an invocation: `python -m bench.syscalls`, for each process, behind the limit, the
bare agent and Paddock.

Waits, faults and CPU are of an undisturbed run; system calls of a second one under strace, which slows everything down
and so lets more invocations share a call where many are in flight. At one in flight nothing can be shared.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench import requests, table
from bench.cpu import Use, pids_of
from bench.processes import load
from bench.sitting import RUNTIMES_DIR, Manner, Setup, started
from bench.subjects import Reached

SUBJECTS = ("limit", "bare agent", "paddock")
SERVER, AGENT, RUNTIME = "server", "agent", "runtime"
KINDS = {
    "reads": frozenset({"read", "readv", "recvfrom", "recvmsg"}),
    "writes": frozenset({"write", "writev", "sendto", "sendmsg"}),
    "polls": frozenset({"epoll_wait", "epoll_pwait", "poll", "ppoll", "select", "pselect6"}),
    "futex": frozenset({"futex"}),
}
OTHER = "other calls"
USED = ("waits", "preempted", "page faults", "user µs", "kernel µs")
HEADINGS = ("in flight", "subject", "process", *KINDS, OTHER, *USED)
ATTACH_SECONDS = 0.5
"""Until strace has stopped and let go of every thread once."""
_COUNTED = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)
"""A line of `strace -c`: share, seconds, microseconds per call, calls, perhaps errors, name."""

Counts = dict[str, float]


def counted(summary: str) -> Counts:
    """Calls by kind, from what `strace -c` says at its end."""
    calls = dict.fromkeys((*KINDS, OTHER), 0.0)
    for count, name in _COUNTED.findall(summary):
        if name != "total":
            kind = next((kind for kind, names in KINDS.items() if name in names), OTHER)
            calls[kind] += int(count)
    return calls


@contextmanager
def counting(groups: Mapping[str, Sequence[int]], directory: Path) -> Iterator[dict[str, Counts]]:
    """Filled when the context ends."""
    found: dict[str, Counts] = {}
    tracers = []
    for process, of in groups.items():
        pids = [str(pid) for group in of for pid in pids_of(group)]
        command = ["strace", "-c", "-f", "-q", "-o", str(directory / process), "-p", ",".join(pids)]
        tracers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    time.sleep(ATTACH_SECONDS)
    try:
        yield found
    finally:
        for tracer in tracers:
            tracer.send_signal(signal.SIGINT)
        for tracer in tracers:
            tracer.wait()
    for process in groups:
        found[process] = counted((directory / process).read_text())


def order_of(reached: Reached, in_flight: int, seconds: float) -> dict[str, Any]:
    return {
        "port": reached.port,
        "request": reached.request(requests.payload(100)).decode("latin-1"),
        "in_flight": in_flight,
        "warm_up_seconds": 0.5,
        "seconds": seconds,
        "groups": [*reached.platform, *reached.runtime],
    }


def processes_of(reached: Reached) -> dict[str, Sequence[int]]:
    parts = {SERVER: reached.platform[:1], AGENT: reached.platform[1:], RUNTIME: reached.runtime}
    return {process: groups for process, groups in parts.items() if groups}


def one_round(reached: Reached, in_flight: int, seconds: float, directory: Path) -> dict[str, Counts]:
    """Of each process, for each invocation."""
    order = order_of(reached, in_flight, seconds)
    parts = processes_of(reached)
    result: dict[str, Any] = load(order)
    with counting(parts, directory) as calls:
        traced: dict[str, Any] = load(order)
    found = {}
    for process, groups in parts.items():
        uses = [Use(**result["use"][str(group)]) for group in groups]
        use = Use(*map(sum, zip(*uses, strict=True)))
        each = 1 / max(result["answers"], 1)
        found[process] = {
            **{kind: count / max(traced["all_answers"], 1) for kind, count in calls[process].items()},
            "waits": use.waits * each,
            "preempted": use.preemptions * each,
            "page faults": use.page_faults * each,
            "user µs": use.user * each * 1e6,
            "kernel µs": use.kernel * each * 1e6,
        }
    return found


def cells(found: Mapping[tuple[int, str], Sequence[Mapping[str, Counts]]]) -> list[tuple[str, ...]]:
    """Medians of rounds, headings first."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    for (in_flight, subject), rounds in found.items():
        for process in rounds[0]:
            figures = (median(one[process][name] for one in rounds) for name in HEADINGS[3:])
            forms = ("{:.0f}" if name.endswith("µs") else "{:.2f}" for name in HEADINGS[3:])
            texts = (form.format(figure) for form, figure in zip(forms, figures, strict=True))
            lines.append((str(in_flight), subject, process, *texts))
    return lines


def syscalls(setup: Setup, manner: Manner) -> list[tuple[str, ...]]:
    found: dict[tuple[int, str], list[dict[str, Counts]]] = {}
    with tempfile.TemporaryDirectory(prefix="paddock-strace-") as directory, started(setup, manner) as reached:
        for _ in range(manner.rounds):
            for in_flight in setup.in_flight:
                for subject, one in reached.items():
                    counts = one_round(one, in_flight, manner.seconds, Path(directory))
                    found.setdefault((in_flight, subject), []).append(counts)
    return cells(found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.syscalls", description=__doc__)
    parser.add_argument("--in-flight", default="1,8,16")
    parser.add_argument("--subjects", default=",".join(SUBJECTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--with-execution-env", action="store_true", help="with AWS_EXECUTION_ENV, a dearer runtime")
    parser.add_argument("--runtimes-dir", type=Path, default=RUNTIMES_DIR)
    options = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("bench.syscalls: strace is needed: sudo apt install strace")
    setup = Setup(
        "syscalls",
        tuple(map(int, options.in_flight.split(","))),
        tuple(options.subjects.split(",")),
        runtime=options.runtime,
        execution_env=options.with_execution_env,
    )
    manner = Manner(options.rounds, options.seconds, runtimes_dir=options.runtimes_dir)
    print(table.markdown(syscalls(setup, manner)))


if __name__ == "__main__":
    main()
