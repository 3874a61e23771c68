from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from paddock.core.planning.backoff import launched_again_at
from paddock.model.fleet import FleetSnapshot, LaunchFailure
from paddock.model.ids import AvailabilityZone
from paddock.model.states import StateReasonCode
from tests.core.fleets import NOON, ZONES, a_snapshot, a_version
from tests.core.planning.rounds import SETTINGS, planned, serving


def failures(count: int, *, zone: AvailabilityZone, at: datetime = NOON) -> tuple[LaunchFailure, ...]:
    code = StateReasonCode.INSUFFICIENT_CAPACITY
    return tuple(LaunchFailure("c7i.xlarge", zone, at, code, "none left") for _ in range(count))


def test_back_off_doubles_and_ends() -> None:
    def types(count: int, later: timedelta) -> set[str]:
        snapshot = replace(a_snapshot(a_version()), launch_failures=failures(count, zone=ZONES[0].zone))
        return {launch.instance_type.name for launch in planned(snapshot, NOON + later).launches}

    assert types(1, SETTINGS.launch_backoff) == {"c7i.xlarge"}
    assert types(2, SETTINGS.launch_backoff) == {"c7i.xlarge", "c6i.xlarge"}
    assert types(2, 2 * SETTINGS.launch_backoff) == {"c7i.xlarge"}
    assert types(12, SETTINGS.launch_backoff_limit) == {"c7i.xlarge"}


def test_a_type_that_failed_in_a_zone_gives_way_to_another_there() -> None:
    made = planned(replace(a_snapshot(a_version()), launch_failures=failures(1, zone=ZONES[0].zone)))

    types = {launch.zone: launch.instance_type.name for launch in made.launches}
    assert types[ZONES[0].zone] == "c6i.xlarge"
    assert types[ZONES[1].zone] == "c7i.xlarge"


def test_where_no_type_is_better_the_provider_launches_nothing_for_a_time_that_doubles() -> None:
    def broken(rounds: int) -> FleetSnapshot:
        """Three launches fail in each round, each round when the pause of the one before is over."""
        moments, at = [], NOON
        for number in range(rounds):
            moments += [at] * 3
            at += SETTINGS.launch_backoff * 2**number
        code = StateReasonCode.INTERNAL_ERROR
        made = tuple(LaunchFailure("c7i.xlarge", ZONES[0].zone, moment, code, "no disk") for moment in moments)
        return replace(a_snapshot(a_version()), launch_failures=made)

    first, second = SETTINGS.launch_backoff, NOON + SETTINGS.launch_backoff
    paused = planned(broken(1))
    assert (paused.launches, paused.wake_after) == ((), first)
    assert any("3 launch attempts failed" in reason.text and "no disk" in reason.text for reason in paused.reasons)
    assert len(planned(broken(1), NOON + first).launches) == 3
    assert planned(broken(2), second).wake_after == 2 * first
    assert len(planned(broken(2), second + 2 * first).launches) == 3


def test_when_type_after_type_has_no_room_the_provider_rests_too() -> None:
    """Or it would try its whole catalogue again and again, as fast as launches are refused."""
    code = StateReasonCode.INSUFFICIENT_CAPACITY

    def refused(count: int) -> FleetSnapshot:
        made = (LaunchFailure(f"c{number}i.xlarge", ZONES[0].zone, NOON, code, "none left") for number in range(count))
        return replace(a_snapshot(a_version()), launch_failures=tuple(made))

    assert len(planned(refused(SETTINGS.launch_tries - 1)).launches) == 3
    assert not planned(refused(SETTINGS.launch_tries)).launches


def test_what_came_up_since_ends_the_pause_of_the_provider() -> None:
    snapshot = serving()
    code = StateReasonCode.INTERNAL_ERROR
    before = tuple(
        LaunchFailure("c7i.xlarge", ZONES[0].zone, NOON - timedelta(seconds=1), code, "no disk") for _ in range(6)
    )
    grown = replace(snapshot, versions=(*snapshot.versions, a_version("g")), launch_failures=before)
    fewer = replace(grown, instances=snapshot.instances[1:], environments=())

    assert not any("nothing is launched" in reason.text for reason in planned(fewer).reasons)


@pytest.mark.parametrize(
    ("ago_minutes", "pause"),
    [
        ([], None),
        ([0], 10),
        ([0, 1], 20),
        ([0, 10, 20], 40),
        ([0, 16], 10),
        ([0, 5, 21, 22, 23], 20),
        ([0] * 40, 300),
    ],
)
def test_failures_count_in_a_row_and_a_long_time_without_one_ends_the_row(
    ago_minutes: list[int], pause: int | None
) -> None:
    code = StateReasonCode.INTERNAL_ERROR
    made = [
        LaunchFailure("c7i.xlarge", ZONES[0].zone, NOON - timedelta(minutes=ago), code, "no") for ago in ago_minutes
    ]
    first, limit, memory = SETTINGS.launch_backoff, SETTINGS.launch_backoff_limit, SETTINGS.failure_memory

    again = launched_again_at(made, first, limit, memory)

    assert again == (None if pause is None else NOON + timedelta(seconds=pause))
