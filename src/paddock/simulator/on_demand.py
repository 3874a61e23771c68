"""Default Lambda's core by seed: admission, slots and plans under random calls and faults, checked at every event.

Drives `core.on_demand` and `core.routing`; agents, wires and stores are left to the whole-system simulation.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from paddock.core.on_demand import Concurrency, OnDemandSettings, OnDemandSnapshot, OnDemandVersion, plan_on_demand
from paddock.core.routing.pool import EnvironmentPool, RoutedEnvironment
from paddock.model.capacity_provider import Architecture
from paddock.model.fleet import Environment, EnvironmentShape, ManagedInstance, Plan, RevisionServed, Zone
from paddock.model.ids import (
    LATEST,
    AvailabilityZone,
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    RevisionId,
    SubnetId,
)
from paddock.model.instance_types import InstanceType
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.simulator.invariants import InvariantBroken
from paddock.simulator.kernel import Kernel
from paddock.simulator.trace_fleet import CountedIds

ACCOUNT_LIMIT = 6
RESERVED = 2
TROUBLE_SECONDS, QUIET_SECONDS = 60.0, 120.0
SETTINGS = OnDemandSettings(idle=timedelta(seconds=20), most_environments=8)
KIND = InstanceType("m7i.xlarge", 4, 16.0, Architecture.X86_64)
PLACE = Zone(SubnetId("subnet-a"), AvailabilityZone("us-east-1a"))
SHAPE = EnvironmentShape(256, 0.25, 1)
KEYS = tuple(FunctionVersionKey(FunctionName(name), LATEST) for name in ("reserved", "busy", "provisioned"))


@dataclass(slots=True)
class _Function:
    version: OnDemandVersion
    waiting: deque[int] = field(default_factory=deque)
    pool: EnvironmentPool = field(default_factory=EnvironmentPool)


@dataclass(slots=True)
class OnDemandReport:
    """`broken` is None when every promise was kept."""

    seed: int
    outcomes: Counter[str]
    checks: Counter[str]
    broken: InvariantBroken | None


class OnDemandFleet:
    """One seed's functions, instance and environments."""

    def __init__(self, seed: int) -> None:
        self.kernel = Kernel(seed)
        self._ids = CountedIds()
        self.limits = Concurrency(ACCOUNT_LIMIT)
        self.functions = {key: _Function(OnDemandVersion(key, RevisionId("r0"), None, SHAPE)) for key in KEYS}
        self.instances: dict[InstanceId, ManagedInstance] = {}
        self.environments: dict[EnvironmentId, Environment] = {}
        self.routed: dict[EnvironmentId, RoutedEnvironment] = {}
        self.running: defaultdict[EnvironmentId, set[int]] = defaultdict(set)
        self.outcomes: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self._calls = 0
        self._calling = True

    def run(self) -> OnDemandReport:
        broken = None
        try:
            self._walk()
        except InvariantBroken as found:
            broken = found
        return OnDemandReport(self.kernel.seed, self.outcomes, self.checks, broken)

    def _walk(self) -> None:
        self.limits.reserve(KEYS[0].function_name, RESERVED)
        self.kernel.watchers.append(self._check)
        for key in KEYS:
            self._call_later(key)
        self.kernel.every(1.0, self._plan)
        self.kernel.after(self.kernel.dice.uniform(2, 8), self._happen)
        self.kernel.run(TROUBLE_SECONDS)
        self._calling = False
        self.kernel.run(TROUBLE_SECONDS + QUIET_SECONDS)
        self._check_rest()

    # What befalls it

    def _happen(self) -> None:
        if not self._calling:
            return
        dice = self.kernel.dice
        what = dice.choice([self._publish, self._provision, self._crash, self._lose_instance])
        what()
        self.kernel.after(dice.uniform(2, 8), self._happen)

    def _publish(self) -> None:
        function = self.functions[self.kernel.dice.choice(KEYS)]
        function.version = replace(function.version, revision=RevisionId(self.kernel.ids.hex(8)))

    def _provision(self) -> None:
        function = self.functions[KEYS[2]]
        function.version = replace(function.version, provisioned=self.kernel.dice.choice([0, 1, 3]))

    def _crash(self) -> None:
        if self.environments:
            self._end(self.kernel.dice.choice(list(self.environments)))

    def _lose_instance(self) -> None:
        if self.instances:
            self._terminate(self.kernel.dice.choice(list(self.instances)))

    # Calls

    def _call_later(self, key: FunctionVersionKey) -> None:
        self.kernel.after(self.kernel.dice.expovariate(2.0), partial(self._call, key))

    def _call(self, key: FunctionVersionKey) -> None:
        if not self._calling:
            return
        self._call_later(key)
        refused = self.limits.admit(key.function_name)
        if refused is not None:
            self.outcomes[refused] += 1
            return
        self._calls += 1
        self.functions[key].waiting.append(self._calls)
        self._give(key)
        self._plan()

    def _give(self, key: FunctionVersionKey) -> None:
        """To those who wait, what is free."""
        function = self.functions[key]
        while function.waiting:
            routed = function.pool.take()
            if routed is None:
                return
            call = function.waiting.popleft()
            identity = routed.environment_id
            self.running[identity].add(call)
            self._change(identity, in_flight=len(self.running[identity]), idle_since=None)
            self.kernel.after(self.kernel.dice.uniform(0.05, 2.0), partial(self._finish, identity, call))

    def _finish(self, identity: EnvironmentId, call: int) -> None:
        if call not in self.running[identity]:
            return
        self.running[identity].remove(call)
        environment = self.environments[identity]
        self.functions[environment.key].pool.release(self.routed[identity])
        self.limits.release(environment.key.function_name)
        self.outcomes["answered"] += 1
        self._change(identity, in_flight=len(self.running[identity]), idle_since=self.kernel.clock.now())
        if environment.draining and not self.running[identity]:
            self._end(identity)
        self._give(environment.key)

    # The fleet

    def _change(self, identity: EnvironmentId, **changes: object) -> None:
        self.environments[identity] = replace(self.environments[identity], **changes)  # type: ignore[arg-type]

    def _end(self, identity: EnvironmentId) -> None:
        """What ran there is lost with it."""
        environment = self.environments.pop(identity)
        for _ in self.running.pop(identity, ()):
            self.limits.release(environment.key.function_name)
            self.outcomes["lost with its environment"] += 1
        routed = self.routed.pop(identity, None)
        if routed is not None:
            self.functions[environment.key].pool.remove(routed)

    def _terminate(self, instance_id: InstanceId) -> None:
        self.instances.pop(instance_id, None)
        for identity in [key for key, each in self.environments.items() if each.instance_id == instance_id]:
            self._end(identity)

    def _plan(self) -> None:
        for key, function in self.functions.items():
            function.version = replace(function.version, waiting=len(function.waiting))
            self._give(key)
        snapshot = OnDemandSnapshot(
            KIND,
            PLACE,
            tuple(each.version for each in self.functions.values()),
            tuple(self.instances.values()),
            tuple(self.environments.values()),
        )
        made = plan_on_demand(snapshot, now=self.kernel.clock.now(), ids=self._ids, settings=SETTINGS)
        self._check_plan(made)
        self._carry_out(made)

    def _carry_out(self, made: Plan) -> None:
        now, dice = self.kernel.clock.now(), self.kernel.dice
        for launch in made.launches:
            self.instances[launch.instance_id] = ManagedInstance(
                launch.instance_id, launch.instance_type, launch.zone, launch.subnet_id, InstancePhase.PENDING, now
            )
            self.kernel.after(dice.uniform(0.5, 4), partial(self._arrive, launch.instance_id))
        for gone in made.terminations:
            self._terminate(gone.instance_id)
        for assignment in made.assignments:
            for wanted in assignment.environments:
                identity = wanted.environment_id
                known = self.environments.get(identity)
                if known is None and assignment.instance_id in self.instances:
                    self.environments[identity] = Environment(
                        identity, assignment.instance_id, wanted.key, wanted.revision, wanted.shape,
                        EnvironmentPhase.ASSIGNED, now, provisioned=wanted.provisioned,
                    )  # fmt: skip
                    self._start(identity)
                elif known is not None and wanted.draining and not known.draining:
                    self._drain(identity)
        for outcome in made.outcomes:
            if isinstance(outcome, RevisionServed):
                function = self.functions[outcome.key]
                function.version = replace(function.version, serving=outcome.revision)

    def _arrive(self, instance_id: InstanceId) -> None:
        instance = self.instances.get(instance_id)
        if instance is not None:
            self.instances[instance_id] = replace(instance, phase=InstancePhase.RUNNING)
            for identity, each in list(self.environments.items()):
                if each.instance_id == instance_id and each.phase is EnvironmentPhase.ASSIGNED:
                    self._start(identity)

    def _start(self, identity: EnvironmentId) -> None:
        instance = self.instances[self.environments[identity].instance_id]
        if instance.phase is InstancePhase.RUNNING:
            self._change(identity, phase=EnvironmentPhase.STARTING)
            self.kernel.after(self.kernel.dice.uniform(0.1, 1.5), partial(self._ready, identity))

    def _ready(self, identity: EnvironmentId) -> None:
        environment = self.environments.get(identity)
        if environment is None:
            return
        self._change(identity, phase=EnvironmentPhase.READY, idle_since=self.kernel.clock.now())
        slots = environment.shape.max_concurrency
        routed = RoutedEnvironment(identity, environment.instance_id, PLACE.zone, slots)
        self.routed[identity] = routed
        self.functions[environment.key].pool.add(routed)
        self._give(environment.key)

    def _drain(self, identity: EnvironmentId) -> None:
        self._change(identity, draining=True, draining_since=self.kernel.clock.now())
        routed = self.routed.get(identity)
        if routed is not None:
            self.functions[self.environments[identity].key].pool.change(routed, draining=True)
        if not self.running[identity]:
            self._end(identity)

    # What must hold

    def _must(self, holds: bool, invariant: str, text: str) -> None:
        self.checks[invariant] += 1
        if not holds:
            raise InvariantBroken(invariant, self.kernel.now, text)

    def _check(self) -> None:
        running: Counter[FunctionVersionKey] = Counter()
        for identity, calls in self.running.items():
            if calls:
                running[self.environments[identity].key] += len(calls)
                self._must(len(calls) <= 1, "one request", f"{identity} runs {len(calls)}")
        waiting = sum(len(each.waiting) for each in self.functions.values())
        self._must(self.limits.in_flight == running.total() + waiting, "slots", "admitted is not what runs or waits")
        self._must(running[KEYS[0]] <= RESERVED, "reserved", f"{running[KEYS[0]]} of {RESERVED} run")
        others = running.total() - running[KEYS[0]]
        self._must(others <= ACCOUNT_LIMIT - RESERVED, "account limit", f"{others} run beside what is reserved")
        alive = len(self.environments)
        self._must(alive <= SETTINGS.most_environments, "room", f"{alive} environments")

    def _check_plan(self, made: Plan) -> None:
        self._must(bool(made.reasons) and all(each.text for each in made.reasons), "reasons", "a plan says no reason")
        version = self.functions[KEYS[2]].version
        kept = [
            wanted
            for assignment in made.assignments
            for wanted in assignment.environments
            if wanted.provisioned and wanted.revision == version.revision and not wanted.draining
        ]
        named = {assignment.instance_id for assignment in made.assignments}
        there = [
            each
            for each in self.environments.values()
            if each.provisioned and each.revision == version.revision and not each.draining
        ]
        kept_elsewhere = [each for each in there if each.instance_id not in named]
        least = min(version.provisioned, len(there))
        self._must(len(kept) + len(kept_elsewhere) >= least, "provisioned", f"fewer than {least} are kept")

    def _check_rest(self) -> None:
        left = sum(len(each.waiting) for each in self.functions.values())
        self._must(left == 0 and self.limits.in_flight == 0, "convergence", f"{left} wait for ever")
        ready = [each for each in self.environments.values() if each.phase is EnvironmentPhase.READY]
        wanted = self.functions[KEYS[2]].version.provisioned
        provisioned = sum(each.provisioned and not each.draining for each in ready)
        self._must(provisioned == wanted, "convergence", f"{provisioned} of {wanted} provisioned are ready")
        self._must(len(self.environments) == wanted, "convergence", "what is idle was not ended")


def simulate_on_demand(seed: int) -> OnDemandReport:
    return OnDemandFleet(seed).run()
