"""Which instance default Lambda's environments go on."""

from dataclasses import replace
from datetime import datetime, timedelta

from paddock.core.on_demand import OnDemandSettings, OnDemandSnapshot, OnDemandVersion
from paddock.core.on_demand.instances import Instances
from paddock.core.on_demand.notes import Notes
from paddock.model.fleet import EnvironmentShape, LaunchFailure, ManagedInstance
from paddock.model.ids import InstanceId
from paddock.model.states import InstancePhase, StateReasonCode
from tests.core.fleets import NOON, R1, ZONES, CountingIds, a_type, key

SETTINGS = OnDemandSettings()
TYPE = a_type("m7i.large")
VERSION = OnDemandVersion(key("f"), R1, R1, EnvironmentShape(memory_mb=128, vcpu=0.07, max_concurrency=1))
RUNNING = ManagedInstance(
    InstanceId("i-1"), TYPE, ZONES[0].zone, ZONES[0].subnet_id, InstancePhase.RUNNING, launched_at=NOON
)
PENDING = replace(RUNNING, instance_id=InstanceId("i-2"), phase=InstancePhase.PENDING)


def chosen(
    *there: ManagedInstance,
    now: datetime = NOON,
    failures: tuple[LaunchFailure, ...] = (),
    versions: tuple[OnDemandVersion, ...] = (VERSION,),
) -> tuple[InstanceId | None, Instances, Notes]:
    notes = Notes(now)
    snapshot = OnDemandSnapshot(TYPE, ZONES[0], versions, there, (), failures)
    instances = Instances(snapshot, CountingIds(), SETTINGS, notes)
    found = instances.for_new_environments(is_empty=True)
    instances.end_lost()
    return found, instances, notes


def test_the_first_function_launches_one_and_it_is_waited_for() -> None:
    found, instances, _ = chosen()
    assert [each.instance_id for each in instances.launches] == [found]
    assert instances.staying() == [found]
    again, instances, _ = chosen(PENDING)
    assert (again, instances.launches) == (PENDING.instance_id, [])


def test_one_to_be_replaced_works_on_until_another_runs() -> None:
    worn = replace(RUNNING, replace_reason="it is old")
    found, instances, _ = chosen(worn)
    assert (found, len(instances.launches)) == (worn.instance_id, 1)
    found, instances, _ = chosen(worn, PENDING)
    assert (found, instances.launches) == (worn.instance_id, [])
    found, instances, _ = chosen(worn, replace(PENDING, phase=InstancePhase.RUNNING))
    assert found == PENDING.instance_id


def test_one_that_does_not_come_is_a_failed_launch_and_the_next_one_waits() -> None:
    found, instances, notes = chosen(PENDING, now=NOON + SETTINGS.launch_deadline)
    assert (found, instances.launches) == (None, [])
    assert [(each.instance_id, each.launch_failed) for each in instances.terminations] == [(PENDING.instance_id, True)]
    assert notes.wake_after == SETTINGS.launch_backoff


def test_the_pause_doubles_and_is_forgotten() -> None:
    code = StateReasonCode.INTERNAL_ERROR
    twice = tuple(LaunchFailure(TYPE.name, ZONES[0].zone, NOON - timedelta(seconds=ago), code, "no") for ago in (9, 0))
    assert chosen(failures=twice)[2].wake_after == 2 * SETTINGS.launch_backoff
    long_ago = replace(twice[0], at=NOON - SETTINGS.failure_memory - timedelta(seconds=1))
    assert chosen(failures=(long_ago, twice[1]))[2].wake_after == SETTINGS.launch_backoff


def test_without_a_function_an_idle_one_ends_after_the_idle_time() -> None:
    _, instances, notes = chosen(RUNNING, versions=())
    assert (instances.terminations, notes.wake_after) == ([], SETTINGS.idle)
    _, instances, _ = chosen(RUNNING, versions=(), now=NOON + SETTINGS.idle)
    assert [each.instance_id for each in instances.terminations] == [RUNNING.instance_id]
    assert instances.staying() == []


def test_a_lost_one_is_no_failed_launch() -> None:
    _, instances, _ = chosen(replace(RUNNING, phase=InstancePhase.LOST))
    assert [each.launch_failed for each in instances.terminations] == [False]
