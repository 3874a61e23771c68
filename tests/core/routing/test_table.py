"""What names mean, and what becomes of slots when the control plane changes its mind."""

from __future__ import annotations

import gc
from collections import Counter

import pytest

from paddock.core.routing.pool import EnvironmentPool, RoutedEnvironment
from paddock.core.routing.refusals import (
    LATEST_IS_NOT_INVOCABLE,
    NOTHING_IS_PUBLISHED,
    Refusal,
)
from paddock.core.routing.table import (
    Destination,
    EnvironmentPlacement,
    FunctionRules,
    RevisionKey,
    RoutingTable,
    VersionRules,
)
from paddock.model.arns import Place
from paddock.model.errors import ApiError
from paddock.model.ids import (
    LATEST,
    LATEST_PUBLISHED,
    AccountId,
    AvailabilityZone,
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    Region,
    RevisionId,
    VersionName,
)

PLACE = Place(Region("us-east-1"), AccountId("123456789012"))
F = FunctionName("f")
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
ONE, TWO = VersionName("1"), VersionName("2")
R1, R2 = RevisionId("r1"), RevisionId("r2")
I1, I2 = InstanceId("i-1"), InstanceId("i-2")


def rules(
    *versions: VersionRules, aliases: dict[str, tuple[tuple[VersionName, float], ...]] | None = None
) -> FunctionRules:
    return FunctionRules(F, LATEST_PUBLISHED, versions, aliases or {})


def version(name: VersionName, revision: RevisionId = R1, refusal: Refusal | None = None) -> VersionRules:
    return VersionRules(name, revision, timeout_seconds=3, refusal=refusal)


def placement(
    name: str,
    *,
    of: VersionName = LATEST_PUBLISHED,
    revision: RevisionId = R1,
    instance: InstanceId = I1,
    slots: int = 1,
    draining: bool = False,
) -> EnvironmentPlacement:
    key = RevisionKey(F, of, revision)
    return EnvironmentPlacement(EnvironmentId(name), instance, AvailabilityZone("a"), key, slots, draining)


def table_with(*versions: VersionRules, reachable: tuple[InstanceId, ...] = (I1, I2)) -> RoutingTable:
    table = RoutingTable(PLACE)
    table.set_function(rules(*versions))
    for instance in reachable:
        table.set_reachable(instance, reachable=True)
    return table


def unqualified(table: RoutingTable) -> Destination:
    return table.resolve(F, None).choose(lambda: 0.0)


def take(table: RoutingTable) -> RoutedEnvironment | None:
    return unqualified(table).pool.take()


def test_an_unqualified_name_means_the_published_latest() -> None:
    table = table_with(version(LATEST), version(LATEST_PUBLISHED), version(ONE))
    target = table.resolve(F, None)

    assert target.arn == ARN
    assert target.choose(lambda: 0.0).key == (F, LATEST_PUBLISHED)
    assert unqualified(table).refusal is None


def test_a_number_and_the_published_latest_can_be_named() -> None:
    table = table_with(version(LATEST_PUBLISHED), version(ONE))

    assert table.resolve(F, "1").choose(lambda: 0.0).key.version == ONE
    assert table.resolve(F, "1").arn == f"{ARN}:1"
    assert table.resolve(F, "$LATEST.PUBLISHED").arn == f"{ARN}:$LATEST.PUBLISHED"


@pytest.mark.parametrize(("qualifier", "asked"), [(None, ARN), ("9", f"{ARN}:9"), ("blue", f"{ARN}:blue")])
def test_what_does_not_exist_is_not_found_by_its_arn(qualifier: str | None, asked: str) -> None:
    table = RoutingTable(PLACE)
    if qualifier is not None:
        table.set_function(rules(version(LATEST_PUBLISHED)))

    with pytest.raises(ApiError) as refused:
        table.resolve(F, qualifier)

    assert refused.value.code == "ResourceNotFoundException"
    assert refused.value.message == f"Function not found: {asked}"


@pytest.mark.parametrize("qualifier", [None, "$LATEST"])
def test_nothing_published_is_said_before_anything_is(qualifier: str | None) -> None:
    table = table_with(version(LATEST))

    assert table.resolve(F, qualifier).choose(lambda: 0.0).refusal == NOTHING_IS_PUBLISHED


def test_latest_is_never_invocable_once_something_is_published() -> None:
    table = table_with(version(LATEST), version(ONE))

    assert table.resolve(F, "$LATEST").choose(lambda: 0.0).refusal == LATEST_IS_NOT_INVOCABLE
    assert unqualified(table).refusal == NOTHING_IS_PUBLISHED


def test_latest_of_a_default_function_is_invocable() -> None:
    table = RoutingTable(PLACE)
    table.set_function(FunctionRules(F, LATEST, (VersionRules(LATEST, R1, 3, on_demand=True),)))

    assert unqualified(table).refusal is None


def test_an_alias_throws_dice_between_its_versions() -> None:
    table = RoutingTable(PLACE)
    table.set_function(
        rules(version(ONE), version(TWO), aliases={"blue": ((ONE, 0.9), (TWO, 0.1)), "one": ((ONE, 1.0),)})
    )
    blue = table.resolve(F, "blue")
    throws = [number / 1000 for number in range(1000)]

    chosen = Counter(blue.choose(lambda at=at: at).key.version for at in throws)  # type: ignore[misc]

    assert chosen == {"1": 900, "2": 100}
    assert blue.arn == f"{ARN}:blue"
    assert not table.resolve(F, "one").weighted


