from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.placement import (
    NOTHING_OFFERED,
    Occupant,
    Offers,
    Placement,
    Room,
    can_empty,
    environments_per_instance,
    fits,
    holds,
    place,
    rank_types,
    select_types,
    subnet_for,
)
from paddock.model.capacity_provider import Architecture, InstanceRequirements
from paddock.model.fleet import EnvironmentShape, Zone
from paddock.model.ids import AvailabilityZone, InstanceId, SubnetId
from paddock.model.instance_types import InstanceType
from tests.core.fleets import CATALOGUE, SMALL, ZONES, a_type

A, B, C = (zone.zone for zone in ZONES)
OFFERS = Offers(CATALOGUE, (A, B, C))


def shape(memory_gib: int, vcpu: float) -> EnvironmentShape:
    return EnvironmentShape(memory_gib * 1024, vcpu, 16)


def room(name: str, zone: AvailabilityZone = A, *, environments: int = 3, members: int = 0, ready: bool = True) -> Room:
    return Room(InstanceId(name), zone, environments * SMALL.vcpu, environments * SMALL.memory_mb, members, ready)


def placed(
    count: int,
    rooms: Sequence[Room] = (),
    offers: Offers = OFFERS,
    *,
    of: EnvironmentShape = SMALL,
    budget: int = 400,
    total: int | None = None,
    spread: int = 3,
) -> Placement:
    return place(
        of, count, rooms, offers, budget=budget, preferred=environments_per_instance(total or count), spread=spread
    )


def sizes(placement: Placement) -> list[str]:
    return [launch.instance_type.name for launch in placement.launches]


@pytest.mark.parametrize(
    ("name", "of", "count"),
    [
        ("c7i.large", SMALL, 1),  # 2 - 1 vCPU, 4 - 1 GiB
        ("c7i.xlarge", SMALL, 3),
        ("c7i.xlarge", shape(4, 1), 1),  # 7 GiB
        ("m7i.xlarge", shape(4, 1), 3),
        ("r7i.large", shape(8, 1), 1),
        ("c7i.4xlarge", shape(16, 8), 1),
        ("c7i.8xlarge", shape(16, 8), 3),
        ("c7i.large", shape(4, 2), 0),
        ("c7i.xlarge", EnvironmentShape(2048, 2048 / 1024 / 6, 16), 3),
    ],
)
def test_an_instance_holds_what_is_left_beside_one_vcpu_and_one_gib(
    name: str, of: EnvironmentShape, count: int
) -> None:
    assert holds(a_type(name), of) == count


def test_thirds_of_a_vcpu_add_up() -> None:
    assert fits(1.0, 100_000, EnvironmentShape(2048, 1 / 3, 16)) == 3
    assert fits(1.0 - 2 / 3, 100_000, EnvironmentShape(2048, 1 / 3, 16)) == 1
    assert fits(-1, 100_000, SMALL) == 0


# Which type


@pytest.mark.parametrize(
    ("of", "chosen"),
    [
        (shape(2, 1), "c7i.xlarge"),  # 4 vCPU for 1: as seen on AWS
        (shape(4, 1), "m8i.xlarge"),
        (shape(8, 1), "r7i.xlarge"),
        (shape(16, 8), "c7i.8xlarge"),  # 32 vCPU for 8: as seen on AWS
        (shape(32, 4), "r7i.4xlarge"),
    ],
)
def test_the_smallest_type_for_two_of_them_in_the_family_of_their_ratio(of: EnvironmentShape, chosen: str) -> None:
    assert rank_types(CATALOGUE, of, at_least=environments_per_instance(3))[0].name == chosen


def test_plain_names_come_before_extras_and_new_generations_before_old() -> None:
    names = ["c6i.xlarge", "c7i-flex.xlarge", "c7i.xlarge", "c7id.xlarge", "c7a.xlarge", "c5.xlarge"]

    ranked = rank_types([a_type(name) for name in names], SMALL, at_least=2)

    assert [each.name for each in ranked] == [
        "c7a.xlarge", "c7i.xlarge", "c6i.xlarge", "c5.xlarge", "c7id.xlarge", "c7i-flex.xlarge",
    ]  # fmt: skip


def test_a_type_whose_price_nobody_knows_comes_after_older_ones_with_a_price() -> None:
    priced = replace(a_type("c7i.xlarge"), on_demand_usd_per_hour=Decimal("0.1785"))

    ranked = rank_types([a_type("c8i.xlarge"), priced], SMALL, at_least=2)

    assert [each.name for each in ranked] == ["c7i.xlarge", "c8i.xlarge"]


def test_a_name_of_another_shape_is_ranked_too() -> None:
    odd = InstanceType("custom", 4, 8, Architecture.X86_64)

    assert [each.name for each in rank_types([odd, a_type("c7i.xlarge")], SMALL, at_least=2)] == [
        "c7i.xlarge",
        "custom",
    ]


