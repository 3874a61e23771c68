"""Every plan that is written down, looked at once: what it does without saying why, and how often it does what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from paddock.model.ids import DEFAULT_LAMBDA, CapacityProviderName
from paddock.model.states import EnvironmentPhase
from paddock.ports.store import PlanRecord
from paddock.simulator.decisions import Decision
from paddock.simulator.whole.world import World


class Explanations:
    """`decisions` counts what the plans do."""

    def __init__(self, world: World) -> None:
        self.decisions: Counter[str] = Counter()
        self._world = world
        self._next: Counter[CapacityProviderName] = Counter()
        self._started: set[str] = set()

    def new_plans(self, providers: Iterable[CapacityProviderName]) -> Iterator[tuple[PlanRecord, list[str]]]:
        """Those since the last time, each with what it gives no reason for."""
        for provider in (*providers, DEFAULT_LAMBDA):
            while (kept := self._plan(provider, self._next[provider] + 1)) is not None:
                self._next[provider] += 1
                self.decisions.update(action.split()[0] for action in kept.actions or (Decision.NOTHING,))
                yield kept, self._unexplained(kept)

    def _plan(self, provider: CapacityProviderName, number: int) -> PlanRecord | None:
        return self._world.store.look(lambda tx: tx.plans.get((provider, number)))

    def _unexplained(self, kept: PlanRecord) -> list[str]:
        """A reason is of the instance or of the version."""
        told = {reason.subject for reason in kept.reasons if reason.text}
        silent = []
        for action in kept.actions:
            decided = self._is_decided(action)
            if decided and not told & {word.rstrip(":") for word in action.split()}:
                silent.append(action)
        return silent

    def _is_decided(self, action: str) -> bool:
        """A new server takes what it finds running for started, and what has ended by itself for ended."""
        decision, *words = action.split()
        if decision not in (Decision.START, Decision.END):
            return True
        environment_id = words[1]
        if decision == Decision.START:
            is_new = environment_id not in self._started and not self._runs(environment_id)
            self._started.add(environment_id)
            return is_new
        return self._runs(environment_id)

    def _runs(self, environment_id: str) -> bool:
        for instance in self._world.launcher.living.values():
            environment = instance.agent.environments.get(environment_id)
            if environment is not None:
                return environment.machine.phase is not EnvironmentPhase.ENDED
        return False
