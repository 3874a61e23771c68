"""The real control plane under random trouble on virtual time: handlers, store, reconcilers, executor, planning.

Launcher and agents are played. A server is killed by cancelling all it was doing, wherever it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from paddock.controlplane import control_plane
from paddock.core.placement import usable_memory_mb, usable_vcpu
from paddock.core.planning import plan
from paddock.model.errors import ApiError
from paddock.model.fleet import FleetSnapshot, Plan
from paddock.model.function import FunctionVersion
from paddock.model.ids import LATEST, InstanceId
from paddock.model.states import FunctionState, LastUpdateStatus, StateReasonCode
from paddock.ports.launcher import LaunchError
from paddock.wire.agent import EnvironmentFailureReport
from tests.controlplane.fakes import PlayedAgent
from tests.controlplane.virtual_time import run_virtually
from tests.controlplane.world import PUBLISHED, World, agents_of

TROUBLE_SECONDS = 90.0
MEND_SECONDS = 1800.0
AMPLE_VCPU = 400
INIT_FAILURE = EnvironmentFailureReport("Runtime.ImportModuleError", "FunctionError.RuntimeInitError", "no app", True)
FUNCTIONS = ("f0", "f1", "f2")


class Trouble:
    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.world = World()
        self.story: list[str] = []
        self.allowed_vcpu = AMPLE_VCPU
        self.ceiling = AMPLE_VCPU
        self.over = False
        self._is_up = asyncio.Event()
        self._restart = asyncio.Event()

    @property
    def up(self) -> bool:
        return self._is_up.is_set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(self._serve())
            watching = group.create_task(self._watch())
            await self._is_up.wait()
            await self.world.create_provider()
            await self._trouble()
            await self._mend()
            self.over = True
            self._restart.set()
            await serving
            watching.cancel()

    async def _serve(self) -> None:
        while not self.over:
            async with self.world.server():
                self._is_up.set()
                await self._restart.wait()
                self._restart.clear()
                self._is_up.clear()
            for agent in agents_of(self.world):
                agent.disconnect()
            await asyncio.sleep(self.dice.uniform(0, 5))

    async def _trouble(self) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + TROUBLE_SECONDS
        happenings = [
            self.publish,
            self.publish,
            self.put_scaling,
            self.delete,
            self.change_ceiling,
            self.break_init,
            self.kill_agent,
            self.silence_agent,
            self.disconnect_agent,
            self.refuse_launches,
            self.load,
            self.crash_environment,
            self.restart_server,
        ]
        while loop.time() < ends_at:
            await asyncio.sleep(self.dice.expovariate(1 / 3))
            happening = self.dice.choice(happenings)
            self.story.append(f"{loop.time():6.1f} s  {happening.__name__}")
            await happening()

    async def asked(self, request: Awaitable[Any]) -> None:
        """A client's request: AWS's errors are answers, and a server that dies under it is nobody's fault."""
        try:
            async with asyncio.timeout(30):
                await request
        except ApiError as refused:
            self.story.append(f"          refused: {refused}")

    # Requests

    async def publish(self) -> None:
        if not self.up:
            return
        name = self.dice.choice(FUNCTIONS)
        await self.asked(self.world.create_function(name))
        await self.asked(self.world.publish(name, timeout=self.dice.randint(1, 800)))

    async def put_scaling(self) -> None:
        if not self.up:
            return
        minimum = self.dice.choice([0, 1, 3, 5])
        maximum = self.dice.choice([minimum, minimum + 3])
        bounds = {"MinExecutionEnvironments": minimum, "MaxExecutionEnvironments": maximum}
        name = self.dice.choice(FUNCTIONS)
        put = self.world.call(
            "PutFunctionScalingConfig", FunctionName=name, Qualifier=PUBLISHED, FunctionScalingConfig=bounds
        )
        await self.asked(put)

    async def delete(self) -> None:
        if self.up and self.dice.random() < 0.3:
            await self.asked(self.world.call("DeleteFunction", FunctionName=self.dice.choice(FUNCTIONS)))

    async def change_ceiling(self) -> None:
        if self.up:
            await self.set_ceiling(self.dice.choice([12, 16, 24, AMPLE_VCPU]))

    async def set_ceiling(self, vcpu: int) -> None:
        """What the server is told counts once it has answered; what it may still launch before, counts too."""
        self.allowed_vcpu = max(self.allowed_vcpu, vcpu)
        config = {"MaxVCpuCount": vcpu}
        update = self.world.call(
            "UpdateCapacityProvider", CapacityProviderName="steady", CapacityProviderScalingConfig=config
        )
        await self.asked(update)
        provider = await self.world.store.read(lambda tx: tx.capacity_providers.select())
        self.ceiling = provider[0].scaling_config.max_vcpu_count

    # Faults

    async def break_init(self) -> None:
        self.world.behaviour.init_failure = INIT_FAILURE
        asyncio.get_running_loop().call_later(self.dice.uniform(1, 6), self._repair_init)

    def _repair_init(self) -> None:
        self.world.behaviour.init_failure = None

    def _some_agent(self) -> PlayedAgent | None:
        agents = agents_of(self.world)
        return self.dice.choice(agents) if agents else None

    async def kill_agent(self) -> None:
        agent = self._some_agent()
        if agent is not None:
            self.world.launcher.kill(InstanceId(agent.instance_id), "killed")

    async def silence_agent(self) -> None:
        """Cut off: longer than its lease, the agent fences itself."""
        agent = self._some_agent()
        if agent is None or agent.silent:
            return
        agent.silent = True
        seconds = self.dice.choice([2.0, 6.0, 12.0, 30.0])
        loop = asyncio.get_running_loop()
        if seconds > 15:
            loop.call_later(15, self.world.launcher.kill, InstanceId(agent.instance_id), "fenced")
        loop.call_later(seconds, self._hear_again, agent)

    def _hear_again(self, agent: PlayedAgent) -> None:
        agent.silent = False
        agent.disconnect()

    async def disconnect_agent(self) -> None:
        agent = self._some_agent()
        if agent is not None:
            agent.disconnect()

    async def refuse_launches(self) -> None:
        error = LaunchError(StateReasonCode.INSUFFICIENT_CAPACITY, "none left", transient=True)
        self.world.launcher.refuse = [error] * self.dice.randint(1, 4)

    async def load(self) -> None:
        self.world.behaviour.in_flight = self.dice.choice([0, 2, 8, 14])

    async def crash_environment(self) -> None:
        agent = self._some_agent()
        ready = [] if agent is None else [name for name, each in agent.environments.items() if each.phase == "ready"]
        if agent is not None and ready:
            failure = EnvironmentFailureReport("Runtime.ExitError", "FunctionError", "exit status 1", init=False)
            agent.fail(self.dice.choice(ready), failure)

    async def restart_server(self) -> None:
        self._restart.set()
        self._is_up.clear()
        await self._is_up.wait()

    # What must hold

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            agents = agents_of(self.world)
            used = sum(agent.request.instance_type.vcpu for agent in agents)
            assert used <= max(self.allowed_vcpu, self.ceiling), f"{used} vCPU under {self.ceiling}"
            self.allowed_vcpu = max(self.ceiling, min(used, self.allowed_vcpu)) if used > self.ceiling else self.ceiling
            for agent in agents:
                specs = [each.spec for each in agent.environments.values() if each.phase != "ended"]
                assert sum(spec.vcpu for spec in specs) <= usable_vcpu(agent.request.instance_type) + 1e-6
                assert sum(spec.memory_mb for spec in specs) <= usable_memory_mb(agent.request.instance_type)

    async def _mend(self) -> None:
        """Nothing fails any more and there is room for all: everything must come right."""
        self._repair_init()
        self.world.behaviour.in_flight = 0
        self.world.launcher.refuse = []
        await self._is_up.wait()
        await self.set_ceiling(AMPLE_VCPU)
        self.story.append(f"{asyncio.get_running_loop().time():6.1f} s  quiet")
        found: str | None = "nothing was looked at"
        for _ in range(int(MEND_SECONDS / 10)):
            await asyncio.sleep(10)
            found = await self._unrest()
            if found is None:
                break
        assert found is None, found
        plans = await self.world.store.read(lambda tx: tx.plans.select())
        assert plans
        assert all(plan.reasons for plan in plans)

    async def _unrest(self) -> str | None:
        versions, intents = await self.world.store.read(lambda tx: (tx.versions.select(), tx.instances.select()))
        if {each.instance_id for each in intents} != set(self.world.launcher.agents):
            return f"intents {len(intents)}, instances {len(self.world.launcher.agents)}"
        for version in versions:
            if version.key.version == LATEST:
                continue
            found = self._unrest_of(version)
            if found is not None:
                return found
        return None

    def _unrest_of(self, version: FunctionVersion) -> str | None:
        if version.state in {FunctionState.PENDING, FunctionState.DELETING, FunctionState.DEACTIVATING}:
            return f"{version.key} is {version.state}"
        if version.last_update_status is LastUpdateStatus.IN_PROGRESS:
            return f"{version.key} is still being updated"
        routed = self.world.routes.serving(version.function_name, version.version)
        if version.state is FunctionState.ACTIVE and len(routed) < version.bounds.minimum:
            return f"{version.key} has {len(routed)} of {version.bounds.minimum} environments"
        if version.state is not FunctionState.ACTIVE and routed:
            return f"{version.key} is {version.state} and still routed"
        return None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_after_any_trouble_the_real_control_plane_comes_right(seed: int) -> None:
    trouble = Trouble(seed)
    try:
        run_virtually(trouble.run())
    except BaseException as error:
        error.add_note("\n".join(trouble.story))
        raise


def test_trouble_that_does_not_mend_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk itself is tried: planning that never says how a publish ended."""

    def mute(snapshot: FleetSnapshot, **rest: Any) -> Plan:
        return replace(plan(snapshot, **rest), outcomes=())

    monkeypatch.setattr(control_plane, "plan", mute)
    with pytest.raises(ExceptionGroup) as found:
        run_virtually(Trouble(1).run())

    assert found.group_contains(AssertionError, match="is Pending|is Deleting|is Deactivating")
