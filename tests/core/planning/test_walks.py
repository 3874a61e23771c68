"""Random walks: whatever happens to a provider, each plan keeps the house rules, and quiet brings everything right."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from paddock.core.placement import usable_memory_mb, usable_vcpu
from paddock.model.fleet import EnvironmentFailure, EnvironmentShape, FleetSnapshot, LaunchFailure, LoadSample, Plan
from paddock.model.ids import RevisionId
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode
from tests.core.fleets import NOON, SMALL, ZONES, a_snapshot, a_version, carried_out, settled, steady_loads
from tests.core.planning.rounds import planned, vcpu

SHAPES = (SMALL, EnvironmentShape(4096, 1.0, 8), EnvironmentShape(8192, 4.0, 32))
MINUTE = timedelta(minutes=1)
PATIENCE_MINUTES = 400


class Walk:
    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.now = NOON
        self.cap = self.dice.choice([12, 24, 60, 200])
        self.fleet = a_snapshot(max_vcpu_count=self.cap)
        self._names = 0

    def step(self) -> None:
        happening = self.dice.choice(
            [self.publish, self.republish, self.load, self.load, self.lose, self.crash, self.replace, self.fail_launch]
        )
        happening()
        self.plan()

    def plan(self) -> None:
        made = planned(self.fleet, self.now)
        check(self.fleet, made, self.cap)
        carried = carried_out(self.fleet, made, self.now)
        self.fleet = settled(carried, self.now) if self.dice.random() < 0.7 else carried
        self.now += MINUTE * self.dice.choice([0.1, 1, 4])

    def publish(self) -> None:
        self._names += 1
        shape = self.dice.choice(SHAPES)
        version = a_version(f"f{self._names}", shape=shape, minimum=self.dice.randint(1, 4), published_at=self.now)
        self.fleet = replace(self.fleet, versions=(*self.fleet.versions, version))

    def republish(self) -> None:
        self._change(revision=RevisionId(f"r{self.dice.randint(2, 10**9)}"), failed=False, published_at=self.now)

    def load(self) -> None:
        level = self.dice.choice([0, 5, 40, 200])
        self._change(loads=steady_loads(self.now, busy=level, environments=self.dice.randint(1, 12)))

    def _change(self, **changes: object) -> None:
        versions = list(self.fleet.versions)
        if versions:
            index = self.dice.randrange(len(versions))
            versions[index] = replace(versions[index], **changes)  # type: ignore[arg-type]
            self.fleet = replace(self.fleet, versions=tuple(versions))

    def lose(self) -> None:
        self._instance(phase=InstancePhase.LOST)

    def replace(self) -> None:
        self._instance(replace_reason="a patch")

    def _instance(self, **changes: object) -> None:
        instances = list(self.fleet.instances)
        if instances:
            index = self.dice.randrange(len(instances))
            if instances[index].phase is InstancePhase.RUNNING:
                instances[index] = replace(instances[index], **changes)  # type: ignore[arg-type]
            self.fleet = replace(self.fleet, instances=tuple(instances))

    def crash(self) -> None:
        failure = EnvironmentFailure(StateReasonCode.FUNCTION_ERROR, "exit status 1", init=self.dice.random() < 0.3)
        environments = list(self.fleet.environments)
        if environments:
            index = self.dice.randrange(len(environments))
            ended = replace(environments[index], phase=EnvironmentPhase.ENDED, failure=failure, ended_at=self.now)
            environments[index] = ended
            self.fleet = replace(self.fleet, environments=tuple(environments))

    def fail_launch(self) -> None:
        code = StateReasonCode.INSUFFICIENT_CAPACITY
        failure = LaunchFailure("c7i.xlarge", self.dice.choice(ZONES).zone, self.now, code, "none left")
        self.fleet = replace(self.fleet, launch_failures=(*self.fleet.launch_failures[-5:], failure))

    def agree(self) -> None:
        """Samples that tell of the environments that are there, as those of a server do."""
        ready = Counter(
            (each.key, each.revision)
            for each in self.fleet.environments
            if each.phase is EnvironmentPhase.READY and not each.draining
        )
        versions = tuple(
            replace(each, loads=_with_ready(each.loads, ready[each.key, each.serving or each.revision]))
            for each in self.fleet.versions
        )
        self.fleet = replace(self.fleet, versions=versions)

    def quieten(self) -> None:
        """Nothing happens any more: samples of no load, arrivals, time."""
        made = planned(self.fleet, self.now)
        for _ in range(PATIENCE_MINUTES):
            self.now += MINUTE
            counts = Counter(each.key for each in self.fleet.environments)
            versions = tuple(
                replace(each, loads=steady_loads(self.now, busy=0, environments=counts[each.key]))
                for each in self.fleet.versions
            )
            made = planned(replace(self.fleet, versions=versions), self.now)
            check(self.fleet, made, self.cap)
            before = self.fleet
            self.fleet = settled(carried_out(replace(self.fleet, versions=versions), made, self.now), self.now)
            if still(before) == still(self.fleet) and not made.outcomes and not made.terminations and not moving(made):
                return
        raise AssertionError(f"not at rest after {PATIENCE_MINUTES} quiet minutes: {made.reasons}")


def still(fleet: FleetSnapshot) -> tuple[frozenset[str], frozenset[str]]:
    alive = {each.environment_id for each in fleet.environments if each.phase is not EnvironmentPhase.ENDED}
    return frozenset(each.instance_id for each in fleet.instances), frozenset(alive)


def moving(made: Plan) -> bool:
    """Something is still to come: an empty instance's grace, a back-off."""
    return made.wake_after is not None


