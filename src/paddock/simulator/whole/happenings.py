"""What may befall the whole system. Each is a method that says what it did; None: nothing to do it to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Protocol

from paddock.model.ids import AvailabilityZone
from paddock.ports.clock import Dice
from paddock.simulator.network import MemoryServer
from paddock.simulator.report import spoken
from paddock.simulator.whole.checker import Checker
from paddock.simulator.whole.instances import RunningInstance
from paddock.simulator.whole.runtimes import Behaviour
from paddock.simulator.whole.world import World

HALF = 0.5
ZONES = tuple(AvailabilityZone(f"us-east-1{letter}") for letter in "abc")
Happening = Callable[["Happenings"], Awaitable[str | None]]


class Walk(Protocol):
    dice: Dice

    @property
    def up(self) -> bool: ...

    @property
    def functions(self) -> tuple[str, ...]: ...

    def tell(self, text: str) -> None: ...

    def kill_server(self) -> None: ...

    def some_instance(self) -> RunningInstance | None: ...

    async def ask(self, request: Awaitable[Any]) -> bool: ...

    async def publish(self, name: str) -> None: ...

    async def set_ceiling(self, provider: str, vcpu: int) -> None: ...


class Happenings:
    def __init__(self, walk: Walk, world: World, checker: Checker) -> None:
        self._walk = walk
        self._world = world
        self._checker = checker
        self._dice = walk.dice
        self.faulted: Counter[str] = Counter()
        self.requested: Counter[str] = Counter()

    async def happen(self) -> None:
        """One of all, as the dice say."""
        of_routers = self.OF_ROUTERS if self._world.further_routers else ()
        happening = self._dice.choice((*self.FAULTS, *of_routers, *self.REQUESTS))
        told = await happening(self)
        if told is not None:
            self._checker.minimums.disturbed()
            counted = self.requested if happening in self.REQUESTS else self.faulted
            counted[spoken(happening)] += 1
            self._walk.tell(told)

    def repair(self) -> None:
        launcher = self._world.launcher
        launcher.refuses = launcher.hangs = 0.0
        launcher.zones_down.clear()
        self._world.truth.behaviour = Behaviour()

    async def agent_dies(self) -> str | None:
        instance = self._walk.some_instance()
        if instance is None:
            return None
        self._checker.fault(instance.late_seconds)
        self._world.launcher.kill(instance)
        return f"{instance.request.instance_id} dies"

    async def link_is_cut(self) -> str | None:
        instance = self._walk.some_instance()
        if instance is None or instance.server is None:
            return None
        self._checker.fault(instance.late_seconds)
        instance.server.cut()
        return f"the links of {instance.request.instance_id} break"

    async def messages_are_late(self) -> str | None:
        instance = self._walk.some_instance()
        if instance is None or instance.server is None:
            return None
        seconds, server = self._dice.choice([0.3, 1.5, 5.0]), instance.server
        self._checker.fault()
        server.delay(seconds)
        lasts = self._dice.uniform(2, 15)
        self._later(lasts, lambda: server.delay(0.0))
        self._checker.minimums.disturbed(lasts + seconds)
        return f"what {instance.request.instance_id} says and hears is {seconds} s late"

    async def agent_is_unreachable(self) -> str | None:
        instance = self._walk.some_instance()
        if instance is None or instance.server is None:
            return None
        address, unreachable = instance.server.address, self._world.launcher.network.unreachable
        self._checker.fault(instance.late_seconds)
        unreachable.add(address)
        instance.server.cut()
        seconds = self._dice.choice([2.0, 8.0, 30.0])
        self._later(seconds, lambda: unreachable.discard(address))
        self._checker.minimums.disturbed(seconds)
        return f"{instance.request.instance_id} cannot be reached for {seconds} s"

    async def runtime_crashes(self) -> str | None:
        runtimes = list(self._world.truth.runtimes.values())
        if not runtimes:
            return None
        runtime = self._dice.choice(runtimes)
        runtime.crash()
        return f"{runtime.spec.environment_id} of {runtime.spec.function_name} crashes"

    def _behave(self, what: str, share: float) -> None:
        setattr(self._world.truth.behaviour, what, share)
        self._later(self._dice.uniform(3, 12), lambda: setattr(self._world.truth.behaviour, what, 0.0))

    async def handlers_hang(self) -> str:
        self._behave("hangs", 0.2)
        return "some handlers never return"

    async def handlers_crash(self) -> str:
        self._behave("crashes", 0.05)
        return "some handlers end their process"

    async def inits_fail(self) -> str:
        self._behave("init_fails", 0.7)
        return "most inits fail"

    async def launches_are_refused(self) -> str:
        self._world.launcher.refuses = 0.7
        self._later(self._dice.uniform(3, 20), lambda: setattr(self._world.launcher, "refuses", 0.0))
        return "most launches are refused"

    async def launches_hang(self) -> str:
        self._world.launcher.hangs = 0.5
        self._later(self._dice.uniform(3, 20), lambda: setattr(self._world.launcher, "hangs", 0.0))
        return "half of the launches hang"

    async def zone_is_lost(self) -> str:
        zone, launcher = self._dice.choice(ZONES), self._world.launcher
        launcher.zones_down.add(zone)
        self._checker.fault()
        for instance in list(launcher.living.values()):
            if instance.request.zone == zone:
                self._checker.fault(instance.late_seconds)
                launcher.kill(instance)
        self._later(self._dice.uniform(5, 30), lambda: launcher.zones_down.discard(zone))
        return f"zone {zone} is lost"

    async def clock_jumps(self) -> str:
        seconds = self._dice.choice([-60, -5, 5, 60])
        self._checker.fault()
        self._checker.minimums.jumped_seconds += abs(seconds)
        self._world.clock.wall_offset += timedelta(seconds=seconds)
        return f"the wall clock jumps by {seconds} s"

    async def server_dies(self) -> str | None:
        if not self._walk.up:
            return None
        self._checker.fault()
        self._walk.kill_server()
        return "the server dies"

    async def router_dies(self) -> str | None:
        siblings = [each for each in self._world.siblings.living if each.router is not None]
        if not siblings:
            return None
        self._checker.fault()
        self._dice.choice(siblings).kill()
        return "a router beside the server dies"

    def _feeds(self) -> list[MemoryServer]:
        """The server's end of what it tells the routers beside it."""
        return self._world.launcher.network.listening.get(self._world.feed_path, [])

    async def feed_is_cut(self) -> str | None:
        feeds = self._feeds()
        if not any(each.accepted for each in feeds):
            return None
        self._checker.fault()
        for feed in feeds:
            feed.cut()
        return "the routers beside the server are cut off from it"

    async def feed_is_late(self) -> str | None:
        feeds = self._feeds()
        if not any(each.accepted for each in feeds):
            return None
        late, lasts = self._dice.choice([0.3, 1.5, 5.0]), self._dice.uniform(2, 15)
        self._checker.fault(late + lasts)
        for feed in feeds:
            feed.delay(late)
            self._later(lasts, partial(feed.delay, 0.0))
        return f"the routers beside the server hear of changes {late} s late for {lasts:.0f} s"

    async def feed_is_unreachable(self) -> str | None:
        """Half of the time a router is started just then, and knows no route at all."""
        path, unreachable = self._world.feed_path, self._world.launcher.network.unreachable
        if not self._walk.up or path in unreachable:
            return None
        seconds = self._dice.uniform(1, 8)
        unreachable.add(path)
        self._later(seconds, partial(unreachable.discard, path))
        await self.feed_is_cut()
        told = await self.router_dies() if self._dice.random() < HALF else None
        self._checker.fault(seconds)
        return f"the routers beside the server cannot reach it for {seconds:.0f} s{f', {told}' if told else ''}"

    async def publish(self) -> str | None:
        if not self._walk.up:
            return None
        name = self._dice.choice(self._walk.functions)
        await self._walk.publish(name)
        return f"{name} is published anew"

    async def put_scaling(self) -> str | None:
        if not self._walk.up:
            return None
        name, minimum = self._dice.choice(self._walk.functions), self._dice.choice([1, 3, 5])
        bounds = {"MinExecutionEnvironments": minimum, "MaxExecutionEnvironments": minimum + 3}
        put = self._world.call(
            "PutFunctionScalingConfig", FunctionName=name, Qualifier="$LATEST.PUBLISHED", FunctionScalingConfig=bounds
        )
        await self._walk.ask(put)
        return f"{name} gets Min {minimum}"

    async def change_ceiling(self) -> str | None:
        if not self._walk.up:
            return None
        provider, vcpu = self._dice.choice(list(self._checker.ceilings)), self._dice.choice([12, 16, 400])
        await self._walk.set_ceiling(provider, vcpu)
        return f"MaxVCpuCount of {provider} is {vcpu}"

    async def patch(self) -> str | None:
        control_plane = self._world.control_plane
        if not self._walk.up or control_plane is None:
            return None
        await self._walk.ask(control_plane.patch(None))
        return "everything is to be patched"

    FAULTS: ClassVar[tuple[Happening, ...]] = (
        agent_dies,
        link_is_cut,
        messages_are_late,
        agent_is_unreachable,
        runtime_crashes,
        handlers_hang,
        handlers_crash,
        inits_fail,
        launches_are_refused,
        launches_hang,
        zone_is_lost,
        clock_jumps,
        server_dies,
    )
    OF_ROUTERS: ClassVar[tuple[Happening, ...]] = (router_dies, feed_is_cut, feed_is_late, feed_is_unreachable)
    REQUESTS: ClassVar[tuple[Happening, ...]] = (publish, put_scaling, change_ceiling, patch)

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(seconds, action)
