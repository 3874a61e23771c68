"""What must hold of the whole system, looked at whenever anything has changed: at what really runs, not at records."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from paddock.core.placement import usable_memory_mb, usable_vcpu
from paddock.model.ids import InstanceId
from paddock.simulator.invariants import InvariantBroken
from paddock.simulator.whole.world import ACCOUNT_CONCURRENCY, World

HEARD_SECONDS = 1.0
"""Until a death is heard of, calls are still sent there."""
FORGET_SECONDS = 20.0
"""After a fault, what was sent before it has ended by then: a timeout and the agent's fence."""
MOST_LATE_FAULTS = 8
"""News of an earlier fault may arrive after that of a later one."""
_TOLERANCE = 1e-6


@dataclass(slots=True)
class SentCall:
    """A synchronous call, or an asynchronous one that was accepted."""

    invocation_id: str
    function: str
    asynchronous: bool
    at: float


@dataclass
class Checker:
    """`ceilings` are what the server has answered; one that was lowered holds for what is launched after it.

    `faults` are the moments of all that may lose a call. `reserved` is of default Lambda's functions.
    """

    world: World
    providers: dict[str, str] = field(default_factory=dict)
    ceilings: dict[str, int] = field(default_factory=dict)
    reserved: dict[str, int] = field(default_factory=dict)
    faults: list[float] = field(default_factory=list)
    synchronous: set[str] = field(default_factory=set)
    checks: Counter[str] = field(default_factory=Counter)
    broken: InvariantBroken | None = None
    _allowed: dict[str, int] = field(default_factory=dict)
    _generations: dict[InstanceId, int] = field(default_factory=dict)
    _seen: int = -1

    def fault(self, heard_after: float = 0.0) -> None:
        """`heard_after`: the news of it travels on a link that is late by so many seconds."""
        self.faults.append(self.world.clock.monotonic() + heard_after)

    def break_off(self, invariant: str, text: str) -> None:
        if self.broken is None:
            self.broken = InvariantBroken(invariant, self.world.clock.monotonic(), text)

    def every_turn(self) -> None:
        changes = self.world.truth.changes
        if changes == self._seen:
            return
        self._seen = changes
        self._check_ceilings()
        for instance_id, instance in self.world.launcher.living.items():
            self._check_instance(instance_id, instance.request.provider)
        self._check_runtimes()

    def lower(self, provider: str, vcpu: int) -> None:
        """Until it is answered, either may hold."""
        self._allowed[provider] = max(self._allowed.get(provider, 0), self.ceilings[provider], vcpu)

    def _check_ceilings(self) -> None:
        used: Counter[str] = Counter()
        for instance in self.world.launcher.living.values():
            used[instance.request.provider] += instance.request.instance_type.vcpu
        for provider, ceiling in self.ceilings.items():
            self.checks["ceiling"] += 1
            if used[provider] > max(ceiling, self._allowed.get(provider, 0)):
                self.break_off("ceiling", f"{used[provider]} vCPU of {provider} run under {ceiling}")

    def settled(self, provider: str, ceiling: int) -> None:
        """The server has answered; what runs above it may only become less."""
        self.ceilings[provider] = ceiling
        living = self.world.launcher.living.values()
        used = sum(each.request.instance_type.vcpu for each in living if each.request.provider == provider)
        self._allowed[provider] = max(ceiling, used)

    def _check_instance(self, instance_id: InstanceId, provider: str) -> None:
        self.checks["room"] += 1
        instance = self.world.launcher.living[instance_id]
        runtimes = self.world.truth.runtimes
        specs = [runtimes[name].spec for name in instance.agent.environments if name in runtimes]
        if provider in self.ceilings:
            vcpu, memory = sum(spec.vcpu for spec in specs), sum(spec.memory_mb for spec in specs)
            kind = instance.request.instance_type
            if vcpu > usable_vcpu(kind) + _TOLERANCE or memory > usable_memory_mb(kind):
                self.break_off("room", f"{instance_id} ({kind.name}) runs {vcpu} vCPU, {memory} MB")
        for spec in specs:
            if self.providers.get(spec.function_name, provider) != provider and provider in self.ceilings:
                self.break_off("one provider", f"{spec.function_name} runs on {instance_id} of {provider}")
        generation = instance.agent._ledger.generation  # noqa: SLF001  # nothing else says it as it is
        if generation < self._generations.get(instance_id, 0):
            self.break_off("generation", f"{instance_id} went back to {generation}")
        self._generations[instance_id] = generation

    def _check_runtimes(self) -> None:
        self.checks["slots"] += 1
        on_demand: Counter[str] = Counter()
        for runtime in self.world.truth.runtimes.values():
            spec, running = runtime.spec, len(runtime.running)
            if running > spec.max_concurrency:
                self.break_off("slots", f"{spec.environment_id} runs {running} of {spec.max_concurrency}")
            if spec.function_name not in self.providers:
                on_demand[spec.function_name] += running
        for invocation_id in self.synchronous:
            if self.world.truth.given[invocation_id] > 1:
                self.break_off("one slot", f"{invocation_id} was given to two")
        if self._recent(FORGET_SECONDS):
            return  # what an earlier server sent, or a lost agent, still runs and no new one can count it
        if sum(on_demand.values()) > ACCOUNT_CONCURRENCY:
            self.break_off("account limit", f"{sum(on_demand.values())} invocations of default Lambda run")
        for function, reserved in self.reserved.items():
            self.checks["reserved"] += 1
            if on_demand[function] > reserved:
                self.break_off("reserved", f"{on_demand[function]} of {function} run; {reserved} are reserved")

    def _recent(self, seconds: float) -> bool:
        return any(self.world.clock.monotonic() - at <= seconds for at in self.faults[-MOST_LATE_FAULTS:])

    def answered(self, call: SentCall, status: int, error: str | None, function_error: str | None) -> None:
        """A synchronous call is lost only where something failed while it was under way."""
        self.checks["calls"] += 1
        excused = any(at >= call.at - HEARD_SECONDS for at in self.faults)
        excused = excused or self.world.truth.failed_at.get(call.function, -math.inf) >= call.at - HEARD_SECONDS
        ran = self.world.truth.given[call.invocation_id]
        if status == 200 and function_error is None and not ran:
            self.break_off("one answer", f"{call.invocation_id} was answered and never ran")
        if status >= 500 and not excused:
            self.break_off("no loss", f"{call.invocation_id} of {call.function} ended with {status}: {error}")
