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
        counted = ({KEY: throttles}, {KEY: invocations}, dict[FunctionVersionKey, int]())
        loads.sample(inventory, {KEY: SERVING}, *counted, now=at, monotonic=at.timestamp())
    return [(sample.throttles, sample.invocations) for sample in loads.of(KEY, SERVING)]


def test_a_sample_has_what_was_counted_since_the_one_before() -> None:
    assert sampled([(7, 100), (7, 130), (9, 131)]) == [(0, 0), (0, 30), (2, 1)]


def test_a_counter_that_began_anew_is_no_negative_count() -> None:
    assert sampled([(7, 100), (0, 4), (1, 10)]) == [(0, 0), (0, 0), (1, 6)]


def peaks_of(looks: list[tuple[int, int, int | None]]) -> list[int]:
    """What agents say is in flight and was at most, and what routers say was at most, second by second."""
    inventory = Inventory()
    instance = PlayedInstance(inventory, 1)
    loads = LoadHistory(timedelta(minutes=5))
    for second, (in_flight, of_environments, of_routers) in enumerate(looks, start=1):
        instance.report(in_flight=in_flight, peak=of_environments)
        at = NOON + timedelta(seconds=second)
        peaks = {} if of_routers is None else {KEY: of_routers}
        loads.sample(inventory, {KEY: SERVING}, {}, {}, peaks, now=at, monotonic=at.timestamp())
    return [sample.peak_busy_slots for sample in loads.of(KEY, SERVING)]


def test_environments_that_take_turns_do_not_add_up_to_a_peak() -> None:
    assert peaks_of([(0, 9, 2), (5, 9, 3), (0, 9, 1)]) == [2, 3, 3]


def test_a_burst_is_seen_whoever_tells_of_it_first() -> None:
    assert max(peaks_of([(0, 0, 0), (0, 9, 0), (0, 0, 8), (0, 0, 0)])) == 8
    assert max(peaks_of([(0, 0, 0), (0, 0, 8), (0, 9, 0), (0, 0, 0)])) == 8
    assert peaks_of([(0, 0, 0), (0, 9, 8), (0, 0, 0), (0, 0, 0)])[-1] == 0


def test_where_no_router_tells_the_environments_do() -> None:
    assert peaks_of([(0, 3, None), (0, 4, None)]) == [3, 4]