@pytest.mark.parametrize(("total", "each"), [(1, 2), (3, 2), (12, 2), (13, 3), (60, 10), (600, 100)])
def test_large_versions_aim_for_six_instances(total: int, each: int) -> None:
    assert environments_per_instance(total) == each


@pytest.mark.parametrize(
    ("requirements", "passes"),
    [
        (InstanceRequirements(), {"c7i.xlarge", "m7i.xlarge"}),
        (InstanceRequirements(allowed_instance_types=("c7i.*",)), {"c7i.xlarge"}),
        (InstanceRequirements(allowed_instance_types=("*.xlarge", "r*")), {"c7i.xlarge", "m7i.xlarge"}),
        (InstanceRequirements(excluded_instance_types=("c*",)), {"m7i.xlarge"}),
        (InstanceRequirements(architecture=Architecture.ARM64), {"m7g.xlarge"}),
        (InstanceRequirements(allowed_instance_types=("x9.large",)), set()),
    ],
)
def test_requirements_let_types_pass_or_say_why_not(requirements: InstanceRequirements, passes: set[str]) -> None:
    offered = [a_type("c7i.xlarge"), a_type("m7i.xlarge"), a_type("m7g.xlarge", Architecture.ARM64)]

    selection = select_types(offered, requirements, SMALL)

    assert {each.name for each in selection.types} == passes
    assert {name for name, _ in selection.refused} == {each.name for each in offered} - passes
    assert all(name in selection.explain() for name, _ in selection.refused)


def test_the_explanation_groups_by_cause_and_stays_short() -> None:
    small = [InstanceType(f"c7i.tiny{number}", 1, 1, Architecture.X86_64) for number in range(30)]

    text = select_types(small, InstanceRequirements(), SMALL).explain()

    assert text.startswith("too small for 2048 MB and 1 vCPU")
    assert text.endswith("and 18 more")
    assert select_types((), InstanceRequirements(), SMALL).explain() == "no instance type is offered"


def test_an_allowed_type_of_another_architecture_is_named_before_the_hundreds_that_are_not_allowed() -> None:
    offered = [*CATALOGUE, a_type("m7g.xlarge", Architecture.ARM64), a_type("m7g.large", Architecture.ARM64)]

    text = select_types(offered, InstanceRequirements(allowed_instance_types=("m7g.xlarge",)), SMALL).explain()

    assert text.startswith("not x86_64: m7g.xlarge; not among AllowedInstanceTypes: ")


# Where


def test_three_zones_come_before_packing() -> None:
    placement = placed(3)

    assert [launch.zone for launch in placement.launches] == [A, B, C]
    assert placement.spread
    assert placement.vcpu == 12


def test_room_is_used_before_launching_but_not_before_spreading() -> None:
    placement = placed(3, [room("i-a", A)])

    assert placement.existing == ((InstanceId("i-a"), 1),)
    assert [launch.zone for launch in placement.launches] == [B, C]


def test_beyond_the_spread_the_fullest_instance_of_the_emptiest_zone_is_filled() -> None:
    rooms = [
        room("i-a", A, environments=1, members=2),
        room("i-b1", B, environments=3, members=1),
        room("i-b2", B, environments=1, members=0),
        room("i-c", C, environments=2, members=2),
    ]

    assert dict(placed(1, rooms, total=5).existing) == {InstanceId("i-b2"): 1}


def test_instances_that_run_go_before_those_still_launching() -> None:
    rooms = [room("i-a", environments=1, ready=False), room("i-b", environments=3)]

    assert dict(placed(1, rooms, NOTHING_OFFERED, spread=1).existing) == {InstanceId("i-b"): 1}


def test_the_budget_shrinks_instances_then_ends_the_spread_then_places_what_it_can() -> None:
    assert sizes(placed(3, budget=12)) == ["c7i.xlarge"] * 3
    assert sizes(placed(3, budget=11)) == ["c7i.xlarge", "c7i.xlarge", "c7i.large"]
    assert sizes(placed(3, budget=6)) == ["c7i.large"] * 3
    packed = placed(3, budget=5)
    assert sizes(packed) == ["c7i.xlarge"]
    assert not packed.spread
    assert packed.reasons
    short = placed(3, budget=3)
    assert (sizes(short), short.unplaced) == (["c7i.large"], 2)
    assert placed(3, budget=1).unplaced == 3


def test_a_type_that_a_zone_does_not_offer_or_that_is_blocked_is_not_launched_there() -> None:
    only_b = InstanceType("c9i.xlarge", 4, 8, Architecture.X86_64, zones=(B,))
    offers = Offers((only_b, a_type("c7i.xlarge"), a_type("c6i.xlarge")), (A, B, C), frozenset({("c7i.xlarge", C)}))

    placement = placed(3, offers=offers)

    assert {launch.zone: launch.instance_type.name for launch in placement.launches} == {
        A: "c7i.xlarge",
        B: "c9i.xlarge",
        C: "c6i.xlarge",
    }


