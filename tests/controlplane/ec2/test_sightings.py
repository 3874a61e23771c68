from dataclasses import replace
from datetime import timedelta

from paddock.controlplane.ec2.sightings import Health, InstanceSightings
from paddock.controlplane.ended_instances import ENDED_AT_MOST, ENDED_SHOWN
from paddock.controlplane.inventory import Inventory
from paddock.model.states import InstancePhase
from paddock.ports.store import EndedInstance
from tests.controlplane.ec2.fleet_in_memory import instance_id, intent, running
from tests.controlplane.harness import NOON, FixedClock


def sightings(inventory: Inventory) -> tuple[InstanceSightings, FixedClock]:
    clock = FixedClock()
    return InstanceSightings(lambda: [inventory], clock), clock


def test_an_instance_that_ended_is_shown_for_an_hour() -> None:
    inventory = Inventory()
    running(inventory, 1, NOON)
    seen, clock = sightings(inventory)
    assert [each.phase for each in seen.look()] == [InstancePhase.RUNNING]
    inventory.forget(instance_id(1))
    clock.at += timedelta(seconds=1)
    ended = seen.look()
    assert [(each.phase, each.health, each.ended_at) for each in ended] == [
        (InstancePhase.TERMINATED, Health.NOT_APPLICABLE, clock.at)
    ]
    clock.at += ENDED_SHOWN - timedelta(seconds=1)
    assert len(seen.look()) == 1
    clock.at += timedelta(seconds=1)
    assert seen.look() == ()


def test_why_an_instance_ended_is_shown_though_it_was_told_between_two_looks() -> None:
    inventory = Inventory()
    record = running(inventory, 1, NOON)
    seen, _ = sightings(inventory)
    seen.look()
    record.intent = replace(record.intent, stop_reason="it never came")
    inventory.forget(instance_id(1))
    assert [each.intent.stop_reason for each in seen.look()] == ["it never came"]


def test_an_instance_that_came_and_went_between_two_looks_is_shown_as_ended() -> None:
    inventory = Inventory()
    seen, clock = sightings(inventory)
    seen.look()
    running(inventory, 1, NOON)
    inventory.forget(instance_id(1))
    for _ in range(2):
        assert [(each.instance_id, each.phase, each.ended_at) for each in seen.look()] == [
            (instance_id(1), InstancePhase.TERMINATED, clock.at)
        ]


def test_an_instance_of_a_provider_that_is_gone_has_ended_too() -> None:
    inventory = Inventory()
    running(inventory, 1, NOON)
    inventories = [inventory]
    seen = InstanceSightings(lambda: inventories, FixedClock())
    seen.look()
    inventories.clear()
    assert [each.phase for each in seen.look()] == [InstancePhase.TERMINATED]


def test_what_is_remembered_of_ended_ones_is_bounded() -> None:
    inventory = Inventory()
    seen, _ = sightings(inventory)
    for number in range(ENDED_AT_MOST + 10):
        inventory.add(intent(number, NOON))
    seen.look()
    inventory.instances.clear()
    assert len(seen.look()) == ENDED_AT_MOST


def test_health_is_the_lease_of_the_agent() -> None:
    inventory = Inventory()
    record = running(inventory, 1, NOON)
    seen, clock = sightings(inventory)

    def health() -> Health:
        return seen.look()[0].health

    assert health() is Health.OK
    clock.at += timedelta(seconds=4)
    assert health() is Health.IMPAIRED
    record.phase = InstancePhase.LOST
    assert health() is Health.IMPAIRED
    record.phase = InstancePhase.PENDING
    assert health() is Health.INITIALIZING
    record.phase = InstancePhase.STOPPING
    assert health() is Health.NOT_APPLICABLE


def test_what_had_ended_before_a_restart_is_shown_for_the_rest_of_its_hour() -> None:
    seen, clock = sightings(Inventory())
    ended = [EndedInstance(intent(number, NOON), NOON + timedelta(minutes=number)) for number in (1, 2)]
    clock.at = NOON + timedelta(minutes=30)
    seen.take_back(ended)
    assert [(each.instance_id, each.phase, each.ended_at) for each in seen.look()] == [
        (each.intent.instance_id, InstancePhase.TERMINATED, each.ended_at) for each in ended
    ]
    clock.at = NOON + timedelta(minutes=1) + ENDED_SHOWN
    assert [each.instance_id for each in seen.look()] == [instance_id(2)]
