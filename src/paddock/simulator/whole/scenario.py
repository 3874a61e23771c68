"""A walk of the whole system from one seed: traffic, a time of trouble, and the quiet in which all must come right."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddock.model.errors import ApiError
from paddock.model.fleet import Reason
from paddock.model.ids import LATEST, LATEST_PUBLISHED, FunctionName, InvocationId
from paddock.model.states import FunctionState
from paddock.ports.clock import seeded_dice
from paddock.ports.invoker import InvokeRequest
from paddock.simulator.invariants import InvariantBroken
from paddock.simulator.kernel import VirtualClock
from paddock.simulator.network import MemoryNetworkLoop, run_in_memory
from paddock.simulator.whole.checker import Checker, SentCall
from paddock.simulator.whole.happenings import Happenings
from paddock.simulator.whole.instances import RunningInstance
from paddock.simulator.whole.world import World

TROUBLE_SECONDS = 40.0
MEND_SECONDS = 1800.0
"""Several times the longest back-off of an asynchronous invocation."""
LOOK_SECONDS = 5.0
REQUEST_SECONDS = 30.0
ANSWER_SECONDS = 330.0
"""A call of default Lambda may wait five minutes for an environment."""
AMPLE_VCPU = 400
PLAIN = ("plain0", "plain1")
Prepare = Callable[[World], None]


@dataclass(slots=True)
class WholeReport:
    """`broken` is None when every promise was kept."""

    seed: int
    seconds: float
    outcomes: Counter[str]
    checks: Counter[str]
    story: list[str] = field(repr=False)
    broken: InvariantBroken | None = None

    @property
    def digest(self) -> tuple[object, ...]:
        """The same for two runs of a seed, or they were not the same run."""
        return (self.seconds, sorted(self.outcomes.items()), sorted(self.checks.items()), tuple(self.story))


class Broken(Exception):
    """Ends the walk; what is broken, the checker knows."""


class WholeScenario:
    """`prepare` may plant a bug before anything runs."""

    def __init__(self, seed: int, prepare: Prepare | None = None) -> None:
        self.seed = seed
        self.dice = seeded_dice(seed)
        self.clock = VirtualClock()
        self.story: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self._prepare = prepare
        self._functions: dict[str, str] = {}
        self._accepted: list[str] = []
        self._over = False
        self._calling = True
        self._kill = asyncio.Event()
        self._up = asyncio.Event()

    def run(self) -> WholeReport:
        broken = None
        try:
            with tempfile.TemporaryDirectory(prefix="paddock-sim-") as directory:
                run_in_memory(self._run(Path(directory)), self.clock, seeded_dice(self.seed + 1))
        except* Broken:
            broken = self.checker.broken
        return WholeReport(self.seed, self.clock.monotonic(), self.outcomes, self.checks, self.story, broken)

    async def _run(self, directory: Path) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MemoryNetworkLoop)
        async with asyncio.TaskGroup() as group:
            self.world = World(self.clock, self.dice, self.seed, directory, group)
            self.checker = Checker(self.world, checks=self.checks)
            if self._prepare is not None:
                self._prepare(self.world)
            loop.every_turn = self.checker.every_turn
            serving = group.create_task(self._serve())
            await self._up.wait()
            await self._create()
            callers = [group.create_task(self._call_often(group, name)) for name in (*self._functions, *PLAIN)]
            await self._trouble()
            self._calling = False
            for caller in callers:
                caller.cancel()
            await self._mend()
            self._over = True
            self._kill.set()
            await serving
            for instance in list(self.world.launcher.living.values()):
                self.world.launcher.kill(instance)

    def _tell(self, text: str) -> None:
        self.story.append(f"{self.clock.monotonic():7.1f} s  {text}")

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
            self._tell(f"refused: {str(refused)[:100]}")
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
            await self.world.create_function(name, None)
        if await self.ask(
            self.world.call("PutFunctionConcurrency", FunctionName="plain0", ReservedConcurrentExecutions=2)
        ):
            self.checker.reserved["plain0"] = 2

    async def publish(self, name: str) -> None:
        timeout = self.dice.randrange(2, 6)
        update = self.world.call("UpdateFunctionConfiguration", FunctionName=name, Timeout=timeout)
        if await self.ask(update):
            await self.ask(self.world.call("PublishVersion", FunctionName=name, PublishTo="LATEST_PUBLISHED"))

    # Traffic

    async def _call_often(self, group: asyncio.TaskGroup, name: str) -> None:
        rate = self.dice.choice([0.5, 2.0, 6.0])
        while self._calling:
            await asyncio.sleep(self.dice.expovariate(rate))
            if self._up.is_set():
                group.create_task(self._call(name, asynchronous=self.dice.random() < 0.25))

    async def _call(self, name: str, *, asynchronous: bool) -> None:
        world = self.world
        router, control_plane = world.router, world.control_plane
        if router is None or control_plane is None:
            return
        call = SentCall(world.ids.uuid(), name, asynchronous, self.clock.monotonic())
        request = InvokeRequest(FunctionName(name), None, InvocationId(call.invocation_id), b"{}")
        if asynchronous:
            try:
                await control_plane.async_queue.put(request)
            except asyncio.CancelledError:
                if self._over or not self._calling:
                    raise
                self.outcomes["never accepted"] += 1
            else:
                self.outcomes["accepted"] += 1
                self._accepted.append(call.invocation_id)
            return
        self.checker.synchronous.add(call.invocation_id)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                result = await router.invoke(request)
        except TimeoutError:
            if world.router is router:
                self.checker.break_off("one answer", f"{call.invocation_id} of {name} was never answered")
            self.outcomes["lost with the server"] += 1
            return
        self.checker.synchronous.discard(call.invocation_id)
        self.outcomes[result.function_error or result.error_code or "answered"] += 1
        self.checker.answered(call, result.status, result.error_code, result.function_error)

    # Trouble

    async def _trouble(self) -> None:
        happenings = Happenings(self, self.world, self.checker)
        ends_at = self.clock.monotonic() + TROUBLE_SECONDS
        while self.clock.monotonic() < ends_at:
            await asyncio.sleep(self.dice.expovariate(1 / 3))
            self._stop_if_broken()
            happening = self.dice.choice(happenings.all())
            told = await happening()
            if told is not None:
                self._tell(told)
        happenings.repair()

    async def set_ceiling(self, provider: str, vcpu: int) -> None:
        self.checker.lower(provider, vcpu)
        config = {"MaxVCpuCount": vcpu}
        update = self.world.call(
            "UpdateCapacityProvider", CapacityProviderName=provider, CapacityProviderScalingConfig=config
        )
        if await self.ask(update):
            self.checker.settled(provider, vcpu)

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
        await self._up.wait()
        for provider in self.checker.ceilings:
            await self.set_ceiling(provider, AMPLE_VCPU)
        self._tell("quiet")
        found: str | None = "nothing was looked at"
        ends_at = self.clock.monotonic() + MEND_SECONDS
        while found is not None and self.clock.monotonic() < ends_at:
            await asyncio.sleep(LOOK_SECONDS)
            self._stop_if_broken()
            found = await self._unrest()
        if found is not None:
            self.checker.break_off("convergence", found)
        reasons, waiting = await self.world.store.read(
            lambda tx: (
                [each.reasons for each in tx.plans.select()],
                {str(each.invocation_id) for each in tx.invocations.select()},
            )
        )
        self._check_promises(reasons, waiting)
        self._stop_if_broken()

    async def _unrest(self) -> str | None:
        versions, intents, waiting = await self.world.store.read(
            lambda tx: (tx.versions.select(), tx.instances.select(), tx.invocations.select())
        )
        serving = {each.function_name for each in versions if each.serving is not None} | set(PLAIN)
        left = sum(each.function_name in serving for each in waiting)  # what never served is tried for six hours
        if {each.instance_id for each in intents} != set(self.world.launcher.living):
            return f"{len(intents)} instances are recorded, {len(self.world.launcher.living)} run"
        if left:
            return f"{left} asynchronous invocations wait"
        living = Counter(
            runtime.spec.function_name for runtime in self.world.truth.runtimes.values() if not runtime.spec.draining
        )
        for version in versions:
            if version.key.version == LATEST or version.function_name not in self._functions:
                continue
            if version.state in {FunctionState.PENDING, FunctionState.DEACTIVATING, FunctionState.DELETING}:
                return f"{version.key} is {version.state}"
            is_served = version.key.version == LATEST_PUBLISHED and version.state is FunctionState.ACTIVE
            if is_served and living[version.function_name] < version.bounds.minimum:
                ready = living[version.function_name]
                return f"{version.key} has {ready} of {version.bounds.minimum} environments"
        router = self.world.router
        # A handler that never returns holds its slot until its environment is replaced.
        if router is None or sum(each.in_flight for each in router.statistics()) > router.held_slots:
            return "slots are taken and nobody waits"
        return None

    def _check_promises(self, reasons: list[tuple[Reason, ...]], waiting: set[str]) -> None:
        if not all(reasons):
            self.checker.break_off("reasons", "a plan was kept without a reason")
        lost = [each for each in self._accepted if not self.world.truth.given[each] and each not in waiting]
        if lost:
            self.checker.break_off("no loss", f"{len(lost)} accepted invocations never ran: {lost[:3]}")


def simulate_whole(seed: int, prepare: Prepare | None = None) -> WholeReport:
    return WholeScenario(seed, prepare).run()
