"""A flame graph of the platform under load: `python -m bench.flame --out FILE.svg`.

Where the CPU of server and agent goes, down to the kernel's functions, by `perf record`; one file that any browser
shows, names and shares under the pointer.

Python's own functions have names in it with an interpreter from 3.12 on; before, they are the interpreter's loop.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from bench import table
from bench.cpu import pids_of
from bench.processes import load
from bench.sitting import RUNTIMES_DIR, Manner, Setup, started
from bench.syscalls import order_of, processes_of

SAMPLES_PER_SECOND = 997
WIDTH, ROW, MARGIN, CHARACTER = 1400, 16, 8, 6.6
LEAST_SHARE = 0.002
"""What took less is left out: nobody could see it."""
LOOP = "uv__"
"""How the names of the event loop's own functions begin."""
KERNEL, PYTHON, NATIVE = "#e8905a", "#f0c95a", "#8fb8de"
_FRAME = re.compile(r"^\s+[0-9a-f]+ (.+) \((.*)\)$")
"""A line of a stack as `perf script` prints it: address, symbol, the file it is of."""

Stack = tuple[str, ...]


SHARES = ("kernel", "python", "uvloop", "httptools", "msgspec", "libcrypto", "libc")
_NAMED = {"loop": "uvloop", "parser": "httptools", "_core": "msgspec", "libpython": "python"}
"""What the files of extension modules and of the interpreter belong to."""


class Box(NamedTuple):
    """A frame in the picture: `depth` rows from below, `start` and `samples` along the width."""

    depth: int
    start: int
    samples: int
    name: str


def folded(script: str, processes: Mapping[int, str]) -> Counter[Stack]:
    """How often each stack was met, outermost frame first; `processes` names them by pid."""
    stacks: Counter[Stack] = Counter()
    for sample in script.split("\n\n"):
        head, *lines = sample.strip("\n").split("\n")
        process = processes.get(int(head)) if head.strip().isdigit() else None
        if process is not None:
            frames = [frame for line in reversed(lines) if (frame := _frame(line))]
            stacks[process, *_within_loop(frames)] += 1
    return stacks


def _within_loop(frames: list[str]) -> list[str]:
    """Without what lies below the event loop: it is the same for all, and cut off where a stack is deep."""
    loops = (place for place, frame in enumerate(frames) if frame.startswith(LOOP))
    return frames[next(loops, 0) :]


def _frame(line: str) -> str:
    match = _FRAME.match(line)
    if match is None:
        return ""
    symbol, file = match.groups()
    name = symbol.partition("+0x")[0]
    if file.startswith("[kernel") or file == "[guest.kernel.kallsyms]":
        return f"{name} [kernel]"
    short = Path(file).name
    return f"{name if name != '[unknown]' else '?'} [{short}]"


def shares(stacks: Mapping[Stack, int]) -> list[tuple[str, ...]]:
    """In whose code each process was, in percent of its CPU; headings first."""
    found: dict[str, Counter[str]] = {}
    for (process, *frames), count in stacks.items():
        found.setdefault(process, Counter())[_owner(frames[-1] if frames else "")] += count
    lines: list[tuple[str, ...]] = [("process", *SHARES, "other")]
    for process, counts in sorted(found.items()):
        total = counts.total()
        others = total - sum(counts[name] for name in SHARES)
        lines.append(
            (process, *(f"{100 * count / total:.0f}" for count in (*(counts[name] for name in SHARES), others)))
        )
    return lines


def _owner(frame: str) -> str:
    file = frame.rpartition("[")[2].rstrip("]")
    name = re.split(r"[.\d]", file, maxsplit=1)[0]
    return _NAMED.get(name, name)


def boxes(stacks: Mapping[Stack, int]) -> list[Box]:
    """Equal beginnings of stacks become one box; boxes lie upon the one that called them, by name."""
    found: list[Box] = []

    def lay(group: list[tuple[Stack, int]], depth: int, start: int) -> None:
        by_name: dict[str, list[tuple[Stack, int]]] = {}
        for stack, count in group:
            if len(stack) > depth:
                by_name.setdefault(stack[depth], []).append((stack, count))
        for name, below in sorted(by_name.items()):
            samples = sum(count for _, count in below)
            found.append(Box(depth, start, samples, name))
            lay(below, depth + 1, start)
            start += samples

    lay(sorted(stacks.items()), 0, 0)
    return found


