"""The fleet of a replay: instances and environments that take their time, and the planner that moves them.

It keeps what a control plane would (intents and reports) as values and hands the planner whole snapshots; it decides
nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from paddock.core.planning import PlanningSettings, plan
from paddock.model.capacity_provider import CapacityProviderScalingConfig, InstanceRequirements
from paddock.model.fleet import (
    Environment,
    EnvironmentShape,
    FleetSnapshot,
    LoadSample,
    ManagedInstance,
    Plan,
    RevisionFailed,
    RevisionServed,
    ScalingBounds,
    VersionTarget,
    Zone,
)
from paddock.model.ids import (
    LATEST_PUBLISHED,
    AvailabilityZone,
    CapacityProviderName,
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    RevisionId,
    SubnetId,
)
from paddock.model.instance_types import InstanceType
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.simulator.trace_inventory import Inventory

REVISION = RevisionId("replayed")
KEY = FunctionVersionKey(FunctionName("replayed"), LATEST_PUBLISHED)
PROVIDER = CapacityProviderName("replayed")


@dataclass(frozen=True, slots=True)
class Delays:
    """An environment starts on a running instance in seconds; an instance is launched in minutes. Never one delay.

    Instances: one to four minutes were seen on AWS. Environments: some seconds, and the function's own init.
    """

    launch_seconds: float = 90.0
    start_seconds: float = 5.0
    init_seconds: float = 2.0
    drain_seconds: float = 30.0


class CountedIds:
    """The planner's ids, one after the other."""

    def __init__(self) -> None:
        self._count = 0

    def _next(self) -> str:
        self._count += 1
        return f"{self._count:017x}"

    def instance_id(self) -> InstanceId:
        return InstanceId(f"i-{self._next()}")

    def environment_id(self) -> EnvironmentId:
        return EnvironmentId(self._next())


