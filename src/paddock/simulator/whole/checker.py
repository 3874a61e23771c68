"""What must hold of the whole system, looked at whenever anything has changed: at what really runs, not at records."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from paddock.core.placement import usable_memory_mb, usable_vcpu
from paddock.model.ids import DEFAULT_LAMBDA, CapacityProviderName, InstanceId
from paddock.simulator.report import CRASH, InvariantBroken
from paddock.simulator.whole.callers import Manner
from paddock.simulator.whole.minimums import Minimums
from paddock.simulator.whole.reasons import Explanations
from paddock.simulator.whole.traffic import Ears, Form, Heard, SentCall
from paddock.simulator.whole.world import ACCOUNT_CONCURRENCY, World

HEARD_SECONDS = 1.0
"""Until a death is heard of, calls are still sent there."""
FORGET_SECONDS = 20.0
"""After a fault, what was sent before it has ended by then: a timeout and the agent's fence."""
AMPLE_VCPU = 400
"""A ceiling under which there is always room."""
MOST_LATE_FAULTS = 8
"""News of an earlier fault may arrive after that of a later one."""
OK, ACCEPTED, NOT_FOUND, CONFLICT, THROTTLED = 200, 202, 404, 409, 429
_OUTCOMES = {ACCEPTED: "accepted", NOT_FOUND: "not found", CONFLICT: "conflict", THROTTLED: "throttled"}
_TOLERANCE = 1e-6


class Promise(StrEnum):
    """What is checked. Each has a planted bug in the tests that must break it."""

    CEILING = "ceiling"
    MINIMUM = "minimum"
    CAPACITY = "capacity"
    ROOM = "room"
    ONE_PROVIDER = "one provider"
    GENERATION = "generation"
    SLOTS = "slots"
    ONE_SLOT = "one slot"
    ONE_TENANT = "one tenant"
    RESERVED = "reserved"
    ACCOUNT_LIMIT = "account limit"
    ONE_ANSWER = "one answer"
    NO_LOSS = "no loss"
    KNOWN = "known"
    REASONS = "reasons"
    CONVERGENCE = "convergence"