def picture(stacks: Mapping[Stack, int], title: str) -> str:
    """An SVG that needs nothing beside it."""
    total = max(sum(stacks.values()), 1)
    shown = [box for box in boxes(stacks) if box.samples >= LEAST_SHARE * total]
    height = (max((box.depth for box in shown), default=0) + 2) * ROW + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace"',
            ' font-size="11">',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="{MARGIN}" y="{ROW}">{escape(title)}</text>',
            *_drawn(shown, total, height),
            "</svg>\n",
        ]
    )


def _drawn(shown: Iterable[Box], total: int, height: int) -> Iterator[str]:
    each = (WIDTH - 2 * MARGIN) / total
    for box in shown:
        x, width = MARGIN + box.start * each, box.samples * each
        y = height - MARGIN - (box.depth + 1) * ROW
        fits = int(width / CHARACTER) - 1
        label = f'<text x="{x + 2:.1f}" y="{y + 12}">{escape(box.name[:fits])}</text>' if fits > 2 else ""
        yield (
            f"<g><title>{escape(box.name)}: {100 * box.samples / total:.1f} %</title>"
            f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.3, 0.3):.1f}" height="{ROW - 1}"'
            f' fill="{_colour(box.name)}"/>{label}</g>'
        )


def _colour(name: str) -> str:
    if name.endswith("[kernel]"):
        return KERNEL
    return PYTHON if "python" in name or name.startswith("py::") else NATIVE


def recorded(groups: Iterable[int], seconds: float, directory: Path) -> str:
    """Samples of these process groups from now on, as `perf script` prints them."""
    pids = ",".join(str(pid) for group in groups for pid in pids_of(group))
    data = str(directory / "perf.data")
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_PER_SECOND), "--call-graph", "dwarf,16384"]
    subprocess.run([*record, "-o", data, "-p", pids, "--", "sleep", str(seconds)], check=True)
    script = ["perf", "script", "-i", data, "--no-inline", "-F", "pid,ip,sym,dso"]
    done = subprocess.run(script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return done.stdout


def sampled(setup: Setup, manner: Manner) -> Counter[Stack]:
    (subject,), (in_flight,) = setup.subjects, setup.in_flight
    with tempfile.TemporaryDirectory(prefix="paddock-perf-") as directory, started(setup, manner) as reached:
        one = reached[subject]
        parts = {process: groups for process, groups in processes_of(one).items() if process != "runtime"}
        names = {pid: process for process, groups in parts.items() for group in groups for pid in pids_of(group)}
        order = order_of(one, in_flight, manner.seconds + 2.0)
        with ThreadPoolExecutor(1) as beside:
            loading = beside.submit(load, order)
            script = recorded(one.platform, manner.seconds, Path(directory))
            loading.result()
    return folded(script, names)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.flame", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the SVG to be written")
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--subject", default="paddock", help="paddock, bare agent or limit")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--with-execution-env", action="store_true", help="with AWS_EXECUTION_ENV, a dearer runtime")
    parser.add_argument("--runtimes-dir", type=Path, default=RUNTIMES_DIR)
    options = parser.parse_args()
    if shutil.which("perf") is None:
        sys.exit("bench.flame: perf is needed: sudo apt install linux-perf")
    os.environ["PYTHONPERFSUPPORT"] = "1"  # from Python 3.12 on: what starts from here names its functions for perf
    setup = Setup(
        "flame",
        (options.in_flight,),
        (options.subject,),
        runtime=options.runtime,
        execution_env=options.with_execution_env,
    )
    manner = Manner(1, options.seconds, runtimes_dir=options.runtimes_dir)
    stacks = sampled(setup, manner)
    title = f"{options.subject}, {options.in_flight} in flight: CPU of the platform"
    options.out.write_text(picture(stacks, title), encoding="utf-8")
    print(table.markdown(shares(stacks)))


if __name__ == "__main__":
    main()