class Fleet:
    """One version's fleet. Owned by one replay, which moves its clock by `advance` and asks for plans."""

    def __init__(
        self,
        *,
        shape: EnvironmentShape,
        instance_type: InstanceType,
        bounds: ScalingBounds,
        scaling: CapacityProviderScalingConfig,
        planning: PlanningSettings,
        delays: Delays,
        zones: int,
        now: datetime,
    ) -> None:
        self._shape = shape
        # A replay is about load, not about where a region offers the type: every zone has it.
        self._instance_type = replace(instance_type, zones=())
        self._bounds = bounds
        self._scaling = scaling
        self._planning = planning
        self._delays = delays
        self._zones = tuple(
            Zone(SubnetId(f"subnet-{number}"), AvailabilityZone(f"zone-{number}")) for number in range(zones)
        )
        self._published_at = now
        self._ids = CountedIds()
        self._has = Inventory()
        self._ready_at: dict[EnvironmentId, datetime] = {}
        self.serves = False
        self.failed: str | None = None
        self.plans = 0

    # --- what there is ----------------------------------------------------------------------------------------------

    @property
    def ready(self) -> int:
        return self._has.ready

    @property
    def starting(self) -> int:
        return self._has.starting

    @property
    def staying(self) -> int:
        return self._has.staying

    @property
    def running(self) -> int:
        return self.instances - self.launching

    @property
    def launching(self) -> int:
        return len(self._has.launching)

    @property
    def instances(self) -> int:
        return len(self._has.instances)

    def able(self) -> Iterator[tuple[Environment, AvailabilityZone]]:
        """Environments that are ready or drain, each with its zone: those that may have invocations in flight."""
        for each in self._has.environments.values():
            if each.phase is EnvironmentPhase.READY:
                yield each, self._has.instances[each.instance_id].zone

    @property
    def at_cap(self) -> bool:
        """Would one more instance exceed the guardrail?"""
        return self._has.vcpu + self._instance_type.vcpu > self._scaling.max_vcpu_count

    @property
    def moving(self) -> bool:
        """Is anything starting, launching or draining, so that the planner may have more to say?"""
        return bool(self.launching or self.starting or self._has.draining)

    def version(self, loads: tuple[LoadSample, ...]) -> VersionTarget:
        return VersionTarget(
            key=KEY,
            revision=REVISION,
            serving=REVISION if self.serves else None,
            shape=self._shape,
            bounds=self._bounds,
            published_at=self._published_at,
            loads=loads,
        )

    # --- time -------------------------------------------------------------------------------------------------------

    def advance(self, now: datetime) -> None:
        """What was on its way arrives; what drained ends."""
        has, launched_by = self._has, now - timedelta(seconds=self._delays.launch_seconds)
        for instance in list(has.launching.values()):
            if instance.launched_at <= launched_by:
                has.put_instance(replace(instance, phase=InstancePhase.RUNNING))
                self._start_environments(instance.instance_id, now)
        for environment in list(has.changing.values()):
            self._advance_environment(environment, now)
        for instance, used in has.filled_or_emptied():
            empty = None if used else (instance.empty_since or now)
            if empty != instance.empty_since:
                has.put_instance(replace(instance, empty_since=empty))

    def _start_environments(self, instance_id: InstanceId, now: datetime) -> None:
        for environment_id in self._has.on(instance_id):
            environment = self._has.environments[environment_id]
            if environment.phase is EnvironmentPhase.ASSIGNED:
                self._start(environment, now)

    def _start(self, environment: Environment, now: datetime) -> None:
        delay = self._delays.start_seconds + self._delays.init_seconds
        self._has.put_environment(replace(environment, phase=EnvironmentPhase.STARTING))
        self._ready_at[environment.environment_id] = now + timedelta(seconds=delay)

    def _advance_environment(self, environment: Environment, now: datetime) -> None:
        key = environment.environment_id
        if environment.phase is EnvironmentPhase.STARTING and self._ready_at[key] <= now:
            del self._ready_at[key]
            self._has.put_environment(replace(environment, phase=EnvironmentPhase.READY))
        elif environment.draining_since is not None:
            drained = environment.draining_since + timedelta(seconds=self._delays.drain_seconds)
            if drained <= now:
                self._end(key)

    def _end(self, key: EnvironmentId) -> None:
        self._has.remove_environment(key)
        self._ready_at.pop(key, None)

    # --- plans ------------------------------------------------------------------------------------------------------

    def plan(self, now: datetime, loads: tuple[LoadSample, ...]) -> list[str]:
        """Ask the planner and carry out what it says; its reasons."""
        snapshot = FleetSnapshot(
            provider=PROVIDER,
            requirements=InstanceRequirements(architecture=self._instance_type.architecture),
            scaling=self._scaling,
            zones=self._zones,
            offered_types=(self._instance_type,),
            versions=(self.version(loads),),
            instances=tuple(self._has.instances.values()),
            environments=tuple(self._has.environments.values()),
        )
        made = plan(snapshot, now=now, ids=self._ids, settings=self._planning)
        self.plans += 1
        self._carry_out(made, now)
        return [reason.text for reason in made.reasons]

    def _carry_out(self, made: Plan, now: datetime) -> None:
        has = self._has
        for launch in made.launches:
            has.put_instance(
                ManagedInstance(
                    instance_id=launch.instance_id,
                    instance_type=launch.instance_type,
                    zone=launch.zone,
                    subnet_id=launch.subnet_id,
                    phase=InstancePhase.PENDING,
                    launched_at=now,
                )
            )
        for gone in made.terminations:
            self._terminate(gone.instance_id)
        for environment in self._assigned(made, now):
            has.put_environment(environment)
            instance = has.instances[environment.instance_id]
            if environment.phase is EnvironmentPhase.ASSIGNED and instance.phase is InstancePhase.RUNNING:
                self._start(environment, now)
        for outcome in made.outcomes:
            if isinstance(outcome, RevisionServed):
                self.serves = True
            elif isinstance(outcome, RevisionFailed):
                self.failed = f"{outcome.reason_code.value}: {outcome.text}"

    def lose(self, share: float) -> str:
        """One of the running instances dies: the one that stands at `share` (from 0, below 1) of their row. Told."""
        running = [each for each, there in self._has.instances.items() if there.phase is InstancePhase.RUNNING]
        dies = running[int(share * len(running))]
        ran, zone = len(self._has.on(dies)), self._has.instances[dies].zone
        self._terminate(dies)
        return f"an instance in {zone} died with {ran} environments"

    def _terminate(self, instance_id: InstanceId) -> None:
        for key in self._has.on(instance_id):
            self._end(key)
        self._has.remove_instance(instance_id)

    def _assigned(self, made: Plan, now: datetime) -> Iterator[Environment]:
        """What each instance is to run from now on: new ones, and old ones that begin or cease to drain."""
        has = self._has
        for assignment in made.assignments:
            instance = has.instances[assignment.instance_id]
            if instance.draining != assignment.draining:
                has.put_instance(replace(instance, draining=assignment.draining))
            named = {each.environment_id for each in assignment.environments}
            for key in has.on(assignment.instance_id):
                if key not in named:
                    self._end(key)
            for wanted in assignment.environments:
                known = has.environments.get(wanted.environment_id)
                if known is None:
                    yield Environment(
                        environment_id=wanted.environment_id,
                        instance_id=assignment.instance_id,
                        key=wanted.key,
                        revision=wanted.revision,
                        shape=wanted.shape,
                        phase=EnvironmentPhase.ASSIGNED,
                        assigned_at=now,
                    )
                elif known.draining != wanted.draining:
                    since = now if wanted.draining else None
                    yield replace(known, draining=wanted.draining, draining_since=since)
