import threading

import pytest

from paddock.controlplane.runtime_lookup import ThreadedRuntimes
from paddock.model.runtimes import find_runtime
from paddock.runtimes.errors import InterpreterMissing
from paddock.runtimes.resolution import Resolution


class SlowRuntimes:
    """Says on which threads it was asked."""

    def __init__(self) -> None:
        self.asked_on: list[int] = []

    def resolve(self, runtime: str, architecture: str | None = None) -> Resolution:
        self.asked_on.append(threading.get_ident())
        found = find_runtime(runtime)
        if found is None:
            raise InterpreterMissing(runtime, "it is not here.", "")
        return Resolution(found, None, None, "3.13.1", True, "", "awslambdaric", "4.2.2")


async def test_a_runtime_is_looked_for_once_and_not_on_the_event_loop() -> None:
    runtimes = SlowRuntimes()
    lookup = ThreadedRuntimes(runtimes)
    first, second = await lookup.resolve("python3.13"), await lookup.resolve("python3.13")
    assert first == second
    assert len(runtimes.asked_on) == 1
    assert runtimes.asked_on[0] != threading.get_ident()


async def test_one_that_is_missing_may_be_installed_meanwhile() -> None:
    runtimes = SlowRuntimes()
    lookup = ThreadedRuntimes(runtimes)
    for _ in range(2):
        with pytest.raises(InterpreterMissing):
            await lookup.resolve("cobol85")
    assert len(runtimes.asked_on) == 2
