"""What the scaler sees of routers' counts: differences, and only of the revision that serves."""

from __future__ import annotations

from datetime import timedelta

from paddock.controlplane.inventory import Inventory
from paddock.controlplane.loads import LoadHistory
from paddock.model.ids import FunctionName, FunctionVersionKey, RevisionId, VersionName
from tests.controlplane.cloudwatch.test_fleet_meter import PlayedInstance
from tests.controlplane.harness import NOON

KEY = FunctionVersionKey(FunctionName("hello"), VersionName("1"))
SERVING = RevisionId("r")


def sampled(counts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Throttles and invocations as routers count them second by second, and as samples show them."""
    inventory = Inventory()
    instance = PlayedInstance(inventory, 1)
    loads = LoadHistory(timedelta(minutes=5))
    for second, (throttles, invocations) in enumerate(counts, start=1):
        instance.report(in_flight=2, peak=3)
        at = NOON + timedelta(seconds=second)
        loads.sample(inventory, {KEY: SERVING}, {KEY: throttles}, {KEY: invocations}, now=at, monotonic=at.timestamp())
    return [(sample.throttles, sample.invocations) for sample in loads.of(KEY, SERVING)]


def test_a_sample_has_what_was_counted_since_the_one_before() -> None:
    assert sampled([(7, 100), (7, 130), (9, 131)]) == [(0, 0), (0, 30), (2, 1)]


def test_a_counter_that_began_anew_is_no_negative_count() -> None:
    assert sampled([(7, 100), (0, 4), (1, 10)]) == [(0, 0), (0, 0), (1, 6)]
