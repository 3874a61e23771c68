"""What may befall the whole system. Each is a method that says what it did; None: nothing to do it to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol

from paddock.model.ids import AvailabilityZone
from paddock.ports.clock import Dice
from paddock.simulator.whole.checker import Checker
from paddock.simulator.whole.instances import RunningInstance
from paddock.simulator.whole.runtimes import Behaviour
from paddock.simulator.whole.world import World

ZONES = tuple(AvailabilityZone(f"us-east-1{letter}") for letter in "abc")
Happening = Callable[[], Awaitable[str | None]]


class Walk(Protocol):
    dice: Dice

    @property
    def up(self) -> bool: ...

    @property
    def functions(self) -> tuple[str, ...]: ...

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

    def all(self) -> tuple[Happening, ...]:
        return (
            self.agent_dies,
            self.link_is_cut,
            self.messages_are_late,
            self.agent_is_unreachable,
            self.runtime_crashes,
            self.handlers_hang,
            self.handlers_crash,
            self.inits_fail,
            self.launches_are_refused,
            self.launches_hang,
            self.zone_is_lost,
            self.clock_jumps,
            self.server_dies,
            self.publish,
            self.put_scaling,
            self.change_ceiling,
        )

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
        self._checker.fault()
        instance.server.cut()
        return f"the links of {instance.request.instance_id} break"

    async def messages_are_late(self) -> str | None:
        instance = self._walk.some_instance()
        if instance is None or instance.server is None:
            return None
        seconds, server = self._dice.choice([0.3, 1.5, 5.0]), instance.server
        self._checker.fault()
        server.delay(seconds)
        self._later(self._dice.uniform(2, 15), lambda: server.delay(0.0))
        return f"what {instance.request.instance_id} says and hears is {seconds} s late"

    async def agent_is_unreachable(self) -> str | None:
        instance = self._walk.some_instance()
        if instance is None or instance.server is None:
            return None
        address, unreachable = instance.server.address, self._world.launcher.network.unreachable
        self._checker.fault()
        unreachable.add(address)
        instance.server.cut()
        seconds = self._dice.choice([2.0, 8.0, 30.0])
        self._later(seconds, lambda: unreachable.discard(address))
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
        self._world.clock.wall_offset += timedelta(seconds=seconds)
        return f"the wall clock jumps by {seconds} s"

    async def server_dies(self) -> str | None:
        if not self._walk.up:
            return None
        self._checker.fault()
        self._walk.kill_server()
        return "the server dies"

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

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(seconds, action)
