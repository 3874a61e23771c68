"""The long bench in sections that can be chosen, and can fail, each by itself."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench import advisor, images, isolation, planning, simulation, table
from bench.beside import beside
from bench.costs import costs
from bench.overload import overload
from bench.runtimes import MANAGED_RUNTIMES, Wanted, starts
from bench.sitting import Manner, Setup, sit
from bench.syscalls import SUBJECTS as TRACED
from bench.syscalls import syscalls
from bench.table import Row

SMALL, KILOBYTES, MEGABYTE, SIX_MEGABYTES = 100, 10_000, 1_000_000, 6_000_000

CORE = (
    Setup("Python", (1, 8, 16), ("echo", "limit", "bare agent", "paddock", "unsigned")),
    Setup("Python, 64 slots", (64,), ("echo", "limit", "paddock", "unsigned"), slots=64),
    Setup("Python, 4 × 64 slots", (256,), ("echo", "limit", "paddock", "unsigned"), slots=64, environments=4),
    Setup("Python without AWS_EXECUTION_ENV", (1, 8, 16), ("limit", "one process", "paddock"), execution_env=False),
    Setup(
        "answers at once",
        (1, 16, 64),
        ("limit", "one process", "paddock"),
        runtime="provided.al2023",
        slots=64,
        code="at_once",
    ),
)
PAYLOADS = (
    Setup(
        "Python, echo",
        (1, 8),
        ("echo", "limit", "paddock"),
        (SMALL, KILOBYTES, MEGABYTE, SIX_MEGABYTES),
        code="echo",
    ),
)
RUNTIMES = (
    Setup("Node.js 22", (1, 8, 16), runtime="nodejs22.x", started_warm_up=2.0),
    Setup("Java 21", (1, 8, 16), runtime="java21", started_warm_up=6.0),
)
FLEETS = (
    Setup("one instance, 16 slots", (1, 16)),
    Setup("three instances, 16 slots each", (1, 16, 48), environments=3),
)
KERNEL = Setup("syscalls", (1, 8, 16), TRACED, execution_env=False)
SHORT = Setup("Python", (1, 16), ("limit", "paddock", "unsigned"))


@dataclass(frozen=True)
class Result:
    """`rows` of ratios, or `cells` of a table of another shape (headings first); `text` as printed."""

    rows: list[Row] = field(default_factory=list)
    cells: Sequence[Sequence[str]] = ()
    figures: dict[str, float] = field(default_factory=dict)
    text: str = ""
    described: str = ""
    failed: list[str] = field(default_factory=list)


def _sat(setups: Sequence[Setup]) -> Callable[[Manner], Result]:
    """A setup that fails takes no other with it."""

    def run(manner: Manner) -> Result:
        rows: list[Row] = []
        figures: dict[str, float] = {}
        failed: list[str] = []
        for setup in setups:
            try:
                sat = sit(setup, manner)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is reported and the rest goes on
                failed.append(f"{setup.name}: {type(error).__name__}: {error}")
                continue
            rows += sat.rows
            figures |= {f"{what} ({setup.name})": figure for what, figure in sat.figures.items()}
        return Result(rows, figures=figures, failed=failed)

    return run


def _overload(manner: Manner) -> Result:
    described, cells = overload("python3.13", manner.runtimes_dir, max(2.0, manner.seconds))
    return Result(cells=cells, described=described)


def _costs(manner: Manner) -> Result:
    return Result(cells=costs("python3.13", manner.runtimes_dir, manner.rounds), described="microseconds of CPU")


def _syscalls(manner: Manner) -> Result:
    if shutil.which("strace") is None:
        return Result(described="not measured: strace is not installed")
    described = "for each invocation, Python without AWS_EXECUTION_ENV"
    return Result(cells=syscalls(KERNEL, manner), described=described)


def _beside(manner: Manner) -> Result:
    return Result(cells=beside(manner))


def _decisions(_manner: Manner) -> Result:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        advisor.main()
    return Result(text=said.getvalue().strip())


def _planning(_manner: Manner) -> Result:
    return Result(
        cells=planning.cells(),
        figures={planning.SIMULATED: planning.simulated_speed()},
        described="one provider's whole plan; growth against the smallest fleet",
    )


def _simulation(_manner: Manner) -> Result:
    return Result(cells=simulation.cells(), described="a trace of minutes through the planner, ticks of ten seconds")


def _images(manner: Manner) -> Result:
    cells, described = images.measure(manner.rounds)
    return Result(cells=cells, described=described)


STARTS_A_ROUND = 8
"""A start of nothing takes milliseconds, and scatters more than one of a runtime."""


def _isolation(manner: Manner) -> Result:
    cells, left_out = isolation.measure(STARTS_A_ROUND * manner.rounds)
    return Result(cells=cells, described="a program that says one word", text="\n".join(left_out))


def _starts(manner: Manner) -> Result:
    wanted = Wanted(manner.runtimes_dir, manner.rounds, runtimes=MANAGED_RUNTIMES)
    return Result(cells=starts(wanted), described=f"{wanted.slots} slots; memory is held by the whole environment")


SECTIONS: dict[str, Callable[[Manner], Result]] = {
    "core": _sat(CORE),
    "payloads": _sat(PAYLOADS),
    "beside": _beside,
    "runtimes": _sat(RUNTIMES),
    "fleets": _sat(FLEETS),
    "overload": _overload,
    "costs": _costs,
    "syscalls": _syscalls,
    "decisions": _decisions,
    "planning": _planning,
    "simulation": _simulation,
    "isolation": _isolation,
    "starts": _starts,
    "images": _images,
}
TITLES = {
    "core": "The way of a small invocation",
    "payloads": "Payloads, echoed",
    "beside": "Small ones beside large ones",
    "runtimes": "Other runtimes",
    "fleets": "One instance and three",
    "overload": "More than fits",
    "costs": "What each part costs",
    "syscalls": "What the kernel is asked for",
    "decisions": "Decisions of the advisor",
    "planning": "Plans by the size of the fleet, and how that grows",
    "simulation": "A trace simulated, and how that grows",
    "isolation": "What isolation costs a start, with an extension too",
    "starts": "Starts of runtimes, by each means of isolation",
    "images": "Images: pulled, unpacked, started",
}


def lines_of(result: Result) -> Sequence[Sequence[str]]:
    """The table of a section, headings first; empty where it has none."""
    return table.cells(result.rows) if result.rows else result.cells
