"""What an earlier server left running and nobody has heard of yet.

Nothing is planned beside instances whose agents have not greeted: what they have is not known. And callers are better
kept waiting for a moment than refused: until the agents have reported which environments are ready, no route leads
there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from paddock.model.ids import InstanceId
from paddock.model.states import InstancePhase
from paddock.ports.store import InstanceIntent


class Awaited:
    def __init__(self, intents: Iterable[InstanceIntent], until: float) -> None:
        """`until`, a monotonic moment, is when whoever has not greeted is given up."""
        intents = tuple(intents)
        self._until = until
        self._ungreeted = {intent.instance_id for intent in intents}
        self._unreported = {intent.instance_id for intent in intents if intent.phase is InstancePhase.RUNNING}
        self._all_reported = asyncio.Event()
        self._note()

    def greeted(self, instance_id: InstanceId) -> None:
        self._ungreeted.discard(instance_id)

    def reported(self, instance_id: InstanceId) -> None:
        """Which of its environments are ready is known now."""
        self._unreported.discard(instance_id)
        self._note()

    def gone(self, instance_id: InstanceId) -> None:
        self.greeted(instance_id)
        self.reported(instance_id)

    def holds_up(self, monotonic: float) -> bool:
        """Must planning wait?"""
        if self._ungreeted and monotonic >= self._until:
            self._ungreeted.clear()
        return bool(self._ungreeted)

    async def all_reported(self) -> None:
        """Returns when every instance that ran has reported or is gone."""
        await self._all_reported.wait()

    def _note(self) -> None:
        if not self._unreported:
            self._all_reported.set()
