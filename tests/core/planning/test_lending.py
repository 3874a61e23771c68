from __future__ import annotations

from dataclasses import replace

import pytest

from paddock.core.planning.lending import gives_back_soon, spare_to_lend
from paddock.model.fleet import FleetSnapshot
from paddock.model.states import InstancePhase
from tests.core.fleets import NOON, R1, SMALL, a_version, key, steady_loads
from tests.core.planning.rounds import assigned, changed, planned, serving
from tests.core.planning.test_draft import draft_of
from tests.core.planning.test_rotation import full


@pytest.mark.parametrize(
    ("minimum", "busy", "spare"),
    [
        (3, 0, 6),
        (9, 0, 0),
        (3, 60, 4),  # 60 of 16 slots each at 80 % keep five busy
        (3, 200, -7),
    ],
)
def test_what_the_minimum_and_the_load_do_not_need_can_be_lent(minimum: int, busy: int, spare: int) -> None:
    draft = draft_of(full(minimum=minimum, environments=9, busy=busy))

    assert spare_to_lend(draft, draft.snapshot.versions[0]) == spare


def test_nothing_is_lent_without_load_samples() -> None:
    fleet = full(minimum=3, environments=9, busy=0)
    draft = draft_of(replace(fleet, versions=(replace(fleet.versions[0], loads=()),)))

    assert spare_to_lend(draft, draft.snapshot.versions[0]) == 0


def poor_and_rich(*, busy: int = 0) -> FleetSnapshot:
    """A full fleet in which `f` has nine of three and `g` none of one."""
    fleet = full(minimum=3, environments=9, busy=busy)
    poor = a_version("g", serving=R1, minimum=1, loads=steady_loads(NOON, busy=0, environments=1))
    return replace(fleet, versions=(*fleet.versions, poor))


def test_a_version_below_its_minimum_gets_room_from_one_that_has_more_than_it_needs() -> None:
    fleet = poor_and_rich(busy=60)

    made = planned(fleet)
    assert not made.launches
    assert assigned(made, draining=True) == 1
    assert any("makes way" in reason.text for reason in made.reasons if reason.subject == str(key("g")))

    going = next(each for one in made.assignments for each in one.environments if each.draining)
    left = tuple(each for each in fleet.environments if each.environment_id != going.environment_id)
    then = planned(replace(fleet, environments=left))
    assert [each.key for one in then.assignments for each in one.environments].count(key("g")) == 1


def test_nobody_makes_way_whose_load_needs_what_it_has() -> None:
    assert assigned(planned(poor_and_rich(busy=110)), draining=True) == 0


def test_one_thing_makes_way_at_a_time() -> None:
    fleet = poor_and_rich(busy=60)
    first = fleet.environments[0]
    begun = replace(fleet, environments=(replace(first, draining=True), *fleet.environments[1:]))

    assert gives_back_soon(draft_of(begun))
    assert assigned(planned(begun), draining=True) == 1


@pytest.mark.parametrize("phase", [InstancePhase.STOPPING, InstancePhase.LOST])
def test_an_instance_on_its_way_out_gives_back_soon(phase: InstancePhase) -> None:
    assert gives_back_soon(draft_of(changed(serving(), 0, phase=phase)))
    assert not gives_back_soon(draft_of(serving()))


def test_a_shape_that_would_not_fit_anywhere_makes_nobody_go() -> None:
    fleet = poor_and_rich(busy=60)
    huge = replace(SMALL, memory_mb=16384, vcpu=8.0)

    made = planned(replace(fleet, versions=(fleet.versions[0], replace(fleet.versions[1], shape=huge))))

    assert assigned(made, draining=True) == 0
