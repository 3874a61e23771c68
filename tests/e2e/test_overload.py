"""More callers than slots, all at once: each is answered, nothing hangs, and every slot is free afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.callers import Answer, call, counted
from tests.e2e.conftest import Server, create_function, create_provider, eventually

pytestmark = pytest.mark.e2e
SLOTS_EACH, ENVIRONMENTS = 4, 3
SLOTS = SLOTS_EACH * ENVIRONMENTS
BURST = 1000
ROUTERS = 3
HOLD = {"do": "wait", "seconds": 5}


def small_fleet(api: Any, name: str) -> None:
    """As many environments as it has: neither more nor less while the test runs."""
    create_function(api, create_provider(api, name), name, max_concurrency=SLOTS_EACH, Timeout=30)
    fixed = {"MinExecutionEnvironments": ENVIRONMENTS, "MaxExecutionEnvironments": ENVIRONMENTS}
    api.put_function_scaling_config(FunctionName=name, Qualifier="$LATEST.PUBLISHED", FunctionScalingConfig=fixed)

    def applied() -> bool:
        config = api.get_function_scaling_config(FunctionName=name, Qualifier="$LATEST.PUBLISHED")
        return bool(config.get("AppliedFunctionScalingConfig") == fixed)

    assert eventually(applied)


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def assert_every_slot_is_free(server: Server, name: str) -> None:
    """Exactly so many are held at once, and not one more."""
    assert eventually(lambda: counted(server, "paddock_invocations_in_flight", name) == 0)
    assert statuses(call(server, name, HOLD, callers=SLOTS + 3)) == {200: SLOTS, 429: 3}
    assert eventually(lambda: counted(server, "paddock_invocations_in_flight", name) == 0)


def test_a_burst_of_a_thousand_is_answered_or_refused_at_once_and_leaves_every_slot_free(server: Server) -> None:
    api = server.client("lambda")
    small_fleet(api, "burst")

    answers = call(server, "burst", {"do": "wait", "seconds": 0.5}, callers=BURST)

    by_status = statuses(answers)
    assert by_status[200] >= SLOTS
    assert by_status[200] + by_status[429] == BURST
    for answer in answers:
        if answer.status == 429:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["x-amzn-errortype"].startswith("TooManyRequestsException")
            assert answer.document()["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert eventually(lambda: counted(server, "paddock_throttles_total", "burst") == by_status[429])
    assert_every_slot_is_free(server, "burst")


def test_several_routers_share_the_slots_and_refuse_only_when_they_are_taken(own_server: Callable[..., Server]) -> None:
    """Each router sees only its own invocations; agents hold the count."""
    server = own_server("--routers", str(ROUTERS))
    small_fleet(server.client("lambda"), "shared-out")

    within = call(server, "shared-out", {"do": "wait", "seconds": 0.05}, callers=SLOTS // 2, times=20)
    beyond = call(server, "shared-out", {"do": "wait", "seconds": 0.05}, callers=8 * SLOTS, times=5)

    assert statuses(within) == {200: 20 * (SLOTS // 2)}, "refused although half of the slots were free"
    by_status = statuses(beyond)
    assert by_status[200] >= SLOTS
    assert by_status[429] > 0
    assert by_status[200] + by_status[429] == 5 * 8 * SLOTS
    answered = statuses(within)[200] + by_status[200]
    assert eventually(lambda: counted(server, "paddock_invocations_total", "shared-out") == answered)
    assert eventually(lambda: counted(server, "paddock_throttles_total", "shared-out") == by_status[429])
    assert_every_slot_is_free(server, "shared-out")