def check(fleet: FleetSnapshot, made: Plan, cap: int) -> None:
    assert vcpu(fleet, made) <= cap
    types = {each.instance_id: each.instance_type for each in fleet.instances}
    types |= {each.instance_id: each.instance_type for each in made.launches}
    ended = {each.instance_id for each in made.terminations}
    seen: Counter[str] = Counter()
    for assignment in made.assignments:
        assert assignment.instance_id not in ended
        instance_type = types[assignment.instance_id]
        assert sum(each.shape.vcpu for each in assignment.environments) <= usable_vcpu(instance_type) + 1e-6
        assert sum(each.shape.memory_mb for each in assignment.environments) <= usable_memory_mb(instance_type)
        seen.update(each.environment_id for each in assignment.environments)
    assert all(count == 1 for count in seen.values())
    usable = {
        each.instance_id for each in fleet.instances if each.phase in (InstancePhase.PENDING, InstancePhase.RUNNING)
    }
    usable |= {each.instance_id for each in made.launches}
    assert {each.instance_id for each in made.assignments} == usable - ended
    launched = {each.zone: each for each in made.launches}
    assert set(launched) <= {zone.zone for zone in ZONES}


def ready_of_serving(fleet: FleetSnapshot) -> dict[str, tuple[int, int]]:
    return {
        str(version.key): (
            sum(1 for each in fleet.environments if (each.key, each.revision) == (version.key, version.serving)),
            version.bounds.minimum,
        )
        for version in fleet.versions
        if version.serving is not None
    }


def _with_ready(loads: tuple[LoadSample, ...], ready: int) -> tuple[LoadSample, ...]:
    return tuple(replace(load, ready_environments=ready) for load in loads)


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 25))
def test_plans_keep_the_rules_and_quiet_brings_the_fleet_to_rest(seed: int, steps: int) -> None:
    walk = Walk(seed)
    for _ in range(steps):
        walk.step()

    walk.quieten()

    reasons = planned(walk.fleet, walk.now).reasons
    for name, (ready, minimum) in ready_of_serving(walk.fleet).items():
        told = [reason.text for reason in reasons if reason.subject == name]
        # What is left at a low ceiling may be in pieces too small for one more.
        assert ready >= minimum or any("no room for" in text for text in told), name


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 15))
def test_a_second_plan_of_the_same_moment_starts_and_ends_nothing_more(seed: int, steps: int) -> None:
    walk = Walk(seed)
    for _ in range(steps):
        walk.step()
    walk.agree()
    first = planned(walk.fleet, walk.now)
    replacing = any(each.replace_reason for each in walk.fleet.instances)
    starting = any(each.phase is not EnvironmentPhase.READY for each in walk.fleet.environments)
    publishing = any(each.serving != each.revision for each in walk.fleet.versions)
    emptying = any("emptied" in reason.text for reason in first.reasons)
    if first.outcomes or first.terminations or replacing or starting or publishing or emptying:
        return  # what was waited for has come, or its turn has: the next thing may begin

    second = planned(carried_out(walk.fleet, first, walk.now), walk.now)

    assert not second.launches
    assert not second.terminations
    assert {(each.instance_id, frozenset(each.environments)) for each in second.assignments} == {
        (each.instance_id, frozenset(each.environments)) for each in first.assignments
    }
