"""A walk of the whole system from one seed: traffic, a time of trouble, and the quiet in which all must come right."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from paddock.model.errors import ApiError
from paddock.ports.clock import seeded_dice
from paddock.simulator.kernel import VirtualClock
from paddock.simulator.network import MemoryNetworkLoop, run_in_memory
from paddock.simulator.report import Report
from paddock.simulator.whole.checker import AMPLE_VCPU, Checker, Promise
from paddock.simulator.whole.happenings import Happenings
from paddock.simulator.whole.instances import RunningInstance
from paddock.simulator.whole.rest import Rest
from paddock.simulator.whole.runtimes import Event
from paddock.simulator.whole.traffic import TENANTED, Traffic
from paddock.simulator.whole.unexpected import unexpected
from paddock.simulator.whole.world import World

TROUBLE_SECONDS = 40.0
MEND_SECONDS = 2400.0
"""Several times the longest back-off of an asynchronous invocation."""
CALM_SECONDS = 20.0
LAST_ANSWERS_SECONDS = 15.0
LOOK_SECONDS = 5.0
REQUEST_SECONDS = 30.0
PLAIN = ("plain0", "plain1")
Prepare = Callable[[World], None]


class Broken(Exception):
    """Ends the walk; what is broken, the checker knows."""


class WholeScenario:
    """`prepare` may plant a bug before anything runs."""

    def __init__(self, seed: int, prepare: Prepare | None = None) -> None:
        self.seed = seed
        self.dice = seeded_dice(seed)
        self.clock = VirtualClock()
        self.report = Report(seed)
        self._prepare = prepare
        self._functions: dict[str, str] = {}
        self._over = False
        self._kill = asyncio.Event()
        self._up = asyncio.Event()

    def run(self) -> Report:
        report, loops = self.report, list[MemoryNetworkLoop]()
        try:
            with tempfile.TemporaryDirectory(prefix="paddock-sim-") as directory, unexpected(self._crashed):
                run_in_memory(self._run(Path(directory), loops), self.clock, seeded_dice(self.seed + 1))
        except* Broken:
            pass  # the checker knows what
        report.broken = self.checker.broken or self.checker.crash
        report.seconds, report.events = self.clock.monotonic(), loops[0].turns
        report.faults = self.happenings.faulted
        report.decisions = self.checker.explanations.decisions
        report.requests = self.happenings.requested + self.traffic.seen
        return report

    async def _run(self, directory: Path, loops: list[MemoryNetworkLoop]) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MemoryNetworkLoop)
        loops.append(loop)
        async with asyncio.TaskGroup() as group:
            self._prepare_world(directory, group)
            loop.every_turn = self.checker.every_turn
            serving = group.create_task(self._serve())
            await self._up.wait()
            await self._create()
            await self._trouble(group)
            await self._mend()
            await self._calm(group)
            loop.every_turn = lambda: None
            self._over = True
            self._kill.set()
            await serving
            self.traffic.callers.close()
            for instance in list(self.world.launcher.living.values()):
                self.world.launcher.kill(instance)

    def _prepare_world(self, directory: Path, group: asyncio.TaskGroup) -> None:
        report = self.report
        self.world = World(self.clock, self.dice, self.seed, directory, group)
        self.world.further_routers = self.dice.choice([0, 1, 2])
        self.checker = Checker(self.world, checks=report.checks, outcomes=report.outcomes)
        self.happenings = Happenings(self, self.world, self.checker)
        self.traffic = Traffic(self.dice, self.world.ids, self.checker)
        if self._prepare is not None:
            self._prepare(self.world)

    def _crashed(self, text: str) -> None:
        self.checker.crashed(text)

    def tell(self, text: str) -> None:
        self.report.story.append(f"{self.clock.monotonic():7.1f} s  {text}")

    # The server

    async def _serve(self) -> None:
        """A server is killed by cancelling all it was doing, wherever it was."""
        while not self._over:
            async with self.world.server():
                self._up.set()
                await self._kill.wait()
                self._kill.clear()
                self._up.clear()
            self.checker.fault()
            if not self._over:
                await asyncio.sleep(self.dice.uniform(0.1, 5))
                self.checker.fault()

    async def ask(self, request: Awaitable[Any]) -> bool:
        """AWS's errors are answers; a server that dies under a request is nobody's fault."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await request
        except (ApiError, TimeoutError) as refused:
            self.tell(f"refused: {str(refused)[:100]}")
            return False
        return True

    async def _create(self) -> None:
        for number in range(self.dice.choice([1, 2])):
            provider = f"provider{number}"
            await self.world.create_provider(provider)
            self.checker.ceilings[provider] = AMPLE_VCPU
            for place in range(self.dice.choice([1, 2])):
                name = f"f{number}{place}"
                self._functions[name] = provider
                self.checker.providers[name] = provider
                await self.world.create_function(name, provider)
                await self.publish(name)
        for name in PLAIN:
            await self.world.create_function(name, None, per_tenant=name == TENANTED)
        if await self.ask(
            self.world.call("PutFunctionConcurrency", FunctionName="plain0", ReservedConcurrentExecutions=2)
        ):
            self.checker.reserved["plain0"] = 2

    async def publish(self, name: str) -> None:
        timeout = self.dice.randrange(2, 6)
        update = self.world.call("UpdateFunctionConfiguration", FunctionName=name, Timeout=timeout)
        if await self.ask(update):
            await self.ask(self.world.call("PublishVersion", FunctionName=name, PublishTo="LATEST_PUBLISHED"))

    # Traffic and trouble

    def _begin_calls(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        self.traffic.calling = True
        return [
            group.create_task(self.traffic.call_often(group, name, self.dice.choice([0.5, 2.0, 6.0])))
            for name in (*self._functions, *PLAIN)
        ]

    def _end_calls(self, callers: list[asyncio.Task[None]]) -> None:
        self.traffic.calling = False
        for caller in callers:
            caller.cancel()

    async def _trouble(self, group: asyncio.TaskGroup) -> None:
        callers = self._begin_calls(group)
        ends_at = self.clock.monotonic() + TROUBLE_SECONDS
        while self.clock.monotonic() < ends_at:
            await asyncio.sleep(self.dice.expovariate(1 / 3))
            self._stop_if_broken()
            await self.happenings.happen()
        self.happenings.repair()
        self._end_calls(callers)

    async def set_ceiling(self, provider: str, vcpu: int) -> None:
        self.checker.lower(provider, vcpu)
        config = {"MaxVCpuCount": vcpu}
        update = self.world.call(
            "UpdateCapacityProvider", CapacityProviderName=provider, CapacityProviderScalingConfig=config
        )
        if await self.ask(update):
            intents = await self.world.store.read(lambda tx: tx.instances.select())
            intended = sum(each.instance_type.vcpu for each in intents if each.provider == provider)
            self.checker.settled(provider, vcpu, intended)

    def kill_server(self) -> None:
        self._kill.set()

    @property
    def up(self) -> bool:
        return self._up.is_set()

    @property
    def functions(self) -> tuple[str, ...]:
        return tuple(self._functions)

    def some_instance(self) -> RunningInstance | None:
        living = list(self.world.launcher.living.values())
        return self.dice.choice(living) if living else None

    def _stop_if_broken(self) -> None:
        if self.checker.broken is not None:
            raise Broken

    # Quiet

    async def _mend(self) -> None:
        """Nothing fails any more: in the end everything is at rest."""
        await self._up.wait()
        for provider in self.checker.ceilings:
            await self.set_ceiling(provider, AMPLE_VCPU)
        self.tell("quiet")
        rest = Rest(self.world, self.checker.minimums, frozenset(self._functions), frozenset(PLAIN))
        began_at = self.clock.monotonic()
        found: str | None = "nothing was looked at"
        while found is not None and self.clock.monotonic() < began_at + MEND_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            self._stop_if_broken()
            found = await rest.disturbed()
            self.report.checks[Promise.CONVERGENCE] += 1
        if found is not None:
            self.checker.break_off(Promise.CONVERGENCE, found)
        await self._check_promises()
        self._stop_if_broken()

    async def _calm(self, group: asyncio.TaskGroup) -> None:
        """All is well and callers come, also to a server that was started anew: nothing else is lost, nothing is
        refused for want of what is there, and no minimum is missed.
        """
        self.checker.calm = True
        callers = self._begin_calls(group)
        await self._watch(CALM_SECONDS)
        self.tell("the server is started anew")
        self.kill_server()
        await self._watch(CALM_SECONDS)
        self._end_calls(callers)
        await asyncio.sleep(LAST_ANSWERS_SECONDS)
        self.checker.check_answered()
        await self._check_promises()
        self._stop_if_broken()

    async def _watch(self, seconds: float) -> None:
        ends_at = self.clock.monotonic() + seconds
        while self.clock.monotonic() < ends_at:
            await asyncio.sleep(LOOK_SECONDS)
            self._stop_if_broken()

    async def _check_promises(self) -> None:
        waiting = await self.world.store.read(
            lambda tx: {msgspec.json.decode(each.payload, type=Event).call for each in tx.invocations.select()}
        )
        given = self.world.truth.given
        lost = [each for each in self.checker.accepted if not given[each] and each not in waiting]
        if lost:
            self.checker.break_off(Promise.NO_LOSS, f"{len(lost)} accepted invocations never ran: {lost[:3]}")
        if self.traffic.callers.strays:
            self.checker.break_off(Promise.ONE_ANSWER, f"{self.traffic.callers.strays} answers that nobody asked for")


def simulate_whole(seed: int, prepare: Prepare | None = None) -> Report:
    return WholeScenario(seed, prepare).run()
