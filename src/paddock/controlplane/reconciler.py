"""The owner of one capacity provider: takes what happened, plans, has the plan carried out, until the provider is gone.

Everything of the provider changes here, in one task: agents' messages and the launcher's lists are put down as they
come and looked at in the next round. A round that fails is logged and tried again; it leaves nothing half done that the
next would not see.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from paddock import __version__
from paddock.controlplane.advance import advanced
from paddock.controlplane.agents import AgentSession
from paddock.controlplane.awaited import Awaited
from paddock.controlplane.executor import Executor, ExecutorHooks
from paddock.controlplane.fleet_parts import FleetEvents, FleetParts
from paddock.controlplane.fleet_records import InstanceRecord
from paddock.controlplane.function_credentials import MANAGED_LIFETIME
from paddock.controlplane.inventory import Inventory
from paddock.controlplane.limits import LEASE_CHECK_SECONDS, PLAN_INTERVAL_SECONDS, SAMPLE_SECONDS
from paddock.controlplane.loads import LoadHistory
from paddock.controlplane.plan_history import PlanHistory, keep
from paddock.controlplane.sessions import AgentSessions
from paddock.controlplane.snapshots import StoredFleet, snapshot, stored_fleet
from paddock.controlplane.system_logs import Operation
from paddock.model.fleet import LaunchFailure
from paddock.model.ids import CapacityProviderName, InstanceId
from paddock.model.states import CapacityProviderState, InstancePhase, StateReasonCode
from paddock.ports.launcher import ObservedInstance
from paddock.ports.store import InstanceIntent, StoreError, Transaction
from paddock.wire.agent import (
    AgentHello,
    AgentMessage,
    ConfigurationRefused,
    EnvironmentChanged,
    Report,
    ServerHello,
)

log = logging.getLogger(__name__)


class ProviderReconciler:
    """`intents` are the instances an earlier server left in the store."""

    def __init__(
        self, name: CapacityProviderName, parts: FleetParts, events: FleetEvents, intents: list[InstanceIntent]
    ) -> None:
        self.name = name
        self.inventory = Inventory(parts.settings.lease, parts.settings.planning)
        self.history = PlanHistory()
        self.stored: StoredFleet | None = None
        self._parts = parts
        self._events = events
        self._loads = LoadHistory(parts.settings.planning.scaling.long_window)
        self._sessions = AgentSessions(self._session)
        self._changes = asyncio.Event()
        self._listed: tuple[dict[InstanceId, ObservedInstance], float] | None = None
        self._running_unsaved: list[InstanceRecord] = []
        self._ended = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self.awaited = Awaited(intents, parts.clock.monotonic() + parts.settings.lease.lost_seconds)
        self._executor = Executor(
            parts.store,
            parts.launcher,
            parts.settings,
            parts.clock,
            parts.ids,
            parts.system_log,
            ExecutorHooks(
                configure=self._sessions.configure,
                changed=self._bring_up_to_date,
                route=events.route,
                start=self._start,
                again=self.wake,
            ),
        )
        for intent in intents:
            record = self.inventory.add(intent)
            if record.phase is InstancePhase.RUNNING:
                record.heard_at = parts.clock.monotonic()

    # What others tell

    def wake(self) -> None:
        self._changes.set()

    def observed(self, listed: Mapping[InstanceId, ObservedInstance], asked_at: float) -> None:
        """A complete list of the launcher, asked for at that monotonic moment."""
        self._listed = (dict(listed), asked_at)
        if self.inventory.instances:
            self.wake()

    @property
    def is_moving(self) -> bool:
        """Something comes or goes that only the launcher can tell of."""
        return any(
            record.phase is not InstancePhase.RUNNING or not self._sessions.is_connected(record.instance_id)
            for record in self.inventory.instances.values()
        )

    def recent_launch_failures(self, now: datetime) -> list[LaunchFailure]:
        """Those that a back-off may still count, oldest first."""
        failures = self.stored.launch_failures if self.stored is not None else ()
        return [each for each in failures if now - each.at < self._parts.settings.planning.failure_memory]

    def heard(self, instance_id: InstanceId, message: AgentMessage) -> None:
        record = self.inventory.instances.get(instance_id)
        if record is None:
            return
        now, monotonic = self._parts.clock.now(), self._parts.clock.monotonic()
        changed = False
        match message:
            case AgentHello():
                self._greeted(record, message, now, monotonic)
                changed = True
            case Report():
                was_fresh = self.inventory.is_fresh(record, monotonic)
                changed = self.inventory.reported(record, message, now=now, monotonic=monotonic) or not was_fresh
            case EnvironmentChanged(environment):
                changed = self.inventory.changed(record, environment, now)
            case ConfigurationRefused(generation, held_generation, reason):
                log.warning("%s refused a configuration: %s", instance_id, reason)
                # Only an agent that holds a newer one is told again: what is refused for itself stays refused.
                if held_generation >= generation == record.generation:
                    record.generation = held_generation + 1
                    self._sessions.configure(record)
            case _:
                pass
        if changed:
            self._bring_up_to_date(record)
            self.wake()
        if isinstance(message, Report):
            self.awaited.reported(instance_id)

    def _greeted(self, record: InstanceRecord, hello: AgentHello, now: datetime, monotonic: float) -> None:
        was_running = record.phase is InstancePhase.RUNNING
        self.inventory.greeted(record, hello, now=now, monotonic=monotonic)
        self.awaited.greeted(record.instance_id)
        # What we launched ourselves is as new as it gets here: replacing it would go on for ever.
        if hello.agent_version != __version__ and not self._executor.has_launched(record.instance_id):
            record.outdated = f"its agent is of version {hello.agent_version}, the server of {__version__}"
        if record.phase is not InstancePhase.RUNNING:
            return
        if not was_running:
            self._running_unsaved.append(record)
        if hello.environments != record.sent or hello.generation != record.generation:
            record.generation = max(record.generation, hello.generation + 1)
            self._sessions.configure(record)

    def disconnected(self, instance_id: InstanceId) -> None:
        """Perhaps the agent is gone: the launcher knows. If it is not, the lease decides."""
        self._events.look()

    # The task

    async def run(self) -> None:
        """Until the provider is deleted and nothing is left of it, or cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            chores = [
                group.create_task(self._every(SAMPLE_SECONDS, self._sample)),
                group.create_task(self._every(LEASE_CHECK_SECONDS, self._check_leases)),
            ]
            await self._reconcile_until_deleted()
            for chore in chores:
                chore.cancel()
            self._sessions.end_all()
            self._group = None

    async def _reconcile_until_deleted(self) -> None:
        wait_seconds: float | None = 0.0
        while not self._ended.is_set():
            await self._wait_for_changes(wait_seconds)
            self._changes.clear()
            try:
                wait_seconds = await self._round()
            except StoreError as error:
                log.error("%s cannot be reconciled: %s", self.name, error.message)  # noqa: TRY400  # one line is enough
                wait_seconds = LEASE_CHECK_SECONDS
            except Exception:
                log.exception("a round of %s failed", self.name)
                wait_seconds = LEASE_CHECK_SECONDS
            await asyncio.sleep(PLAN_INTERVAL_SECONDS)

    async def _wait_for_changes(self, wait_seconds: float | None) -> None:
        try:
            async with asyncio.timeout(wait_seconds):
                await self._changes.wait()
        except TimeoutError:
            return

    async def _round(self) -> float | None:
        """One look at everything. Seconds after which to look again although nothing happened; None for never."""
        parts = self._parts
        await self._save_running()
        await self._take_list()
        stored = await parts.store.read(self._read)
        if stored is None:
            self._ended.set()
            return None
        if await advanced(parts.store, stored, self.inventory):
            stored = await parts.store.read(self._read) or stored
        self.stored = stored
        # After a start: what agents have must be known before anything is planned beside it.
        if self.awaited.holds_up(parts.clock.monotonic()):
            return LEASE_CHECK_SECONDS
        now = parts.clock.now()
        plan = parts.planner(snapshot(stored, self.inventory, self._loads, parts.settings, now), now)
        record = self.history.record(plan, now)
        if record is not None:
            await parts.store.write(lambda tx: keep(tx, record))
        await self._executor.execute(plan, stored.provider, stored.versions, self.inventory)
        if plan.launches or plan.terminations:
            self._events.look()
        if stored.provider.state is CapacityProviderState.DELETING and not self.inventory.instances:
            await self._delete_provider()
        return None if plan.wake_after is None else plan.wake_after.total_seconds()

    def _read(self, tx: Transaction) -> StoredFleet | None:
        provider = tx.capacity_providers.get(self.name)
        return None if provider is None else stored_fleet(tx, provider)

    async def _delete_provider(self) -> None:
        def delete(tx: Transaction) -> None:
            tx.capacity_providers.delete(self.name)
            tx.plans.delete_many([(plan.provider, plan.number) for plan in tx.plans.select(provider=self.name)])
            failed = tx.failed_launches.select(provider=self.name)
            tx.failed_launches.delete_many([each.instance_id for each in failed])

        await self._parts.store.write(delete)
        self._ended.set()

    # Instances

    async def _save_running(self) -> None:
        taken = len(self._running_unsaved)
        if not taken:
            return
        records = [record for record in self._running_unsaved if record.instance_id in self.inventory.instances]
        for record in records:
            if record.intent.phase is InstancePhase.PENDING:
                record.intent = replace(record.intent, phase=InstancePhase.RUNNING)
        intents = [record.intent for record in records]
        await self._parts.store.write(lambda tx: tx.instances.put_many(intents))
        # Only now: what could not be stored is tried again. More may have come meanwhile.
        del self._running_unsaved[:taken]
        if self.stored is not None:
            for intent in intents:
                self._parts.system_log.record(self.stored.provider, Operation.LAUNCHED, intent)

    async def _take_list(self) -> None:
        """Connect to agents that are there, forget instances that are gone, and see to those that should be."""
        taken, self._listed = self._listed, None
        if taken is None:
            return
        listed, asked_at = taken
        for record in list(self.inventory.instances.values()):
            seen = listed.get(record.instance_id)
            if self._executor.was_launched_after(record.instance_id, asked_at):
                continue
            if seen is None or seen.phase is InstancePhase.TERMINATED:
                await self._take_gone(record, seen)
                continue
            record.private_ip_address = seen.private_ip_address
            if record.phase is InstancePhase.STOPPING:
                if seen.phase is not InstancePhase.STOPPING and self.stored is not None:
                    self._executor.end_again(record, self.stored.provider)
            elif seen.address is not None and record.phase is not InstancePhase.LOST and self._group is not None:
                self._sessions.connect(record, seen.address, self._group)

    async def _take_gone(self, record: InstanceRecord, seen: ObservedInstance | None) -> None:
        never_came = record.phase is InstancePhase.PENDING
        was_asked = record.phase is InstancePhase.STOPPING
        reason = (seen.reason if seen is not None else None) or "its process is gone"
        self._sessions.end(record.instance_id)
        self.awaited.gone(record.instance_id)
        # An intent whose launch an earlier server never asked for is no failure of anybody.
        was_launched = seen is not None or self._executor.has_launched(record.instance_id)
        failed = (StateReasonCode.INTERNAL_ERROR, reason) if never_came and was_launched else None
        await self._executor.forget(record.intent, self.inventory, failed=failed)
        if self.stored is None:
            return
        if failed is not None:
            self._executor.say_failed(self.stored.provider, record.intent, reason)
        else:
            if not was_asked:
                self._parts.system_log.record(
                    self.stored.provider, Operation.HEALTH_CHECK_FAILED, record.intent, reason
                )
            self._parts.system_log.record(self.stored.provider, Operation.TERMINATED, record.intent)

    def _session(self, record: InstanceRecord, address: str) -> AgentSession:
        return AgentSession(
            record.instance_id,
            address,
            ServerHello("control", record.intent.token, self._parts.settings.server_id),
            owner=self,
            connector=self._parts.connector,
            code=self._parts.code,
            logs=self._parts.logs,
            credentials=self._endpoint_credentials,
        )

    def _endpoint_credentials(self) -> dict[str, str]:
        made = self._parts.settings.function_credentials(self._parts.clock.now(), MANAGED_LIFETIME)
        return made.for_endpoint

    def _bring_up_to_date(self, record: InstanceRecord) -> None:
        fresh = self.inventory.is_fresh(record, self._parts.clock.monotonic())
        self._parts.routes.set_instance(record, fresh=fresh)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        if self._group is None:
            work.close()
            return
        self._group.create_task(self._apart(work))

    async def _apart(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StoreError as error:
            log.error("%s: %s", self.name, error.message)  # noqa: TRY400  # one line is enough
        except Exception:
            log.exception("something done for %s failed", self.name)

    # Chores

    async def _every(self, seconds: float, do: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                do()
            except Exception:
                log.exception("a chore of %s failed", self.name)

    def _check_leases(self) -> None:
        now, monotonic = self._parts.clock.now(), self._parts.clock.monotonic()
        lost = self.inventory.expire(now, monotonic)
        for record in lost:
            silent_seconds = self._parts.settings.lease.lost_seconds
            log.warning("%s was not heard of for %.0f s and is replaced", record.instance_id, silent_seconds)
            self._sessions.end(record.instance_id)
        for record in self.inventory.instances.values():
            self._bring_up_to_date(record)
        if lost:
            self.wake()

    def _sample(self) -> None:
        if self.stored is None or not self.inventory.instances:
            return
        served = {
            version.key: version.serving.revision if version.serving else None for version in self.stored.versions
        }
        self._loads.sample(
            self.inventory,
            served,
            self._parts.throttles.throttle_counts(),
            self._parts.throttles.invocation_counts(),
            self._parts.throttles.take_peaks(served.keys()),
            now=self._parts.clock.now(),
            monotonic=self._parts.clock.monotonic(),
        )
        self.wake()
