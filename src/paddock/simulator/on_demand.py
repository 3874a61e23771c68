"""Default Lambda's core by seed: what befalls its fleet, and what must hold at every event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from paddock.core.on_demand import OnDemandSnapshot
from paddock.model.fleet import ManagedInstance, Plan
from paddock.model.ids import FunctionVersionKey, RevisionId
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.simulator import on_demand_fleet as settings
from paddock.simulator.decisions import unexplained
from paddock.simulator.on_demand_fleet import (
    ACCOUNT_LIMIT,
    ANSWERED,
    FAILED_INIT,
    KEYS,
    LOST,
    RESERVED,
    OnDemandFleet,
    Promise,
)
from paddock.simulator.report import InvariantBroken, Report, spoken

TROUBLE_SECONDS, QUIET_SECONDS = 60.0, 240.0

Happening = Callable[["OnDemandScenario"], str | None]
"""Does it, and says what it did; None when there was nothing to do it to."""


class OnDemandScenario:
    def __init__(self, seed: int) -> None:
        self.fleet = OnDemandFleet(seed)
        self._kernel = self.fleet.kernel

    def run(self) -> Report:
        report = self.fleet.report
        try:
            self._walk()
        except InvariantBroken as found:
            report.broken = found
        report.seconds, report.events = self._kernel.now, self._kernel.events
        return report

    def _walk(self) -> None:
        self.fleet.on_plan = self._check_plan
        self.fleet.begin()
        self._kernel.watchers.append(self._check)
        self._kernel.after(self._kernel.dice.uniform(2, 8), self._happen)
        self._kernel.run(TROUBLE_SECONDS)
        self.fleet.stop_calling()
        self._kernel.run(TROUBLE_SECONDS + QUIET_SECONDS)
        self._check_rest()

    # What befalls it

    def _happen(self) -> None:
        if not self.fleet.calling:
            return
        dice, report = self._kernel.dice, self.fleet.report
        happening = dice.choice((*self.FAULTS, *self.REQUESTS))
        told = happening(self)
        if told is not None:
            counted = report.faults if happening in self.FAULTS else report.requests
            counted[spoken(happening)] += 1
            report.story.append(f"{self._kernel.now:7.1f} s  {told}")
        self._kernel.after(dice.uniform(2, 8), self._happen)

    def environment_crashes(self) -> str | None:
        if not self.fleet.environments:
            return None
        identity = self._kernel.dice.choice(list(self.fleet.environments))
        self.fleet.end(identity, faulted=True)
        return f"{identity} crashes"

    def instance_dies(self) -> str | None:
        instance = self._some_instance()
        if instance is None:
            return None
        self.fleet.terminate(instance.instance_id, faulted=True)
        return f"{instance.instance_id} dies"

    def agent_falls_silent(self) -> str | None:
        """What its environments do is as good as lost: the plan must end it and begin again elsewhere."""
        instance = self._some_instance()
        if instance is None or instance.phase is not InstancePhase.RUNNING:
            return None
        self.fleet.instances[instance.instance_id] = replace(instance, phase=InstancePhase.LOST)
        return f"{instance.instance_id} is not heard of any more"

    def inits_fail(self) -> str:
        return self._break("init", "inits fail")

    def launches_are_refused(self) -> str:
        return self._break("refused", "launches are refused")

    def launches_hang(self) -> str:
        return self._break("hanging", "launches hang")

    def _break(self, what: str, told: str) -> str:
        seconds = self._kernel.dice.uniform(3, 15)
        self.fleet.broken_until[what] = self._kernel.now + seconds
        return f"{told} for {seconds:.0f} s"

    def reports_are_late(self) -> str:
        return self._break("prompt", "what agents say of their environments is late")

    def server_dies(self) -> str | None:
        if not self.fleet.up:
            return None
        seconds = self._kernel.dice.uniform(0.5, 5)
        self.fleet.crash_server(seconds)
        return f"the server dies and is back after {seconds:.1f} s"

    def clock_jumps(self) -> str:
        seconds = self._kernel.dice.choice([-30, -5, 5, 30])
        self._kernel.clock.wall_offset += timedelta(seconds=seconds)
        return f"the wall clock jumps by {seconds} s"

    def publish(self) -> str:
        function = self.fleet.functions[self._kernel.dice.choice(KEYS)]
        function.version = replace(function.version, revision=RevisionId(self._kernel.ids.hex(8)))
        return f"{function.version.key} is published anew"

    def provision(self) -> str:
        function = self.fleet.functions[KEYS[2]]
        function.version = replace(function.version, provisioned=self._kernel.dice.choice([0, 1, 3]))
        return f"{function.version.provisioned} provisioned environments are asked for"

    def patch(self) -> str | None:
        instance = self._some_instance()
        if instance is None:
            return None
        self.fleet.instances[instance.instance_id] = replace(instance, replace_reason="patched")
        return f"{instance.instance_id} is to be patched"

    FAULTS: ClassVar[tuple[Happening, ...]] = (
        environment_crashes,
        instance_dies,
        agent_falls_silent,
        inits_fail,
        launches_are_refused,
        launches_hang,
        reports_are_late,
        server_dies,
        clock_jumps,
    )
    REQUESTS: ClassVar[tuple[Happening, ...]] = (publish, provision, patch)

    def _some_instance(self) -> ManagedInstance | None:
        return self._kernel.dice.choice(list(self.fleet.instances.values())) if self.fleet.instances else None

    # What must hold

    def _check(self) -> None:
        running: Counter[FunctionVersionKey] = Counter()
        for identity, calls in self.fleet.running.items():
            if calls:
                running[self.fleet.environments[identity].key] += len(calls)
                at_once = len(calls) + len(self.fleet.orphans[identity])
                self.fleet.must(at_once <= 1, Promise.ONE_REQUEST, f"{identity} runs {at_once}")
                tenants = self.fleet.served[identity]
                self.fleet.must(len(tenants) == 1, Promise.ONE_TENANT, f"{identity} has served {sorted(tenants)}")
        waiting = sum(each.waiting for each in self.fleet.functions.values())
        self.fleet.must(
            self.fleet.limits.in_flight == running.total() + waiting,
            Promise.SLOTS,
            "admitted is not what runs or waits",
        )
        ended = sum(self.fleet.report.outcomes[each] for each in (ANSWERED, LOST, FAILED_INIT))
        under_way = running.total() + waiting
        self.fleet.must(
            self.fleet.admitted == ended + under_way,
            Promise.NO_LOSS,
            f"{self.fleet.admitted} were admitted, {ended} ended",
        )
        self.fleet.must(running[KEYS[0]] <= RESERVED, Promise.RESERVED, f"{running[KEYS[0]]} of {RESERVED} run")
        others = running.total() - running[KEYS[0]]
        self.fleet.must(
            others <= ACCOUNT_LIMIT - RESERVED, Promise.ACCOUNT_LIMIT, f"{others} run beside what is reserved"
        )
        alive = len(self.fleet.environments)
        self.fleet.must(alive <= settings.SETTINGS.most_environments, Promise.ROOM, f"{alive} environments")

    def _check_plan(self, snapshot: OnDemandSnapshot, made: Plan) -> None:
        silent = unexplained(snapshot.environments, made)
        self.fleet.must(not silent, Promise.REASONS, f"no reason is given for {silent}")
        version = self.fleet.functions[KEYS[2]].version
        kept = [
            wanted
            for assignment in made.assignments
            for wanted in assignment.environments
            if wanted.provisioned and wanted.revision == version.revision and not wanted.draining
        ]
        named = {assignment.instance_id for assignment in made.assignments}
        there = [
            each
            for each in self.fleet.environments.values()
            if each.provisioned and each.revision == version.revision and not each.draining
        ]
        kept_elsewhere = [each for each in there if each.instance_id not in named]
        least = min(version.provisioned, len(there))
        self.fleet.must(len(kept) + len(kept_elsewhere) >= least, Promise.PROVISIONED, f"fewer than {least} are kept")

    def _check_rest(self) -> None:
        left = sum(each.waiting for each in self.fleet.functions.values())
        self.fleet.must(left == 0 and self.fleet.limits.in_flight == 0, Promise.CONVERGENCE, f"{left} wait for ever")
        ready = [each for each in self.fleet.environments.values() if each.phase is EnvironmentPhase.READY]
        wanted = self.fleet.functions[KEYS[2]].version.provisioned
        provisioned = sum(each.provisioned and not each.draining for each in ready)
        self.fleet.must(provisioned == wanted, Promise.CONVERGENCE, f"{provisioned} of {wanted} provisioned are ready")
        self.fleet.must(len(self.fleet.environments) == wanted, Promise.CONVERGENCE, "what is idle was not ended")


def simulate_on_demand(seed: int) -> Report:
    return OnDemandScenario(seed).run()