def test_an_alias_of_versions_that_are_gone_is_not_found() -> None:
    table = RoutingTable(PLACE)
    table.set_function(rules(version(ONE), aliases={"blue": ((TWO, 1.0),)}))

    with pytest.raises(ApiError, match="Function not found"):
        table.resolve(F, "blue")


def test_an_environment_may_be_known_before_its_function() -> None:
    table = RoutingTable(PLACE)
    table.set_reachable(I1, reachable=True)
    table.place(placement("e1"))
    table.set_function(rules(version(LATEST_PUBLISHED)))

    assert take(table) is not None


def test_an_environment_is_taken_only_once_its_agent_can_be_reached() -> None:
    table = table_with(version(LATEST_PUBLISHED), reachable=())
    table.place(placement("e1"))
    assert take(table) is None

    table.set_reachable(I1, reachable=True)
    assert take(table) is not None


def test_a_lost_instance_takes_its_environments_out() -> None:
    table = table_with(version(LATEST_PUBLISHED))
    table.place(placement("e1", instance=I1))
    table.place(placement("e2", instance=I2))
    table.set_reachable(I1, reachable=False)

    chosen = take(table)

    assert chosen is not None
    assert chosen.instance_id == I2
    assert take(table) is None


def test_a_new_revision_serves_only_from_its_own_environments() -> None:
    table = table_with(version(LATEST_PUBLISHED, R1))
    table.place(placement("old", revision=R1))
    table.place(placement("new", revision=R2))
    first = take(table)
    table.set_function(rules(version(LATEST_PUBLISHED, R2)))
    second = take(table)

    assert first is not None
    assert second is not None
    assert (first.environment_id, second.environment_id) == ("old", "new")
    assert take(table) is None


def test_counters_go_on_over_a_republish() -> None:
    table = table_with(version(LATEST_PUBLISHED, R1))
    unqualified(table).counters.answered(500)
    table.set_function(rules(version(LATEST_PUBLISHED, R2)))

    assert unqualified(table).counters.counts().invocations == 1


def test_news_of_a_known_environment_keeps_its_slots_in_flight() -> None:
    table = table_with(version(LATEST_PUBLISHED))
    table.place(placement("e1", slots=2))
    member = take(table)
    assert member is not None

    table.place(placement("e1", slots=2, draining=True))

    assert member.in_flight == 1
    assert member.draining
    assert take(table) is None


def test_an_id_that_comes_back_elsewhere_is_another_environment() -> None:
    table = table_with(version(LATEST_PUBLISHED))
    table.place(placement("e1", instance=I1))
    before = take(table)
    table.place(placement("e1", instance=I2))
    after = take(table)

    assert before is not after
    assert after is not None
    assert after.in_flight == 1


def test_dead_runtime_workers_leave_fewer_slots() -> None:
    table = table_with(version(LATEST_PUBLISHED))
    table.place(placement("e1", slots=4))
    table.set_slots(EnvironmentId("e1"), 1)
    table.set_slots(EnvironmentId("unknown"), 1)

    assert take(table) is not None
    assert take(table) is None


def test_replacing_all_routes_keeps_what_is_named_again() -> None:
    table = table_with(version(LATEST_PUBLISHED), version(ONE))
    table.place(placement("stays", slots=2))
    table.place(placement("goes", slots=2))
    held = [take(table) for _ in range(2)]

    table.replace([rules(version(LATEST_PUBLISHED))], [placement("stays", slots=2)])

    stays = table.environment(EnvironmentId("stays"))
    assert stays is not None
    assert stays in held
    assert stays.in_flight == 1
    assert table.environment(EnvironmentId("goes")) is None
    with pytest.raises(ApiError):
        table.resolve(F, "1")


def test_removed_functions_are_forgotten_with_their_counters() -> None:
    table = table_with(version(LATEST_PUBLISHED))
    table.place(placement("e1"))
    table.remove_function(F)
    table.remove_function(F)
    table.remove(EnvironmentId("e1"))
    table.remove(EnvironmentId("e1"))

    assert list(table.destinations()) == []
    with pytest.raises(ApiError):
        table.resolve(F, None)


def test_functions_that_come_and_go_leave_nothing_behind() -> None:
    def pools() -> int:
        return sum(isinstance(each, EnvironmentPool) for each in gc.get_objects())

    table = RoutingTable(PLACE)
    before = pools()
    for number in range(3):
        name = FunctionName(f"f{number}")
        table.set_function(FunctionRules(name, LATEST_PUBLISHED, (version(LATEST),)))
        table.set_function(FunctionRules(name, LATEST_PUBLISHED, (version(LATEST), version(LATEST_PUBLISHED))))
        table.remove_function(name)

    assert pools() == before


def test_the_slots_in_flight_of_a_version_are_summed_over_its_revisions() -> None:
    table = table_with(version(LATEST_PUBLISHED, R1))
    table.place(placement("old", revision=R1))
    take(table)
    table.set_function(rules(version(LATEST_PUBLISHED, R2)))
    table.place(placement("new", revision=R2))
    take(table)

    assert [(str(key), busy) for key, _, busy in table.destinations()] == [("f:$LATEST.PUBLISHED", 2)]


def test_a_peak_is_of_all_environments_together_and_of_those_versions_that_are_asked_for() -> None:
    table = table_with(version(LATEST_PUBLISHED))
    for name in ("e1", "e2"):
        table.place(placement(name))
    key, other = unqualified(table).key, FunctionVersionKey(FunctionName("other"), LATEST_PUBLISHED)
    for _ in range(4):  # both are used, one at a time
        environment = take(table)
        assert environment is not None
        unqualified(table).pool.release(environment)

    assert table.take_peaks({other}) == {}
    assert table.take_peaks({key, other}) == {key: 1}
    assert table.take_peaks({key}) == {key: 0}
