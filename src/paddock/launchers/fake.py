"""Managed instances that are only written down: for tests. Keeps the launcher's contract, fails on demand.

The `FakeEngine` is what a cloud is to the others: it goes on when the launcher that used it is gone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from paddock.model.ids import AvailabilityZone, InstanceId
from paddock.model.states import InstancePhase, StateReasonCode
from paddock.ports.clock import Clock
from paddock.ports.launcher import LauncherCapabilities, LaunchError, LaunchRequest, ObservedInstance


@dataclass(slots=True)
class _FakeInstance:
    request: LaunchRequest
    launched_at: datetime
    ended_at: datetime | None = None
    reason: str | None = None
    stuck: bool = False


@dataclass(slots=True)
class FakeEngine:
    """The knobs of failure. Launches are refused by `refusals` (first come, first used), then for want of `room`
    (instances per zone; a zone that is not named has room). `stuck` launches never leave PENDING.
    """

    launch_delay: timedelta = timedelta(0)
    refusals: list[LaunchError] = field(default_factory=list)
    room: dict[AvailabilityZone, int] = field(default_factory=dict)
    stuck_zones: Collection[AvailabilityZone] = ()
    instances: dict[InstanceId, _FakeInstance] = field(default_factory=dict)

    def living(self, zone: AvailabilityZone) -> int:
        return sum(one.request.zone == zone and one.ended_at is None for one in self.instances.values())


class FakeLauncher:
    def __init__(self, engine: FakeEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def launch(self, request: LaunchRequest) -> None:
        engine, now = self._engine, self._clock.now()
        known = engine.instances.get(request.instance_id)
        if known is not None:
            if known.ended_at is None:
                return
            raise LaunchError(StateReasonCode.INTERNAL_ERROR, f"{request.instance_id} has run already", transient=False)
        if engine.refusals:
            raise engine.refusals.pop(0)
        if engine.living(request.zone) >= engine.room.get(request.zone, len(engine.instances) + 1):
            text = f"no room for another instance in {request.zone}"
            raise LaunchError(StateReasonCode.INSUFFICIENT_CAPACITY, text, transient=True)
        stuck = request.zone in engine.stuck_zones
        engine.instances[request.instance_id] = _FakeInstance(request, now, stuck=stuck)

    async def terminate(self, instance_id: InstanceId, grace_seconds: float) -> None:
        known = self._engine.instances.get(instance_id)
        if known is not None and known.ended_at is None:
            known.ended_at = self._clock.now() + timedelta(seconds=grace_seconds)

    def crash(self, instance_id: InstanceId, reason: str) -> None:
        """The instance ends by itself, now."""
        known = self._engine.instances[instance_id]
        known.ended_at = self._clock.now()
        known.reason = reason

    async def list(self) -> tuple[ObservedInstance, ...]:
        now = self._clock.now()
        return tuple(self._observe(one, now) for _, one in sorted(self._engine.instances.items()))

    def _observe(self, instance: _FakeInstance, now: datetime) -> ObservedInstance:
        request = instance.request
        phase = self._phase(instance, now)
        return ObservedInstance(
            instance_id=request.instance_id,
            provider=request.provider,
            phase=phase,
            zone=request.zone,
            address=None if phase is InstancePhase.PENDING else f"unix:/fake/{request.instance_id}",
            token=request.token,
            started_at=instance.launched_at,
            reason=instance.reason,
        )

    def _phase(self, instance: _FakeInstance, now: datetime) -> InstancePhase:
        if instance.ended_at is not None:
            return InstancePhase.TERMINATED if now >= instance.ended_at else InstancePhase.STOPPING
        if instance.stuck or now < instance.launched_at + self._engine.launch_delay:
            return InstancePhase.PENDING
        return InstancePhase.RUNNING

    def capabilities(self) -> LauncherCapabilities:
        return LauncherCapabilities("fake", cpu_enforced=False, memory_enforced=False, network="none", isolation="none")
