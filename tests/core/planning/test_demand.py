from __future__ import annotations

from collections import Counter
from dataclasses import replace

from paddock.model.fleet import EnvironmentFailure, FleetSnapshot, RevisionServed, VersionDeactivated, VersionRemoved
from paddock.model.states import EnvironmentPhase, StateReasonCode
from tests.core.fleets import NOON, R1, R2, R3, a_snapshot, a_version, carried_out, key, settled
from tests.core.planning.rounds import SETTINGS, after, assigned, grown, planned, republished, serving


def test_a_second_version_uses_the_room_of_the_instances_that_run() -> None:
    snapshot = serving()

    made = planned(replace(snapshot, versions=(*snapshot.versions, a_version("g"))))

    assert not made.launches
    assert [len(each.environments) for each in made.assignments] == [2, 2, 2]


def test_a_republish_is_as_wide_as_what_it_replaces_and_leaves_it_alone_until_it_serves() -> None:
    snapshot = after(republished(serving()))

    made = planned(snapshot)
    assert RevisionServed(key(), R2) in made.outcomes
    assert assigned(made, draining=True) == 0

    then = planned(carried_out(snapshot, made, NOON))
    drained = {each.revision for one in then.assignments for each in one.environments if each.draining}
    assert drained == {R1}
    assert assigned(then, draining=False) == 3
    assert not then.launches


def test_a_publish_overtaken_by_another_is_drained() -> None:
    snapshot = carried_out(republished(serving()), planned(republished(serving())), NOON)

    made = planned(replace(snapshot, versions=(replace(snapshot.versions[0], revision=R3),)))

    by_revision = Counter((each.revision, each.draining) for one in made.assignments for each in one.environments)
    assert by_revision[R1, False] == 3
    assert by_revision[R3, False] == 3


def test_a_failed_first_publish_gives_its_instances_back() -> None:
    snapshot = settled(carried_out(a_snapshot(a_version()), planned(a_snapshot(a_version())), NOON), NOON)
    snapshot = replace(snapshot, versions=(replace(snapshot.versions[0], failed=True),))
    dropped = planned(snapshot)
    assert assigned(dropped, draining=False) == assigned(dropped, draining=True) == 0
    snapshot = settled(carried_out(snapshot, dropped, NOON), NOON)

    later = planned(snapshot, NOON + SETTINGS.idle_grace)

    assert len(later.terminations) == 3


def test_an_environment_that_keeps_crashing_is_started_more_and_more_slowly() -> None:
    snapshot = serving()
    failure = EnvironmentFailure(StateReasonCode.FUNCTION_ERROR, "exit status 1", init=False)
    ended = replace(snapshot.environments[0], phase=EnvironmentPhase.ENDED, failure=failure, ended_at=NOON)

    def crashed(times: int) -> FleetSnapshot:
        return replace(snapshot, environments=(*([ended] * times), *snapshot.environments[1:]))

    assert assigned(planned(crashed(SETTINGS.free_restarts - 1)), draining=False) == 3
    held = planned(crashed(SETTINGS.free_restarts))
    assert assigned(held, draining=False) == 2
    assert held.wake_after == SETTINGS.restart_backoff
    assert assigned(planned(crashed(3), NOON + SETTINGS.restart_backoff), draining=False) == 3


def test_min_and_max_zero_drain_everything_then_deactivate_then_end_the_instances() -> None:
    snapshot = serving()
    version = replace(snapshot.versions[0], bounds=replace(snapshot.versions[0].bounds, minimum=0, maximum=0))
    snapshot = replace(snapshot, versions=(version,))

    made = planned(snapshot)
    assert assigned(made, draining=True) == 3
    assert not made.outcomes

    snapshot = settled(carried_out(snapshot, made, NOON), NOON)
    assert planned(snapshot).outcomes == (VersionDeactivated(key()),)
    assert len(planned(snapshot, NOON + SETTINGS.idle_grace).terminations) == 3


def test_a_deleted_version_drains_and_is_removed() -> None:
    snapshot = serving("f", "g")
    snapshot = replace(snapshot, versions=(replace(snapshot.versions[0], deleting=True), snapshot.versions[1]))

    made = planned(snapshot)
    assert assigned(made, draining=True) == 3
    assert planned(settled(carried_out(snapshot, made, NOON), NOON)).outcomes == (VersionRemoved(key("f")),)


def test_load_starts_environments_on_running_instances_first() -> None:
    made = planned(grown(busy=44))  # 44 of 48 slots ask for seven environments; nine fit on three instances

    assert not made.launches
    assert assigned(made, draining=False) == 7
