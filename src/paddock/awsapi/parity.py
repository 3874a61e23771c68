"""The parity page: which of AWS's operations are built, and how far. Made from the service models and the declarations.

`python -m paddock.awsapi.parity MODULE:NAME ... > docs/reference/parity.md`, where each name is a sequence of what has
a service, a name, a level and a note. This package knows only the operations that the front itself answers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Protocol

from paddock.awsapi.front import SHORT_WAY
from paddock.awsapi.services import SPOKEN, Services

NAMES_SHOWN = 150
"""A service with more operations than this that are not built has only their number on the page."""

HEAD = """\
# Parity with AWS's API

Made from botocore's service models and from what the handlers declare; `make docs` writes it again.

Every operation of these services is routed, authenticated, parsed and checked against the model. One that is not built
answers `NotImplementedException` (501) after that. *Partial* says what is missing.
"""


class Declared(Protocol):
    """How far one operation is built."""

    @property
    def service(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def level(self) -> str: ...

    @property
    def note(self) -> str: ...


def page(declarations: Iterable[Declared], services: Services) -> str:
    """Raises `ValueError` for a declared operation that the model does not have, or that is declared twice."""
    declared: dict[str, dict[str, Declared]] = {name: {} for name in SPOKEN}
    for one in declarations:
        known = declared.setdefault(one.service, {})
        if one.name in known:
            raise ValueError(f"{one.service} {one.name} is declared twice")
        known[one.name] = one
    names = {service: services.named(service).model.operation_names for service in declared}
    for service, known in declared.items():
        for name in known.keys() - set(names[service]):
            raise ValueError(f"{service} has no operation {name}")
    rows = [_summary(service, known, len(names[service])) for service, known in declared.items()]
    table = ["| Service | Operations | Done | Partial | Not built |", "|---|---|---|---|---|", *rows]
    sections = [_section(service, known, names[service]) for service, known in declared.items()]
    return "\n".join([HEAD, *table, "", *sections])


def _summary(service: str, known: dict[str, Declared], count: int) -> str:
    done = sum(one.level == "done" for one in known.values())
    return f"| {service} | {count} | {done} | {len(known) - done} | {count - len(known)} |"


def _section(service: str, known: dict[str, Declared], names: Iterable[str]) -> str:
    ordered = sorted(names)
    built = [known[name] for name in ordered if name in known]
    missing = [name for name in ordered if name not in known]
    lines = [f"## {service}", ""]
    if built:
        lines += ["| Operation | | |", "|---|---|---|"]
        lines += [f"| {one.name} | {one.level} | {one.note} |" for one in built]
        lines.append("")
    if missing:
        shown = f": {', '.join(missing)}" if len(missing) <= NAMES_SHOWN else ""
        lines += [f"Not built ({len(missing)}){shown}.", ""]
    return "\n".join(lines)


def declared_in(place: str) -> list[Declared]:
    """What stands at `module:name`."""
    module, _, name = place.partition(":")
    return list(getattr(import_module(module), name))


def main(places: list[str]) -> None:
    declarations: list[Declared] = [*SHORT_WAY, *(one for place in places for one in declared_in(place))]
    sys.stdout.write(page(declarations, Services()))


if __name__ == "__main__":
    main(sys.argv[1:])
