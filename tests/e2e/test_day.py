"""Traffic that changes as it does in real life, in minutes instead of hours: a steady rise, and a day with its night.

The scaler's windows are shortened by `--scaling-speedup`; machines are as fast as they are. Functions only wait, so
that slots decide and not this machine's speed.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from paddock.cli.answers import Answer
from paddock.cli.load import Due, Load
from paddock.ports.clock import SystemClock
from tests.e2e.conftest import Server, create_function, create_provider, eventually
from tests.e2e.watching import Sight, watched

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MINIMUM = 3
SLOTS_EACH = 4
SECONDS_EACH = 1.0
"""As many in flight as there are requests a second."""
LOAD_SECONDS = 240
"""The most; it is stopped as soon as a test has seen what it waits for."""
ONE_ENVIRONMENT_EACH = {"AllowedInstanceTypes": ["m7i.large"]}
"""Two vCPU, one of them the system's: each environment needs an instance of its own, so instances have to follow."""
CEILING = 12
"""vCPU: six such instances."""
A_MOMENT = 0.05
"""Seconds by which what a client sees and what a server does may differ."""

Rate = Callable[[float], float]


def traffic(function: str, rate: Rate) -> Iterator[Due]:
    """`rate` gives the requests per second at each second."""
    payload = json.dumps({"do": "wait", "seconds": SECONDS_EACH}).encode()
    seconds = 0.0
    while seconds < LOAD_SECONDS:
        yield Due(seconds, function, payload)
        seconds += 1 / rate(seconds)


@contextmanager
def under(server: Server, rate: Rate) -> Iterator[Load]:
    """Left, it has stopped and everything that it sent is answered."""
    api = server.client("lambda", max_pool_connections=128)
    load = Load(api, traffic("f", rate), LOAD_SECONDS, SystemClock())
    sending = threading.Thread(target=load.run)
    sending.start()
    try:
        yield load
    finally:
        load.stop()
        sending.join()


def outcomes(load: Load) -> Counter[str]:
    return Counter(answer.outcome for answer in load.answers)


def quadrupling(seconds: float) -> float:
    """Three in flight to twelve within a minute; then it stays."""
    return 3.0 + 9.0 * min(seconds / 60, 1.0)


def day(seconds: float) -> float:
    """None in flight to ten: noon after half a minute, night after a whole one, which goes on: one in ten seconds, so
    that there is next to nothing that chance could bring together.
    """
    height = (1 - math.cos(2 * math.pi * seconds / 60)) / 2 if seconds < 60 else 0.0
    return 0.1 + 9.9 * height


def refused_with_room(load: Load, seen: list[Sight]) -> list[tuple[float, int, int]]:
    """When, how many were in flight and how many slots there were: of throttles while less was in flight than fits.

    On a machine that stands still for a moment more is in flight than the traffic means.
    """
    began = time.monotonic() - load.elapsed_seconds()
    answers = list(load.answers)
    found = []
    for throttled in (answer for answer in answers if answer.outcome == "throttled"):
        at = throttled.sent_seconds
        in_flight = sum(
            each.outcome == "ok" and each.sent_seconds <= at + A_MOMENT and _ended(each) >= at - A_MOMENT
            for each in answers
        )
        slots = SLOTS_EACH * min((sight.ready for sight in seen if abs(sight.at - began - at) < 2.0), default=MINIMUM)
        if in_flight < slots:
            found.append((at, in_flight, slots))
    return found


def _ended(answer: Answer) -> float:
    return answer.due_seconds + answer.latency_ms / 1000


def test_traffic_that_quadruples_steadily_is_never_throttled(own_server: Callable[..., Server]) -> None:
    """Within 60 seconds, where by the windows it may double in 50."""
    server = own_server("--scaling-speedup", "6")
    api = server.client("lambda")
    create_function(api, create_provider(api, "p"), "f", max_concurrency=SLOTS_EACH)

    with watched(server, "f") as seen, under(server, quadrupling) as load:
        assert eventually(lambda: load.elapsed_seconds() > 65, 120)
        assert eventually(lambda: seen[-1].ready >= 6)

    assert set(outcomes(load)) == {"ok"}, outcomes(load)
    assert min(sight.ready for sight in seen) >= MINIMUM
    assert [sight.ready for sight in seen] == sorted(sight.ready for sight in seen), "given back while traffic grew"


def test_a_day_is_followed_by_environments_and_instances_within_their_bounds(
    own_server: Callable[..., Server],
) -> None:
    server = own_server("--scaling-speedup", "30")
    api = server.client("lambda")
    provider = create_provider(
        api,
        "p",
        InstanceRequirements=ONE_ENVIRONMENT_EACH,
        CapacityProviderScalingConfig={"MaxVCpuCount": CEILING},
    )
    create_function(api, provider, "f", max_concurrency=SLOTS_EACH)

    def is_night(sight: Sight) -> bool:
        return sight.ready == MINIMUM and len(sight.instances) == MINIMUM

    with watched(server, "f") as seen, under(server, day) as load:
        assert eventually(lambda: len(seen[-1].instances) == CEILING // 2), "no scale-out"
        assert eventually(lambda: seen[-1].ready == CEILING // 2), "instances without environments"
        assert eventually(lambda: is_night(seen[-1]), 180), "no scale-in"

    assert set(outcomes(load)) <= {"ok", "throttled"}, outcomes(load)
    assert refused_with_room(load, seen) == []
    assert is_night(seen[0])
    assert min(sight.ready for sight in seen) >= MINIMUM
    assert max(sight.vcpu for sight in seen) <= CEILING
