"""The instances of all providers as they are now, and for an hour those that have ended: EC2 goes on showing them.

Looks at inventories, and takes from them only what they keep for it; is told what had ended before this server began.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from paddock.controlplane.ended_instances import ENDED_AT_MOST, ENDED_SHOWN
from paddock.controlplane.fleet_records import InstanceRecord
from paddock.controlplane.inventory import Inventory
from paddock.model.ids import InstanceId
from paddock.model.states import InstancePhase
from paddock.ports.clock import Clock
from paddock.ports.store import EndedInstance, InstanceIntent

LOOK_SECONDS = 1.0
"""As often as agents report."""


class Health(StrEnum):
    """EC2's words for the status checks; ours are the lease of the instance's agent."""

    OK = "ok"
    IMPAIRED = "impaired"
    INITIALIZING = "initializing"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True)
class SeenInstance:
    intent: InstanceIntent
    phase: InstancePhase
    health: Health
    ended_at: datetime | None = None
    private_ip_address: str | None = None

    @property
    def instance_id(self) -> InstanceId:
        return self.intent.instance_id


class InstanceSightings:
    """`inventories` gives those of all providers."""

    def __init__(self, inventories: Callable[[], Iterable[Inventory]], clock: Clock) -> None:
        self._inventories = inventories
        self._clock = clock
        self._records: dict[InstanceId, InstanceRecord] = {}
        self._ended: OrderedDict[InstanceId, SeenInstance] = OrderedDict()

    def take_back(self, ended: Iterable[EndedInstance]) -> None:
        """What had ended before this server began, the first to end first."""
        for each in ended:
            seen = SeenInstance(each.intent, InstancePhase.TERMINATED, Health.NOT_APPLICABLE, each.ended_at)
            self._ended[seen.instance_id] = seen

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> tuple[SeenInstance, ...]:
        """Also what came and went since the last look is among them, as ended."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        present: dict[InstanceId, SeenInstance] = {}
        records: dict[InstanceId, InstanceRecord] = {}
        for inventory in self._inventories():
            while inventory.forgotten:
                self._end(inventory.forgotten.popleft(), now)
            for record in inventory.instances.values():
                records[record.instance_id] = record
                present[record.instance_id] = _seen(record, _health(inventory, record, monotonic))
        # Of a provider that is gone itself, nobody says what became of its instances.
        for instance_id, gone in self._records.items():
            if instance_id not in records and instance_id not in self._ended:
                self._end(gone, now)
        self._records = records
        self._forget_ended(now)
        return (*present.values(), *self._ended.values())

    def _end(self, record: InstanceRecord, now: datetime) -> None:
        """With what stands in it now: why it was told to end may have been written after the last look."""
        seen = _seen(record, Health.NOT_APPLICABLE)
        self._ended[record.instance_id] = replace(seen, phase=InstancePhase.TERMINATED, ended_at=now)

    def _forget_ended(self, now: datetime) -> None:
        while self._ended:
            oldest = next(iter(self._ended.values()))
            recent = oldest.ended_at is not None and now - oldest.ended_at < ENDED_SHOWN
            if recent and len(self._ended) <= ENDED_AT_MOST:
                return
            self._ended.popitem(last=False)


def _seen(record: InstanceRecord, health: Health) -> SeenInstance:
    return SeenInstance(record.intent, record.phase, health, private_ip_address=record.private_ip_address)


def _health(inventory: Inventory, record: InstanceRecord, monotonic: float) -> Health:
    match record.phase:
        case InstancePhase.PENDING:
            return Health.INITIALIZING
        case InstancePhase.RUNNING:
            return Health.OK if inventory.is_fresh(record, monotonic) else Health.IMPAIRED
        case InstancePhase.LOST:
            return Health.IMPAIRED
        case _:
            return Health.NOT_APPLICABLE
