"""The sessions of one provider's instances: one each, begun when an address is known, ended with the instance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from paddock.controlplane.agents import AgentSession
from paddock.controlplane.fleet_records import InstanceRecord
from paddock.model.ids import InstanceId
from paddock.wire.agent import AgentConfiguration, Configure


class AgentSessions:
    """`make` makes the session of an instance at an address; it runs in the task group of whoever owns the provider."""

    def __init__(self, make: Callable[[InstanceRecord, str], AgentSession]) -> None:
        self._make = make
        self._sessions: dict[InstanceId, tuple[AgentSession, asyncio.Task[None]]] = {}

    def is_connected(self, instance_id: InstanceId) -> bool:
        found = self._sessions.get(instance_id)
        return found is not None and found[0].connected

    def connect(self, record: InstanceRecord, address: str, group: asyncio.TaskGroup) -> None:
        record.address = address
        known = self._sessions.get(record.instance_id)
        if known is not None:
            if known[0].address == address:
                return
            self.end(record.instance_id)
        session = self._make(record, address)
        self._sessions[record.instance_id] = (session, group.create_task(session.run()))

    def end(self, instance_id: InstanceId) -> None:
        known = self._sessions.pop(instance_id, None)
        if known is not None:
            known[1].cancel()

    def end_all(self) -> None:
        for instance_id in list(self._sessions):
            self.end(instance_id)

    def configure(self, record: InstanceRecord) -> None:
        """Nothing happens without a connection: the next one begins with what is wanted then."""
        known = self._sessions.get(record.instance_id)
        if known is not None:
            known[0].send(Configure(AgentConfiguration(record.generation, record.sent)))
