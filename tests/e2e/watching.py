"""What a fleet was while a test ran: looked at twice a second, by the status that people see too."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from paddock.cli.options import found_server
from paddock.cli.status import fetch_status
from paddock.model.errors import StartError
from tests.e2e.conftest import Server

LOOK_SECONDS = 0.5


class Sight(NamedTuple):
    """Of the only provider, at a monotonic second. `vcpu` is that of all instances, coming and going ones too."""

    at: float
    vcpu: int
    instances: frozenset[str]
    ready: int


def look(server: Server, function: str) -> Sight:
    status: Any = fetch_status(*found_server(server.data_dir))
    (provider,) = status["providers"]
    ready = [
        each
        for each in provider["environments"]
        if each["function"].split(":")[0] == function and each["phase"] == "ready"
    ]
    return Sight(
        time.monotonic(), provider["vcpu"], frozenset(each["instance_id"] for each in provider["instances"]), len(ready)
    )


@contextmanager
def watched(server: Server, function: str) -> Iterator[list[Sight]]:
    """What was seen until now; it grows until the block ends."""
    seen: list[Sight] = [look(server, function)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            try:
                seen.append(look(server, function))
            except StartError:  # too busy to say it in time: the next look may be better
                continue

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()
