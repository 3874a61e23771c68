"""Is the whole at rest? What keeps it from it, in words: minimums, publishes, slots and invocations that wait."""

from __future__ import annotations

from collections.abc import Sequence

from paddock.model.function import FunctionVersion
from paddock.model.ids import LATEST
from paddock.model.states import FunctionState
from paddock.simulator.whole.minimums import Minimums
from paddock.simulator.whole.world import World

UNSETTLED = frozenset({FunctionState.PENDING, FunctionState.DEACTIVATING, FunctionState.DELETING})


class Rest:
    """`managed` functions have a capacity provider; `plain` ones are default Lambda's."""

    def __init__(self, world: World, minimums: Minimums, managed: frozenset[str], plain: frozenset[str]) -> None:
        self._world = world
        self._minimums = minimums
        self._managed = managed
        self._plain = plain

    async def disturbed(self) -> str | None:
        """What is not at rest; None when everything is as it should stay."""
        versions, intents, waiting = await self._world.store.read(
            lambda tx: (tx.versions.select(), tx.instances.select(), tx.invocations.select())
        )
        if {each.instance_id for each in intents} != set(self._world.launcher.living):
            return f"{len(intents)} instances are recorded, {len(self._world.launcher.living)} run"
        serving = {each.function_name for each in versions if each.serving is not None} | self._plain
        left = sum(each.function_name in serving for each in waiting)  # what never served is tried for six hours
        if left:
            return f"{left} asynchronous invocations wait"
        for version in self._published(versions):
            if version.state in UNSETTLED:
                return f"{version.key} is {version.state}"
        for version in versions:
            if version.function_name in self._plain and version.serving is None:
                return f"{version.key} of default Lambda does not serve"
        return self._minimums.below() or self._taken()

    def _published(self, versions: Sequence[FunctionVersion]) -> list[FunctionVersion]:
        return [each for each in versions if each.key.version != LATEST and each.function_name in self._managed]

    def _taken(self) -> str | None:
        """A handler that never returns holds its slot until its environment is replaced; nothing else does."""
        world = self._world
        if world.router is None or world.feed is None:
            return "there is no server"
        for router in world.routers():
            if sum(each.in_flight for each in router.statistics()) > router.held_slots:
                return "slots are taken and nobody waits"
        if len(world.siblings.living) != world.further_routers or world.feed.routers != world.further_routers:
            return f"{world.feed.routers} of {world.further_routers} further routers follow"
        counted = sum(each.in_flight for each in world.feed.statistics())
        held = sum(router.held_slots for router in world.routers())
        if counted > held:
            return f"{counted} slots are counted as taken, {held} are held"
        return self._taken_on_agents()

    def _taken_on_agents(self) -> str | None:
        for instance in self._world.launcher.living.values():
            for environment_id, environment in instance.agent.environments.items():
                runtime = self._world.truth.runtimes.get(environment_id)
                running = 0 if runtime is None else len(runtime.running)
                if environment.machine.in_flight > running:
                    return f"{environment_id} has {environment.machine.in_flight} slots taken and runs {running}"
        return None
