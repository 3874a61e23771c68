"""All capacity providers: one reconciler each, one look at the launcher for all, and the routes of functions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from paddock.controlplane.ended_instances import keep_ended
from paddock.controlplane.executor import FunctionRoutes
from paddock.controlplane.fleet_parts import FleetParts
from paddock.controlplane.inventory import Inventory
from paddock.controlplane.limits import QUICK_LIST_SECONDS, SLOW_LIST_SECONDS, UNKNOWN_LISTS
from paddock.controlplane.on_demand.reconciler import OnDemandReconciler
from paddock.controlplane.reconciler import ProviderReconciler
from paddock.controlplane.routes import function_route
from paddock.controlplane.system_logs import Operation
from paddock.model.ids import DEFAULT_LAMBDA, CapacityProviderName, FunctionName, InstanceId
from paddock.model.states import InstancePhase
from paddock.ports.launcher import ObservedInstance
from paddock.ports.store import InstanceIntent, StoreError, Transaction
from paddock.wire.routes import FunctionRoute

log = logging.getLogger(__name__)

STOP_POLL_SECONDS = 0.1
"""Between two looks whether they have gone: nobody notices a tenth of a second."""
STOP_LIMIT_SECONDS = 50.0
"""Beyond the grace, which is a setting: what was told to end and killed is gone by then, or nothing will end it."""

STOPPED_WITH_SERVER = "the server was stopped"


class Fleet:
    """Implements `FleetNews` for the handlers. `start` before anything else, then `run` beside everything else."""

    def __init__(self, parts: FleetParts) -> None:
        self.reconcilers: dict[CapacityProviderName, ProviderReconciler] = {}
        self._parts = parts
        self._group: asyncio.TaskGroup | None = None
        self._begun = asyncio.Event()
        self._look = asyncio.Event()
        self._unknown: dict[InstanceId, int] = {}
        self._left: dict[CapacityProviderName, list[InstanceIntent]] = {}
        self._providers: list[CapacityProviderName] = []

    async def start(self) -> None:
        """Read what an earlier server left, and tell the routers which functions there are."""
        functions, self._providers, intents = await self._parts.store.read(self._read)
        for intent in intents:
            self._left.setdefault(intent.provider, []).append(intent)
        ownerless = [intent.instance_id for intent in intents if intent.provider not in self._providers]
        if ownerless:
            await self._parts.store.write(lambda tx: tx.instances.delete_many(ownerless))
        self._parts.routes.replace(functions)

    def _read(
        self, tx: Transaction
    ) -> tuple[dict[FunctionName, FunctionRoute], list[CapacityProviderName], list[InstanceIntent]]:
        names = [function.name for function in tx.functions.select()]
        routes = {name: function_route(tx, name, self._parts.settings.place) for name in names}
        return (
            {name: route for name, route in routes.items() if route is not None},
            [DEFAULT_LAMBDA, *(provider.name for provider in tx.capacity_providers.select())],
            tx.instances.select(),
        )

    async def run(self) -> None:
        """Until cancelled. Instances run on."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for name in self._providers:
                    self._begin(name)
                self._begun.set()
                await self._look_regularly()
            finally:
                self._group = None

    async def taken_back(self) -> None:
        """Returns when every instance that an earlier server left running has reported or is gone."""
        await self._begun.wait()
        for reconciler in tuple(self.reconcilers.values()):
            await reconciler.awaited.all_reported()

    def inventories(self) -> dict[CapacityProviderName, Inventory]:
        """Of the capacity providers; default Lambda's instance is nobody's but ours."""
        return {name: each.inventory for name, each in self.reconcilers.items() if name != DEFAULT_LAMBDA}

    @property
    def on_demand(self) -> OnDemandReconciler | None:
        """None before `run`."""
        found = self.reconcilers.get(DEFAULT_LAMBDA)
        return found if isinstance(found, OnDemandReconciler) else None

    # FleetNews

    def provider_changed(self, name: CapacityProviderName) -> None:
        known = self.reconcilers.get(name)
        if known is None:
            self._begin(name)
        else:
            known.wake()

    async def function_changed(self, name: FunctionName) -> None:
        place = self._parts.settings.place
        # Among the writes, although nothing is written: they return in their order. A read could bring yesterday's
        # route after a reconciler's, and it would stay.
        self.route({name: await self._parts.store.write(lambda tx: function_route(tx, name, place))})

    # FleetEvents

    def route(self, routes: FunctionRoutes) -> None:
        for name, route in routes.items():
            self._parts.routes.set_function(name, route)

    def look(self) -> None:
        self._look.set()

    # Inside

    def _begin(self, name: CapacityProviderName) -> None:
        if self._group is None:
            # Not running yet: `run` begins with it.
            if name not in self._providers:
                self._providers.append(name)
            return
        kind = OnDemandReconciler if name == DEFAULT_LAMBDA else ProviderReconciler
        reconciler = kind(name, self._parts, self, self._left.pop(name, []))
        self.reconcilers[name] = reconciler
        self._group.create_task(self._own(reconciler))
        self.look()

    async def _own(self, reconciler: ProviderReconciler) -> None:
        await reconciler.run()
        # Created again meanwhile under the same name: then another one owns it.
        if self.reconcilers.get(reconciler.name) is reconciler:
            del self.reconcilers[reconciler.name]
            if await self._parts.store.read(lambda tx: tx.capacity_providers.get(reconciler.name)) is not None:
                self._begin(reconciler.name)

    async def _look_regularly(self) -> None:
        while True:
            self._look.clear()
            try:
                asked_at = self._parts.clock.monotonic()
                await self._take(await self._parts.launcher.list(), asked_at)
            except StoreError as error:
                log.error("instances cannot be looked after: %s", error.message)  # noqa: TRY400  # one line is enough
            except Exception:
                log.exception("the launcher cannot be asked for its instances")
            moving = any(reconciler.is_moving for reconciler in self.reconcilers.values())
            try:
                async with asyncio.timeout(QUICK_LIST_SECONDS if moving else SLOW_LIST_SECONDS):
                    await self._look.wait()
                # What comes or goes needs a moment; and a stream of news must not make a stream of lists.
                await asyncio.sleep(QUICK_LIST_SECONDS / 2)
            except TimeoutError:
                continue

    async def _take(self, listed: tuple[ObservedInstance, ...], asked_at: float) -> None:
        by_id = {observed.instance_id: observed for observed in listed}
        for reconciler in self.reconcilers.values():
            reconciler.observed(by_id, asked_at)
        await self._end_unknown(by_id)

    async def _end_unknown(self, listed: dict[InstanceId, ObservedInstance]) -> None:
        """No intent of ours: seen often enough, it is ended. A single list may be older than an intent."""
        known = {
            instance_id for reconciler in self.reconcilers.values() for instance_id in reconciler.inventory.instances
        }
        alive = {each for each, seen in listed.items() if seen.phase is not InstancePhase.TERMINATED}
        self._unknown = {each: self._unknown.get(each, 0) + 1 for each in alive - known}
        for instance_id, times in self._unknown.items():
            if times >= UNKNOWN_LISTS and listed[instance_id].phase is not InstancePhase.STOPPING:
                log.warning("%s is none of ours: it is ended", instance_id)
                await self._parts.launcher.terminate(instance_id, 0.0)

    # The end of the server

    async def _forget_stopped(self, intents: Collection[InstanceIntent]) -> None:
        now = self._parts.clock.now()

        def forget(tx: Transaction) -> None:
            for intent in intents:
                tx.instances.delete(intent.instance_id)
                keep_ended(tx, replace(intent, stop_reason=intent.stop_reason or STOPPED_WITH_SERVER), now)

        await self._parts.store.write(forget)

    async def stop_instances(self, progress: Callable[[int, int], None]) -> int:
        """End every instance, after `run` has ended. `progress(ended, total)`; how many are left."""
        intents, providers = await self._parts.store.read(
            lambda tx: (tx.instances.select(), {each.name: each for each in tx.capacity_providers.select()})
        )
        total = len(intents)

        def record(operation: Operation, ids: Collection[InstanceId]) -> None:
            for intent in intents:
                if intent.instance_id in ids and intent.provider in providers:
                    self._parts.system_log.record(providers[intent.provider], operation, intent)

        grace_seconds = self._parts.settings.instances.stop_grace.total_seconds()
        async with asyncio.TaskGroup() as group:
            for intent in intents:
                group.create_task(self._parts.launcher.terminate(intent.instance_id, grace_seconds))
        left = {intent.instance_id for intent in intents}
        record(Operation.TERMINATING, left)
        deadline = self._parts.clock.monotonic() + grace_seconds + STOP_LIMIT_SECONDS
        while left and self._parts.clock.monotonic() < deadline:
            listed = await self._parts.launcher.list()
            alive = {each.instance_id for each in listed if each.phase is not InstancePhase.TERMINATED}
            gone = sorted(left - alive)
            for instance_id in gone:
                self._parts.routes.remove_instance(instance_id)
            if gone:
                left -= set(gone)
                await self._forget_stopped([each for each in intents if each.instance_id in gone])
                record(Operation.TERMINATED, gone)
                progress(total - len(left), total)
            if left:
                await asyncio.sleep(STOP_POLL_SECONDS)
        await self._parts.system_log.keep_waiting()
        return len(left)
