"""What must hold at every moment of every simulation, whatever fails: each promise of the house as a check.

The checker looks at the truth (what really runs), not at what the control plane believes. It repairs nothing.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from paddock.core.placement import usable_memory_mb, usable_vcpu
from paddock.model.fleet import FleetSnapshot, Plan, VersionTarget
from paddock.model.ids import CapacityProviderName, EnvironmentId, FunctionVersionKey, InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.simulator.control import SimulatedControlPlane
from paddock.simulator.decisions import decided, unexplained
from paddock.simulator.fleet import SimulatedFleet
from paddock.simulator.instances import SimulatedInstance
from paddock.simulator.report import InvariantBroken
from paddock.simulator.words import Outcome, SimulatedInvocation

RECOVERY_SECONDS = 120.0
"""After a fault a minimum is back within: lease 10, launch 25, a second launch and its back-off 60, init, planning."""
_TOLERANCE = 1e-6
_LIVING = frozenset({EnvironmentPhase.STARTING, EnvironmentPhase.READY, EnvironmentPhase.DRAINING})


class Promise(StrEnum):
    """What is checked. Each has a planted bug in the tests that must break it."""

    CEILING = "ceiling"
    MINIMUM = "minimum"
    ROOM = "room"
    ONE_PROVIDER = "one provider"
    GENERATION = "generation"
    SLOTS = "slots"
    ONE_SLOT = "one slot"
    ONE_ANSWER = "one answer"
    NO_LOSS = "no loss"
    REASONS = "reasons"
    CONVERGENCE = "convergence"


class Checker:
    def __init__(self, fleet: SimulatedFleet) -> None:
        self._fleet = fleet
        self._kernel = fleet.kernel
        self._disturbed_at = 0.0
        self._excused_at: dict[FunctionVersionKey, float] = {}
        self._below_since: dict[FunctionVersionKey, float] = {}
        self._generations: dict[InstanceId, int] = {}
        self._allowed: dict[CapacityProviderName, int] = {}
        self._failures: Counter[FunctionVersionKey] = Counter()
        self.checks: Counter[str] = Counter()
        self.decisions: Counter[str] = Counter()
        fleet.kernel.watchers.append(self._after_event)
        fleet.router.on_outcome = self._on_outcome
        for control in fleet.controls.values():
            control.on_plan = self._on_plan

    def disturbed(self, extra_seconds: float = 0.0) -> None:
        """A fault or a request has just changed what can be expected; minimums may lack until it is made good.

        `extra_seconds`: by how much delays got longer, because the wall clock that they are measured by has jumped.
        """
        self._disturbed_at = max(self._disturbed_at, self._kernel.now + extra_seconds)

    def _broken(self, invariant: Promise, text: str) -> InvariantBroken:
        return InvariantBroken(invariant, self._kernel.now, text)

    # After every event

    def _after_event(self) -> None:
        if self._fleet.changed:
            self._fleet.changed = False
            self._check_fleet()
        self._check_slots()

    def _check_fleet(self) -> None:
        fleet = self._fleet
        used = dict.fromkeys(fleet.controls, 0)
        for instance in fleet.launcher.living():
            used[instance.provider] += instance.launch.instance_type.vcpu
        for name, control in fleet.controls.items():
            self._check_ceiling(control, used[name])
        for instance in fleet.touched.values():
            if instance.alive:
                self._check_room(instance)
                self._check_owner(fleet.controls[instance.provider], instance)
                self._check_generation(fleet.controls[instance.provider], instance)
        fleet.touched.clear()
        self._check_minimums()

    def _check_ceiling(self, control: SimulatedControlPlane, used: int) -> None:
        """A ceiling lowered below what runs holds for what is launched; what runs may only become less."""
        self.checks[Promise.CEILING] += 1
        ceiling = control.records.scaling.max_vcpu_count
        allowed = max(ceiling, self._allowed.get(control.records.name, ceiling))
        if used > allowed:
            raise self._broken(Promise.CEILING, f"{used} vCPU run under MaxVCpuCount {ceiling}")
        self._allowed[control.records.name] = max(ceiling, used)

    def _check_room(self, instance: SimulatedInstance) -> None:
        self.checks[Promise.ROOM] += 1
        shapes = [each.assignment.shape for each in instance.environments.values() if each.phase in _LIVING]
        instance_type = instance.launch.instance_type
        vcpu = sum(shape.vcpu for shape in shapes)
        memory_mb = sum(shape.memory_mb for shape in shapes)
        if vcpu > usable_vcpu(instance_type) + _TOLERANCE or memory_mb > usable_memory_mb(instance_type):
            raise self._broken(
                Promise.ROOM, f"{instance.instance_id} ({instance_type.name}) has {vcpu} vCPU, {memory_mb} MB"
            )

    def _check_owner(self, control: SimulatedControlPlane, instance: SimulatedInstance) -> None:
        self.checks[Promise.ONE_PROVIDER] += 1
        for environment in instance.environments.values():
            assignment = environment.assignment
            if (assignment.key, assignment.revision) not in control.records.behaviours:
                text = f"{assignment.key} runs on {instance.instance_id} of {control.records.name}"
                raise self._broken(Promise.ONE_PROVIDER, text)

    def _check_generation(self, control: SimulatedControlPlane, instance: SimulatedInstance) -> None:
        self.checks[Promise.GENERATION] += 1
        seen = self._generations.get(instance.instance_id, 0)
        record = control.records.instances.get(instance.instance_id)
        if instance.generation < seen or instance.refused_generations:
            raise self._broken(Promise.GENERATION, f"{instance.instance_id} went from {seen} to {instance.generation}")
        if instance.contradictions:
            raise self._broken(Promise.GENERATION, f"{instance.instance_id} got one generation with two contents")
        if record is not None and instance.generation > record.configuration.generation:
            raise self._broken(Promise.GENERATION, f"{instance.instance_id} is ahead of what was ever written")
        self._generations[instance.instance_id] = instance.generation

    def _check_slots(self) -> None:
        """A slot taken is a call under way or a handler that outlived one; no environment is overfilled."""
        self.checks[Promise.SLOTS] += 1
        router = self._fleet.router
        expected: Counter[EnvironmentId] = Counter()
        for _, _, environment in router.calls.values():
            expected[environment.environment_id] += 1
        for _, environment in router.held.values():
            expected[environment.environment_id] += 1
        routed_as = router.table.environment
        for instance in self._fleet.launcher.living():
            for environment_id, simulated in instance.environments.items():
                routed = routed_as(environment_id)
                if routed is not None and routed.in_flight != expected[environment_id]:
                    text = f"{environment_id} has {routed.in_flight} slots taken for {expected[environment_id]} calls"
                    raise self._broken(Promise.SLOTS, text)
                if simulated.machine.in_flight > simulated.assignment.shape.max_concurrency:
                    raise self._broken(Promise.SLOTS, f"{environment_id} runs {simulated.machine.in_flight} at once")

    # Of each call

    def _on_outcome(self, invocation: SimulatedInvocation) -> None:
        self.checks["calls"] += 1
        name = invocation.invocation_id
        if invocation.answers != 1:
            raise self._broken(Promise.ONE_ANSWER, f"{name} was answered {invocation.answers} times")
        if invocation.asynchronous:
            return
        if invocation.started > 1:
            raise self._broken(Promise.ONE_SLOT, f"{name} was given to {invocation.ran_on}")
        if invocation.outcome is Outcome.LOST and not self._fleet.excuses(invocation):
            raise self._broken(
                Promise.NO_LOSS, f"{name} was lost on {invocation.environment_id} though nothing failed there"
            )

    # Of each plan

    def _on_plan(self, snapshot: FleetSnapshot, made: Plan) -> None:
        self.checks[Promise.REASONS] += 1
        self.decisions += decided(snapshot.environments, made)
        silent = unexplained(snapshot.environments, made)
        if silent:
            raise self._broken(Promise.REASONS, f"no reason is given for {silent}")
        self._failures = Counter(each.key for each in snapshot.environments if each.failure is not None)
        for version in snapshot.versions:
            if lacks_room(version.key, made) or self._failures[version.key]:
                self._excused_at[version.key] = self._kernel.now
            self._check_minimum(version, 0.0)

    def _check_minimums(self) -> None:
        """Of what really runs, whether or not anybody plans: what ended by itself is made good in the same time."""
        for control in self._fleet.controls.values():
            for version in control.records.versions.values():
                if self.ready(version) >= version.bounds.minimum:
                    self._below_since.pop(version.key, None)
                else:
                    since = self._below_since.setdefault(version.key, self._kernel.now)
                    self._check_minimum(version, since)

    def _check_minimum(self, version: VersionTarget, below_since: float) -> None:
        self.checks[Promise.MINIMUM] += 1
        if version.serving is None or version.deleting or version.bounds.deactivates:
            return
        last = max(self._disturbed_at, self._excused_at.get(version.key, 0.0), below_since)
        if self._kernel.now - last <= RECOVERY_SECONDS:
            return
        ready = self.ready(version)
        if ready < version.bounds.minimum:
            text = f"{version.key} has {ready} of {version.bounds.minimum} environments ready"
            raise self._broken(Promise.MINIMUM, f"{text}; the last disturbance was at {last:.0f} s")

    def ready(self, version: VersionTarget) -> int:
        return sum(
            1
            for instance in self._fleet.launcher.living()
            for environment in instance.environments.values()
            if environment.phase is EnvironmentPhase.READY
            and (environment.assignment.key, environment.assignment.revision) == (version.key, version.serving)
        )

    # At the end

    def check_promises(self) -> None:
        """What was answered 202 has run, or nobody wants it any more."""
        router = self._fleet.router
        finished = sum(1 for each in router.done if each.asynchronous)
        if router.accepted != finished + router.forgotten + len(router.waiting):
            raise self._broken(
                Promise.NO_LOSS, f"{router.accepted} asynchronous calls were accepted, {finished} have run"
            )

    def unrest(self) -> str | None:
        """What keeps the fleet from being at rest; None when everything is as it should stay."""
        fleet = self._fleet
        waiting = [each for each in fleet.router.waiting.values() if not self._starves(each.key)]
        if not fleet.up or fleet.router.calls or waiting:
            return f"{len(fleet.router.calls)} calls and {len(waiting)} asynchronous ones are under way"
        for control in fleet.controls.values():
            found = self._unrest_of(control)
            if found is not None:
                return found
        return None

    def _unrest_of(self, control: SimulatedControlPlane) -> str | None:
        made, records = control.last_plan, control.records
        if made is None or made.launches or made.terminations or made.outcomes or made.wake_after is not None:
            return f"{records.name} still plans: {made and [reason.text for reason in made.reasons]}"
        for record in records.instances.values():
            if record.instance.phase is not InstancePhase.RUNNING or record.instance.draining:
                return f"{record.instance.instance_id} is {record.instance.phase}"
        known = set(records.instances)
        strays = [each.instance_id for each in self._fleet.launcher.living() if each.provider == records.name]
        if not known >= set(strays):
            return f"instances run that nobody knows: {strays}"
        for version in records.versions.values():
            if version.serving != version.revision and not version.failed:
                return f"revision {version.revision} of {version.key} neither serves nor failed"
            if self._lacks(version, made):
                return f"{version.key} has {self.ready(version)} environments ready"
        return None

    def _starves(self, key: FunctionVersionKey) -> bool:
        """The ceiling is lower than what the minimums need, and this version gets nothing: its calls go on waiting."""
        for control in self._fleet.controls.values():
            version = control.records.versions.get(key)
            if version is not None and control.last_plan is not None:
                return lacks_room(key, control.last_plan) and self.ready(version) == 0
        return False

    def _lacks(self, version: VersionTarget, made: Plan) -> bool:
        if version.serving is None or lacks_room(version.key, made):
            return False
        return self.ready(version) < version.bounds.minimum


def lacks_room(key: FunctionVersionKey, made: Plan) -> bool:
    """Does the plan itself say that the ceiling, or what can be launched, is in the way?"""
    told = [reason.text for reason in made.reasons if reason.subject == str(key)]
    return any(text.startswith(("no room for", "no instance type")) or "failed lately" in text for text in told)