def test_a_zone_where_nothing_can_be_launched_leaves_its_share_to_the_others() -> None:
    blocked = frozenset((each.name, C) for each in CATALOGUE)

    placement = placed(3, offers=Offers(CATALOGUE, (A, B, C), blocked))

    assert Counter(launch.zone for launch in placement.launches) == {A: 2, B: 1}


def test_the_least_used_subnet_of_a_zone_is_taken() -> None:
    zones = [Zone(SubnetId("s1"), A), Zone(SubnetId("s2"), A), Zone(SubnetId("s3"), B)]

    assert subnet_for(A, zones, {SubnetId("s1"): 2, SubnetId("s2"): 1}).subnet_id == "s2"
    assert subnet_for(B, zones, {}).subnet_id == "s3"


# What can be emptied


def test_an_instance_can_be_emptied_when_the_others_have_room_and_the_spread_stays() -> None:
    rooms = [room("i-b", B, environments=1), room("i-c", C, environments=1), room("i-a2", A, environments=2)]
    elsewhere = {InstanceId("i-b"): 1, InstanceId("i-c"): 1}

    (placement,) = can_empty(A, [Occupant(SMALL, 2, elsewhere)], rooms, spread=3) or ()

    assert dict(placement.existing) == {InstanceId("i-a2"): 1, InstanceId("i-b"): 1}


@pytest.mark.parametrize(
    ("rooms", "elsewhere"),
    [
        ([room("i-b", B, environments=0)], {"i-b": 1}),
        ([room("i-b", B), room("i-c", C)], {"i-b": 1, "i-c": 1}),  # would leave zone a
        ([room("i-b", B)], {"i-b": 1}),  # would stand on one instance
        ([], {}),
    ],
)
def test_an_instance_cannot_be_emptied_without_room_or_at_the_cost_of_the_spread(
    rooms: list[Room], elsewhere: dict[InstanceId, int]
) -> None:
    assert can_empty(A, [Occupant(SMALL, 1, elsewhere)], rooms, spread=3) is None


def test_two_revisions_do_not_get_the_same_room() -> None:
    occupants = [Occupant(SMALL, 1, {}), Occupant(SMALL, 1, {})]

    assert can_empty(A, occupants, [room("i-b", B, environments=1)], spread=3) is None
    assert can_empty(A, occupants, [room("i-b", B, environments=2)], spread=3) is not None


# Properties

ROOMS = st.lists(
    st.tuples(st.sampled_from([A, B, C]), st.integers(0, 6), st.integers(0, 3), st.booleans()), max_size=8
).map(
    lambda rows: [
        room(f"i-{index}", zone, environments=free, members=members, ready=ready)
        for index, (zone, free, members, ready) in enumerate(rows)
    ]
)


@given(rooms=ROOMS, count=st.integers(1, 60), budget=st.integers(0, 200), spread=st.integers(0, 3))
def test_no_placement_breaks_the_budget_or_overfills_an_instance(
    rooms: list[Room], count: int, budget: int, spread: int
) -> None:
    placement = placed(count, rooms, budget=budget, spread=spread)

    free = {each.instance_id: fits(each.vcpu, each.memory_mb, SMALL) for each in rooms}
    assert placement.vcpu <= budget
    assert all(taken <= free[instance_id] for instance_id, taken in placement.existing)
    assert all(launch.environments <= holds(launch.instance_type, SMALL) for launch in placement.launches)
    assert all(launch.environments for launch in placement.launches)
    taken = sum(taken for _, taken in placement.existing) + sum(launch.environments for launch in placement.launches)
    assert taken + placement.unplaced == count
    assert placement.reasons or not placement.unplaced


@given(rooms=ROOMS, count=st.integers(1, 40), budget=st.integers(0, 100))
def test_more_budget_never_places_fewer(rooms: list[Room], count: int, budget: int) -> None:
    assert placed(count, rooms, budget=budget + 10).unplaced <= placed(count, rooms, budget=budget).unplaced


@given(rooms=ROOMS, count=st.integers(1, 12))
def test_what_can_be_emptied_is_what_placing_without_the_instance_finds(rooms: list[Room], count: int) -> None:
    bare = [room(each.instance_id, each.zone, environments=fits(each.vcpu, each.memory_mb, SMALL)) for each in rooms]

    emptied = can_empty(A, [Occupant(SMALL, count, {})], bare, spread=1)
    direct = placed(count, bare, NOTHING_OFFERED, spread=1)

    assert (emptied is None) == bool(direct.unplaced)
    if emptied:
        assert emptied[0].existing == direct.existing