@dataclass
class Checker(Ears):
    """`ceilings` are what the server has answered; one that was lowered holds for what is launched after it.

    `faults` are the moments of all that may lose a call. `reserved` is of default Lambda's functions; `known` are those
    that have answered. `calm` is when nothing has failed for long and nothing is excused, no minimum missed either.
    """

    world: World
    providers: dict[str, str] = field(default_factory=dict)
    ceilings: dict[str, int] = field(default_factory=dict)
    reserved: dict[str, int] = field(default_factory=dict)
    faults: list[float] = field(default_factory=list)
    synchronous: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    accepted: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    calm: bool = False
    checks: Counter[str] = field(default_factory=Counter)
    broken: InvariantBroken | None = None
    crash: InvariantBroken | None = None
    _allowed: dict[str, int] = field(default_factory=dict)
    _generations: dict[InstanceId, int] = field(default_factory=dict)
    _crowded_at: dict[str, float] = field(default_factory=dict)
    _seen: tuple[int, int] = (-1, -1)

    def __post_init__(self) -> None:
        self.minimums = Minimums(self.world, self.providers)
        self.explanations = Explanations(self.world)

    def fault(self, lasts: float = 0.0) -> None:
        """`lasts`: for so many seconds, e.g. because the news of it travels on a link that is late."""
        self.faults.append(self.world.clock.monotonic() + lasts)
        self.minimums.disturbed(lasts)

    def break_off(self, invariant: Promise, text: str) -> None:
        if self.broken is None:
            self.broken = InvariantBroken(invariant, self.world.clock.monotonic(), text)

    def crashed(self, text: str) -> None:
        """The product caught what it did not expect, and went on: a promise that is broken by it says more."""
        if self.crash is None:
            self.crash = InvariantBroken(CRASH, self.world.clock.monotonic(), text)

    def every_turn(self) -> None:
        changes = (self.world.truth.changes, self.world.store.writes)
        if changes == self._seen and self.world.clock.monotonic() <= self.minimums.due_at:
            return
        if changes[1] != self._seen[1]:
            self._check_plans()
        self._seen = changes
        self._check_ceilings()
        for instance_id, instance in self.world.launcher.living.items():
            self._check_instance(instance_id, instance.request.provider)
        self._check_runtimes()
        self._check_tenants()
        self._check_minimums()
        if self.calm:
            spare = len(self.world.routers())  # each may have sent one there of which the others do not know
            self._crowded_at.update(dict.fromkeys(self.minimums.crowded(spare), self.world.clock.monotonic()))

    def _check_plans(self) -> None:
        for kept, silent in self.explanations.new_plans(map(CapacityProviderName, self.ceilings)):
            self.checks[Promise.REASONS] += 1
            if silent or not kept.reasons:
                text = f"plan {kept.number} of {kept.provider} gives no reason for {silent or 'anything'}"
                self.break_off(Promise.REASONS, text)

    def _check_minimums(self) -> None:
        self.checks[Promise.MINIMUM] += 1
        below = self.minimums.below() if self.calm else self.minimums.overdue()
        if below is not None:
            self.break_off(Promise.MINIMUM, below)

    def lower(self, provider: str, vcpu: int) -> None:
        """Until it is answered, either may hold."""
        if vcpu < AMPLE_VCPU:
            self.minimums.narrow.add(provider)
        self._allowed[provider] = max(self._allowed.get(provider, 0), self.ceilings[provider], vcpu)

    def _check_ceilings(self) -> None:
        used: Counter[str] = Counter()
        for instance in self.world.launcher.living.values():
            used[instance.request.provider] += instance.request.instance_type.vcpu
        for provider, ceiling in self.ceilings.items():
            self.checks[Promise.CEILING] += 1
            if used[provider] > max(ceiling, self._allowed.get(provider, 0)):
                self.break_off(Promise.CEILING, f"{used[provider]} vCPU of {provider} run under {ceiling}")

    def settled(self, provider: str, ceiling: int, intended: int) -> None:
        """The server has answered; what runs above it, or was about to (`intended` vCPU), may only become less."""
        self.ceilings[provider] = ceiling
        if ceiling >= AMPLE_VCPU:
            self.minimums.narrow.discard(provider)
            self.minimums.disturbed()
        living = self.world.launcher.living.values()
        used = sum(each.request.instance_type.vcpu for each in living if each.request.provider == provider)
        self._allowed[provider] = max(ceiling, used, intended)

    def _check_instance(self, instance_id: InstanceId, provider: str) -> None:
        self.checks[Promise.ROOM] += 1
        instance = self.world.launcher.living[instance_id]
        runtimes = self.world.truth.runtimes
        specs = [runtimes[name].spec for name in instance.agent.environments if name in runtimes]
        if provider in self.ceilings:
            vcpu, memory = sum(spec.vcpu for spec in specs), sum(spec.memory_mb for spec in specs)
            kind = instance.request.instance_type
            if vcpu > usable_vcpu(kind) + _TOLERANCE or memory > usable_memory_mb(kind):
                self.break_off(Promise.ROOM, f"{instance_id} ({kind.name}) runs {vcpu} vCPU, {memory} MB")
        for spec in specs:
            self.checks[Promise.ONE_PROVIDER] += 1
            if self.providers.get(spec.function_name, DEFAULT_LAMBDA) != provider:
                self.break_off(Promise.ONE_PROVIDER, f"{spec.function_name} runs on {instance_id} of {provider}")
        self.checks[Promise.GENERATION] += 1
        generation = instance.agent._ledger.generation  # noqa: SLF001  # nothing else says it as it is
        if generation < self._generations.get(instance_id, 0):
            self.break_off(Promise.GENERATION, f"{instance_id} went back to {generation}")
        self._generations[instance_id] = generation

    def _check_runtimes(self) -> None:
        self.checks[Promise.SLOTS] += 1
        on_demand: Counter[str] = Counter()
        for runtime in self.world.truth.runtimes.values():
            spec, running = runtime.spec, len(runtime.running)
            if running > spec.max_concurrency:
                self.break_off(Promise.SLOTS, f"{spec.environment_id} runs {running} of {spec.max_concurrency}")
            if spec.function_name not in self.providers:
                on_demand[spec.function_name] += running
        for call_id in self.synchronous:
            self.checks[Promise.ONE_SLOT] += 1
            if self.world.truth.given[call_id] > 1:
                self.break_off(Promise.ONE_SLOT, f"{call_id} was given to two")
        if self._recent(FORGET_SECONDS):
            return  # what an earlier server sent, or a lost agent, still runs and no new one can count it
        self.checks[Promise.ACCOUNT_LIMIT] += 1
        unreserved = sum(running for function, running in on_demand.items() if function not in self.reserved)
        if unreserved > ACCOUNT_CONCURRENCY - sum(self.reserved.values()):
            text = f"{unreserved} invocations of default Lambda run beside what is reserved"
            self.break_off(Promise.ACCOUNT_LIMIT, text)
        for function, reserved in self.reserved.items():
            self.checks[Promise.RESERVED] += 1
            if on_demand[function] > reserved:
                self.break_off(Promise.RESERVED, f"{on_demand[function]} of {function} run; {reserved} are reserved")

    def _check_tenants(self) -> None:
        for environment_id in self.world.truth.runtimes:
            self.checks[Promise.ONE_TENANT] += 1
            served = self.world.truth.served.get(environment_id, ())
            if len(served) > 1:
                self.break_off(Promise.ONE_TENANT, f"{environment_id} has served {sorted(served)}")

    def _recent(self, seconds: float) -> bool:
        return any(self.world.clock.monotonic() - at <= seconds for at in self.faults[-MOST_LATE_FAULTS:])

    # What callers hear

    def begun(self, call: SentCall) -> None:
        if call.form is not Form.EVENT:
            self.synchronous.add(call.call_id)

    def never_answered(self, call: SentCall) -> None:
        """However long it waits, a caller is told something, or sees its connection break off."""
        self.break_off(Promise.ONE_ANSWER, f"{call.call_id} of {call.function} was never answered")

    def check_answered(self) -> None:
        """When nothing has failed, and the last call came long ago."""
        if self.synchronous:
            text = f"{len(self.synchronous)} calls were not answered: {sorted(self.synchronous)[:3]}"
            self.break_off(Promise.ONE_ANSWER, text)

    def heard(self, call: SentCall, heard: Heard | None) -> None:
        self.synchronous.discard(call.call_id)
        if heard is None:
            self.outcomes["left" if call.manner is Manner.LEAVES else "nobody listened"] += 1
            is_down = self.world.router is None
            if call.manner is not Manner.LEAVES and not is_down and not self._excused(call):
                self.break_off(Promise.NO_LOSS, f"nobody listened to {call.call_id} of {call.function}")
            return
        self.outcomes[_named(heard)] += 1
        if self.calm and call.function in self.providers:
            self._check_capacity(call, heard)
        self.checks[Promise.NO_LOSS] += 1
        self.checks[Promise.KNOWN] += call.function in self.known
        if heard.status in {OK, ACCEPTED}:
            self.known.add(call.function)
            self._check_answer(call, heard)
        elif heard.status == NOT_FOUND:
            self._check_known(call)
        elif heard.status == CONFLICT:
            if self.calm and call.function in self.known:  # another one's only publish may have failed
                self._check_loss(call, heard)
        elif heard.status != THROTTLED:
            self._check_loss(call, heard)

    def _check_capacity(self, call: SentCall, heard: Heard) -> None:
        """Nobody is refused while slots are free, also not by a server or a router that has just begun."""
        self.checks[Promise.CAPACITY] += 1
        is_crowded = self._crowded_at.get(call.function, -math.inf) >= call.at - HEARD_SECONDS
        if heard.status == THROTTLED and not is_crowded:
            self.break_off(Promise.CAPACITY, f"{call.call_id} of {call.function} was refused while slots were free")

    def _check_answer(self, call: SentCall, heard: Heard) -> None:
        self.checks[Promise.ONE_ANSWER] += 1
        if heard.status == ACCEPTED:
            self.accepted.append(call.call_id)
        elif heard.function_failed:
            if self.calm:
                self.break_off(Promise.NO_LOSS, f"{call.call_id} of {call.function} failed: {heard.body[:200]!r}")
        elif not self.world.truth.given[call.call_id]:
            self.break_off(Promise.ONE_ANSWER, f"{call.call_id} was answered and never ran")
        elif heard.body != call.expected():
            self.break_off(Promise.ONE_ANSWER, f"{call.call_id} got another's answer: {heard.body[:60]!r}")

    def _check_known(self, call: SentCall) -> None:
        """No fault excuses it: what is there is there for every router."""
        if call.function in self.known:
            self.break_off(Promise.KNOWN, f"{call.call_id}: {call.function} was not found")

    def _check_loss(self, call: SentCall, heard: Heard) -> None:
        """A call is lost only where something failed while it was under way."""
        if not self._excused(call):
            text = f"{call.call_id} of {call.function} ended with {heard.status}: {heard.error}"
            self.break_off(Promise.NO_LOSS, text)

    def _excused(self, call: SentCall) -> bool:
        failed = (*self.faults, self.world.truth.failed_at.get(call.function, -math.inf))
        return any(at >= call.at - HEARD_SECONDS for at in failed)


def _named(heard: Heard) -> str:
    if heard.status == OK:
        return "function error" if heard.function_failed else "answered"
    return _OUTCOMES.get(heard.status, "lost")
