"""Default Lambda's fleet on a virtual clock: calls, admission, slots, plans, and a launcher and agents that are played.

Drives `core.on_demand` and `core.routing`; agents, wires and stores are left to the whole-system simulation.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from functools import partial

from paddock.core.on_demand import Concurrency, OnDemandSettings, OnDemandSnapshot, OnDemandVersion, plan_on_demand
from paddock.core.routing.pool import EnvironmentPool
from paddock.core.routing.table import EnvironmentPlacement, FunctionRules, RevisionKey, RoutingTable, VersionRules
from paddock.model.arns import Place
from paddock.model.capacity_provider import Architecture
from paddock.model.fleet import (
    Environment,
    EnvironmentFailure,
    EnvironmentShape,
    InstanceAssignment,
    LaunchFailure,
    LaunchInstance,
    ManagedInstance,
    Plan,
    RevisionServed,
    Zone,
)
from paddock.model.ids import (
    LATEST,
    NO_TENANT,
    AccountId,
    AvailabilityZone,
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    Region,
    RevisionId,
    SubnetId,
    TenantId,
)
from paddock.model.instance_types import InstanceType
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode
from paddock.simulator.decisions import decided
from paddock.simulator.kernel import Kernel
from paddock.simulator.report import InvariantBroken, Report
from paddock.simulator.trace_fleet import CountedIds

ACCOUNT_LIMIT = 6
RESERVED = 2
KEPT_FAILURES = timedelta(minutes=1)
SETTINGS = OnDemandSettings(
    idle=timedelta(seconds=20),
    most_environments=8,
    init_backoff=timedelta(seconds=10),
    launch_deadline=timedelta(seconds=15),
    launch_backoff_limit=timedelta(seconds=10),
)
ANSWERED, LOST, FAILED_INIT = "answered", "lost", "failed init"
UNHEARD = "nobody listened"
KIND = InstanceType("m7i.xlarge", 4, 16.0, Architecture.X86_64)
PLACE = Zone(SubnetId("subnet-a"), AvailabilityZone("us-east-1a"))
SHAPE = EnvironmentShape(256, 0.25, 1)
NAMES = ("reserved", "busy", "provisioned", "tenants")
KEYS = tuple(FunctionVersionKey(FunctionName(name), LATEST) for name in NAMES)
TENANTED = KEYS[3]
TENANTS = (TenantId("blue"), TenantId("green"), TenantId("red"))


@dataclass(slots=True)
class _Function:
    """`queues` hold the calls that wait, by their tenant."""

    version: OnDemandVersion
    queues: defaultdict[TenantId, deque[int]] = field(default_factory=lambda: defaultdict(deque))

    @property
    def waiting(self) -> int:
        return sum(len(queue) for queue in self.queues.values())


class Promise(StrEnum):
    """What is checked. Each has a planted bug in the tests that must break it."""

    ONE_REQUEST = "one request"
    ONE_TENANT = "one tenant"
    SLOTS = "slots"
    RESERVED = "reserved"
    ACCOUNT_LIMIT = "account limit"
    ROOM = "room"
    REASONS = "reasons"
    PROVISIONED = "provisioned"
    NO_LOSS = "no loss"
    CONVERGENCE = "convergence"


class OnDemandFleet:
    """One seed's functions, instance and environments. `breaks` says what fails just now.

    `orphans` are handlers that a server which has died left running: the next one does not know what they were for, and
    sends nothing there until they have ended.
    """

    def __init__(self, seed: int) -> None:
        self.kernel = Kernel(seed)
        self._ids = CountedIds()
        self.functions = {key: _Function(OnDemandVersion(key, RevisionId("r0"), None, SHAPE)) for key in KEYS}
        self.instances: dict[InstanceId, ManagedInstance] = {}
        self.environments: dict[EnvironmentId, Environment] = {}
        self.up = True
        self.served: defaultdict[EnvironmentId, set[TenantId]] = defaultdict(set)
        self.running: defaultdict[EnvironmentId, set[int]] = defaultdict(set)
        self.orphans: defaultdict[EnvironmentId, set[int]] = defaultdict(set)
        self.report = Report(seed)
        self.failed: list[Environment] = []
        self.launch_failures: list[LaunchFailure] = []
        self.admitted = 0
        self.calling = True
        self.broken_until: dict[str, float] = {}
        self.on_plan: Callable[[OnDemandSnapshot, Plan], None] = lambda _, __: None
        self._forget()

    def begin(self) -> None:
        for key in KEYS:
            self._call_later(key)
        self.kernel.every(1.0, self.plan)

    # The server's death and return

    def _forget(self) -> None:
        """What a server has in memory, as it is when it has just begun."""
        self.limits = Concurrency(ACCOUNT_LIMIT)
        self.limits.reserve(KEYS[0].function_name, RESERVED)
        self.table = RoutingTable(Place(Region("us-east-1"), AccountId("0" * 12)))
        for key, function in self.functions.items():
            self._route(key, function.version.serving or function.version.revision)

    def crash_server(self, seconds: float) -> None:
        """Who waits or is being served sees its connection break off; what runs goes on, for nobody."""
        self.up = False
        for function in self.functions.values():
            self.report.outcomes[LOST] += function.waiting
            function.queues.clear()
        for identity, calls in self.running.items():
            self.report.outcomes[LOST] += len(calls)
            self.orphans[identity] |= calls
        self.running.clear()
        self._forget()
        self.kernel.after(seconds, self._start_server)

    def _start_server(self) -> None:
        self.up = True
        for environment in self.environments.values():
            if environment.phase is EnvironmentPhase.READY and not self.orphans[environment.environment_id]:
                self._offer(environment)
        self.plan()

    def breaks(self, what: str) -> bool:
        return self.calling and self.kernel.now < self.broken_until.get(what, 0.0)

    def stop_calling(self) -> None:
        self.calling = False

    # Calls

    def _call_later(self, key: FunctionVersionKey) -> None:
        self.kernel.after(self.kernel.dice.expovariate(2.0), partial(self._call, key))

    def _call(self, key: FunctionVersionKey) -> None:
        if not self.calling:
            return
        self._call_later(key)
        if not self.up:
            self.report.outcomes[UNHEARD] += 1
            return
        refused = self.limits.admit(key.function_name)
        if refused is not None:
            self.report.outcomes[refused] += 1
            return
        self.admitted += 1
        tenant_id = self.kernel.dice.choice(TENANTS) if key == TENANTED else NO_TENANT
        self.functions[key].queues[tenant_id].append(self.admitted)
        self._give(key)
        self.plan()

    def _give(self, key: FunctionVersionKey) -> None:
        """To those who wait, what is free."""
        for tenant_id, waiting in self.functions[key].queues.items():
            pool = self._pool(key, tenant_id)
            while waiting and (routed := pool.take()) is not None:
                call = waiting.popleft()
                identity = routed.environment_id
                self.running[identity].add(call)
                self.served[identity].add(tenant_id)
                self._change(identity, in_flight=len(self.running[identity]), idle_since=None)
                self.kernel.after(self.kernel.dice.uniform(0.05, 2.0), partial(self._finish, identity, call))

    def _pool(self, key: FunctionVersionKey, tenant_id: TenantId) -> EnvironmentPool:
        destination = self.table.destination(key)
        assert destination is not None
        return self.table.for_tenant(destination, tenant_id).pool if key == TENANTED else destination.pool

    def _route(self, key: FunctionVersionKey, revision: RevisionId) -> None:
        rules = VersionRules(LATEST, revision, 3, on_demand=True, per_tenant=key == TENANTED)
        self.table.set_function(FunctionRules(key.function_name, LATEST, (rules,)))

    def _finish(self, identity: EnvironmentId, call: int) -> None:
        if call in self.orphans[identity]:
            self._finish_orphan(identity, call)
        if call not in self.running[identity]:
            return
        self.running[identity].remove(call)
        environment = self.environments[identity]
        pool, routed = self.table.pool_of(identity), self.table.environment(identity)
        assert pool is not None
        assert routed is not None
        pool.release(routed)
        self.limits.release(environment.key.function_name)
        self.report.outcomes[ANSWERED] += 1
        self._change(identity, in_flight=len(self.running[identity]), idle_since=self.kernel.clock.now())
        if environment.draining and not self.running[identity]:
            self.end(identity, faulted=False)
        self._give(environment.key)

    def _finish_orphan(self, identity: EnvironmentId, call: int) -> None:
        self.orphans[identity].remove(call)
        self._change(identity, in_flight=0, idle_since=self.kernel.clock.now())
        if self.environments[identity].draining:
            self.end(identity, faulted=False)
        elif self.up:
            self._offer(self.environments[identity])

    # The fleet

    def _change(self, identity: EnvironmentId, **changes: object) -> None:
        self.environments[identity] = replace(self.environments[identity], **changes)  # type: ignore[arg-type]

    def end(self, identity: EnvironmentId, *, faulted: bool) -> None:
        """What ran there is lost with it, which nothing but a fault may bring about."""
        environment = self.environments.pop(identity)
        lost = len(self.running.pop(identity, ()))
        left = len(self.orphans.pop(identity, ()))
        text = f"{identity} was ended with {lost + left} invocations"
        self.must(faulted or not lost + left, Promise.NO_LOSS, text)
        for _ in range(lost):
            self.limits.release(environment.key.function_name)
            self.report.outcomes[LOST] += 1
        self.table.remove(identity)

    def terminate(self, instance_id: InstanceId, *, faulted: bool) -> None:
        self.instances.pop(instance_id, None)
        for identity in [key for key, each in self.environments.items() if each.instance_id == instance_id]:
            self.end(identity, faulted=faulted)

    def plan(self) -> None:
        if not self.up:
            return
        for key, function in self.functions.items():
            waiting = {tenant_id: len(queue) for tenant_id, queue in function.queues.items() if queue}
            without = waiting.pop(NO_TENANT, 0)
            function.version = replace(function.version, waiting=without, tenants_waiting=tuple(waiting.items()))
            self._give(key)
        snapshot = OnDemandSnapshot(
            KIND,
            PLACE,
            tuple(each.version for each in self.functions.values()),
            tuple(self.instances.values()),
            (*self.environments.values(), *self._remembered()),
            tuple(self.launch_failures),
        )
        made = plan_on_demand(snapshot, now=self.kernel.clock.now(), ids=self._ids, settings=SETTINGS)
        self.report.decisions += decided(snapshot.environments, made)
        self.on_plan(snapshot, made)
        self._carry_out(made)

    def _remembered(self) -> list[Environment]:
        """Failures older than this say nothing of the next try."""
        now = self.kernel.clock.now()
        self.failed = [each for each in self.failed if now - (each.ended_at or now) < KEPT_FAILURES]
        self.launch_failures = [each for each in self.launch_failures if now - each.at < KEPT_FAILURES]
        return self.failed

    def _carry_out(self, made: Plan) -> None:
        now = self.kernel.clock.now()
        for launch in made.launches:
            self.instances[launch.instance_id] = ManagedInstance(
                launch.instance_id, launch.instance_type, launch.zone, launch.subnet_id, InstancePhase.PENDING, now
            )
            self._launch(launch)
        for gone in made.terminations:
            instance = self.instances.get(gone.instance_id)
            if gone.launch_failed and instance is not None:
                code, kind = StateReasonCode.INTERNAL_ERROR, instance.instance_type.name
                self.launch_failures.append(LaunchFailure(kind, instance.zone, now, code, gone.reason))
            self.terminate(gone.instance_id, faulted=instance is not None and instance.phase is InstancePhase.LOST)
        for assignment in made.assignments:
            self._end_unnamed(assignment)
            for wanted in assignment.environments:
                identity = wanted.environment_id
                known = self.environments.get(identity)
                if known is None and assignment.instance_id in self.instances:
                    self.environments[identity] = Environment(
                        identity, assignment.instance_id, wanted.key, wanted.revision, wanted.shape,
                        EnvironmentPhase.ASSIGNED, now, provisioned=wanted.provisioned, tenant_id=wanted.tenant_id,
                    )  # fmt: skip
                    self._start(identity)
                elif known is not None and wanted.draining and not known.draining:
                    self._drain(identity)
        for outcome in made.outcomes:
            if isinstance(outcome, RevisionServed):
                function = self.functions[outcome.key]
                function.version = replace(function.version, serving=outcome.revision)
                self._route(outcome.key, outcome.revision)

    def _launch(self, launch: LaunchInstance) -> None:
        seconds = self.kernel.dice.uniform(0.5, 4)
        if self.breaks("refused"):
            self.kernel.after(seconds, partial(self._refuse, launch))
        elif not self.breaks("hanging"):
            self.kernel.after(seconds, partial(self._arrive, launch.instance_id))

    def _refuse(self, launch: LaunchInstance) -> None:
        code, now = StateReasonCode.INSUFFICIENT_CAPACITY, self.kernel.clock.now()
        if launch.instance_id in self.instances:
            self.terminate(launch.instance_id, faulted=True)
            self.launch_failures.append(LaunchFailure(launch.instance_type.name, launch.zone, now, code, "none left"))

    def _end_unnamed(self, assignment: InstanceAssignment) -> None:
        """What a plan does not name any more is to end at once."""
        named = {each.environment_id for each in assignment.environments}
        for identity, each in list(self.environments.items()):
            if each.instance_id == assignment.instance_id and identity not in named:
                self.end(identity, faulted=False)

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
            begun = self._fail_init if self.breaks("init") else self._ready
            late = self.kernel.dice.uniform(1, 6) if self.breaks("prompt") else 0.0
            self.kernel.after(self.kernel.dice.uniform(0.1, 1.5) + late, partial(begun, identity))

    def _fail_init(self, identity: EnvironmentId) -> None:
        """Whoever has waited longest gets the failure as its answer, as the router gives it."""
        environment = self.environments.pop(identity, None)
        if environment is None:
            return
        failure = EnvironmentFailure(StateReasonCode.FUNCTION_ERROR, "init failed", init=True)
        now = self.kernel.clock.now()
        self.failed.append(replace(environment, phase=EnvironmentPhase.ENDED, failure=failure, ended_at=now))
        queue = self.functions[environment.key].queues[environment.tenant_id]
        if queue and not environment.provisioned:
            queue.popleft()
            self.limits.release(environment.key.function_name)
            self.report.outcomes[FAILED_INIT] += 1

    def _ready(self, identity: EnvironmentId) -> None:
        environment = self.environments.get(identity)
        if environment is None:
            return
        self._change(identity, phase=EnvironmentPhase.READY, idle_since=self.kernel.clock.now())
        if self.up:
            self._offer(environment)

    def _offer(self, environment: Environment) -> None:
        self.table.set_reachable(environment.instance_id, reachable=True)
        self._place(environment, draining=environment.draining)
        self._give(environment.key)

    def _place(self, environment: Environment, *, draining: bool = False) -> None:
        key = RevisionKey(*environment.key, environment.revision, environment.tenant_id)
        slots = environment.shape.max_concurrency
        self.table.place(
            EnvironmentPlacement(environment.environment_id, environment.instance_id, PLACE.zone, key, slots, draining)
        )

    def _drain(self, identity: EnvironmentId) -> None:
        self._change(identity, draining=True, draining_since=self.kernel.clock.now())
        if self.table.environment(identity) is not None:
            self._place(self.environments[identity], draining=True)
        if not self.running[identity] and not self.orphans[identity]:
            self.end(identity, faulted=False)

    def must(self, holds: bool, invariant: Promise, text: str) -> None:
        self.report.checks[invariant] += 1
        if not holds:
            raise InvariantBroken(invariant, self.kernel.now, text)
