"""Carries a plan out: stores intents, launches, configures agents, terminates, takes outcomes. It has no choices left.

Anything it cannot do is left as it is: the next plan is made from what then is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from paddock.controlplane.ended_instances import keep_ended
from paddock.controlplane.entitlement import cores_per_vcpu
from paddock.controlplane.environment_specs import environment_spec
from paddock.controlplane.fleet_records import InstanceRecord
from paddock.controlplane.function_credentials import credentials_for
from paddock.controlplane.inventory import Inventory, drained
from paddock.controlplane.limits import KEPT_FAILED_LAUNCHES
from paddock.controlplane.outcomes import take_outcome
from paddock.controlplane.routes import function_route
from paddock.controlplane.settings import ControlPlaneSettings
from paddock.controlplane.system_logs import Operation, SystemLog
from paddock.core.lifecycle import InstanceEvent
from paddock.model.capacity_provider import CapacityProvider
from paddock.model.fleet import (
    EnvironmentAssignment,
    InstanceAssignment,
    LaunchFailure,
    LaunchInstance,
    Plan,
    TerminateInstance,
    VersionOutcome,
)
from paddock.model.function import FunctionConfiguration, FunctionVersion
from paddock.model.ids import DEFAULT_LAMBDA, FunctionName, FunctionVersionKey, InstanceId, RevisionId
from paddock.model.states import InstancePhase, StateReasonCode
from paddock.ports.clock import Clock, IdSource
from paddock.ports.launcher import InstanceLauncher, LaunchError, LaunchRequest
from paddock.ports.store import FailedLaunch, InstanceIntent, Store, Transaction
from paddock.wire.agent import EnvironmentSpec
from paddock.wire.routes import FunctionRoute

log = logging.getLogger(__name__)

TOKEN_DIGITS = 64

FunctionRoutes = dict[FunctionName, FunctionRoute | None]
"""None for a function that is gone."""
Configurations = dict[tuple[FunctionVersionKey, RevisionId], FunctionConfiguration]


@dataclass(frozen=True, slots=True)
class ExecutorHooks:
    """What the executor asks of its provider's reconciler.

    `configure` sends an instance its environments, `changed` brings its routes up to date, `route` tells the routers of
    functions, `start` runs something beside the plan, `again` asks for another plan.
    """

    configure: Callable[[InstanceRecord], None]
    changed: Callable[[InstanceRecord], None]
    route: Callable[[FunctionRoutes], None]
    start: Callable[[Coroutine[Any, Any, None]], None]
    again: Callable[[], None]


class Executor:
    def __init__(
        self,
        store: Store,
        launcher: InstanceLauncher,
        settings: ControlPlaneSettings,
        clock: Clock,
        ids: IdSource,
        system_log: SystemLog,
        hooks: ExecutorHooks,
    ) -> None:
        self._store = store
        self._launcher = launcher
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._system_log = system_log
        self._hooks = hooks
        self._launches = asyncio.Semaphore(settings.instances.launches_at_once)
        self._launching: set[InstanceId] = set()
        self._launched_at: dict[InstanceId, float] = {}
        self._ending: set[InstanceId] = set()

    async def execute(
        self, plan: Plan, provider: CapacityProvider, versions: tuple[FunctionVersion, ...], inventory: Inventory
    ) -> None:
        if plan.launches:
            await self._launch(plan.launches, provider, inventory)
        await self._mark_draining(plan.assignments, inventory)
        configurations = _configurations(versions)
        for assignment in plan.assignments:
            self._assign(assignment, configurations, inventory)
        for termination in plan.terminations:
            await self._terminate(termination, provider, inventory)
        if plan.outcomes:
            await self._take(plan.outcomes)

    def was_launched_after(self, instance_id: InstanceId, monotonic: float) -> bool:
        """A list asked for at that moment need not have it."""
        return instance_id in self._launching or self._launched_at.get(instance_id, monotonic - 1) >= monotonic

    def has_launched(self, instance_id: InstanceId) -> bool:
        """The launcher accepted it from us, not from an earlier server."""
        return instance_id in self._launched_at

    # Launches

    async def _launch(
        self, launches: tuple[LaunchInstance, ...], provider: CapacityProvider, inventory: Inventory
    ) -> None:
        intents = self._intents(launches, provider, inventory)
        accepted = await self._store.write(lambda tx: _store_within_cap(tx, provider, intents))
        if len(accepted) < len(intents):
            log.warning("%s: %d launches would exceed MaxVCpuCount", provider.name, len(intents) - len(accepted))
        for intent in accepted:
            self._launching.add(intent.instance_id)
            inventory.add(intent)
            self._hooks.start(self._launch_one(intent, provider, inventory))

    def _intents(
        self, launches: tuple[LaunchInstance, ...], provider: CapacityProvider, inventory: Inventory
    ) -> list[InstanceIntent]:
        worth = cores_per_vcpu(
            self._settings.cores_per_vcpu,
            self._settings.machine_cores,
            [record.intent for record in inventory.instances.values()],
            sum(launch.instance_type.vcpu for launch in launches),
        )
        return [
            InstanceIntent(
                instance_id=launch.instance_id,
                provider=provider.name,
                instance_type=launch.instance_type,
                zone=launch.zone,
                subnet_id=launch.subnet_id,
                phase=InstancePhase.PENDING,
                entitled_cores=worth * launch.instance_type.vcpu,
                requested_at=self._clock.now(),
                token=self._ids.hex(TOKEN_DIGITS),
                security_group_ids=provider.security_group_ids or (self._settings.network.default_security_group_id,),
                tags=(("aws:lambda:capacity-provider", provider.arn), *_propagated(provider)),
            )
            for launch in launches
        ]

    async def _launch_one(self, intent: InstanceIntent, provider: CapacityProvider, inventory: Inventory) -> None:
        self._system_log.record(provider, Operation.LAUNCHING, intent)
        try:
            async with self._launches:
                await self._launcher.launch(self._request(intent))
        except LaunchError as error:
            await self._launch_failed(intent, provider, inventory, error)
        except Exception as error:
            log.exception("the launch of %s failed in a way no launcher should", intent.instance_id)
            refused = LaunchError(StateReasonCode.INTERNAL_ERROR, "Internal error", transient=True)
            refused.__cause__ = error
            await self._launch_failed(intent, provider, inventory, refused)
        else:
            self._launched_at[intent.instance_id] = self._clock.monotonic()
        finally:
            self._launching.discard(intent.instance_id)
            self._hooks.again()

    def _request(self, intent: InstanceIntent) -> LaunchRequest:
        return LaunchRequest(
            instance_id=intent.instance_id,
            provider=intent.provider,
            instance_type=intent.instance_type,
            zone=intent.zone,
            subnet_id=intent.subnet_id,
            security_group_ids=intent.security_group_ids,
            entitled_cores=intent.entitled_cores,
            strict_cpu=self._settings.strict_cpu,
            token=intent.token,
            tags=intent.tags,
        )

    async def _launch_failed(
        self, intent: InstanceIntent, provider: CapacityProvider, inventory: Inventory, error: LaunchError
    ) -> None:
        self.say_failed(provider, intent, error.text, transient=error.transient)
        await self.forget(intent, inventory, failed=(error.reason_code, error.text))

    def say_failed(
        self, provider: CapacityProvider, intent: InstanceIntent, text: str, *, transient: bool = True
    ) -> None:
        """A launch; planning tries another one after a pause, whatever it was."""
        retried = "the system will retry" if transient else "the system will retry, in vain until the cause is gone"
        self._system_log.record(provider, Operation.LAUNCH_FAILED, intent, f"{text} - {retried}")
        kind = intent.instance_type.name
        log.warning("%s: the launch of %s in %s failed: %s", provider.name, kind, intent.zone, text)

    async def forget(
        self, intent: InstanceIntent, inventory: Inventory, *, failed: tuple[StateReasonCode, str] | None = None
    ) -> None:
        """Nothing of the instance is left. `failed`: it never came."""
        now = self._clock.now()

        def forget(tx: Transaction) -> None:
            tx.instances.delete(intent.instance_id)
            keep_ended(tx, intent, now)
            if failed is not None:
                _keep_failure(tx, intent, now, *failed)

        await self._store.write(forget)
        self._launched_at.pop(intent.instance_id, None)
        record = inventory.instances.get(intent.instance_id)
        if record is not None:
            inventory.move(record, InstanceEvent.CONFIRMED_GONE, now)
            self._hooks.changed(record)
            inventory.forget(intent.instance_id)

    # Assignments

    async def _mark_draining(self, assignments: tuple[InstanceAssignment, ...], inventory: Inventory) -> None:
        """Kept before anything is told to drain: a server that is started anew goes on with it."""
        changed: dict[InstanceId, bool] = {}
        for assignment in assignments:
            record = inventory.instances.get(assignment.instance_id)
            if record is not None and record.draining != assignment.draining:
                changed[record.instance_id] = assignment.draining
        if not changed:
            return

        def mark(tx: Transaction) -> None:
            found = [(tx.instances.get(instance_id), draining) for instance_id, draining in changed.items()]
            tx.instances.put_many([replace(each, draining=draining) for each, draining in found if each is not None])

        await self._store.write(mark)
        for instance_id, draining in changed.items():
            if (record := inventory.instances.get(instance_id)) is not None:
                record.intent = replace(record.intent, draining=draining)

    def _assign(self, assignment: InstanceAssignment, configurations: Configurations, inventory: Inventory) -> None:
        record = inventory.instances.get(assignment.instance_id)
        if record is None:
            return
        now = self._clock.now()
        specs = tuple(
            spec
            for each in assignment.environments
            if (spec := self._spec(each, record, configurations, now)) is not None
        )
        if inventory.assign(record, specs, now):
            self._hooks.configure(record)
            self._hooks.changed(record)

    def _spec(
        self, assignment: EnvironmentAssignment, record: InstanceRecord, configurations: Configurations, now: datetime
    ) -> EnvironmentSpec | None:
        """What is there keeps what it was told, save that it may have to drain. None for a revision of yesterday."""
        known = record.environments.get(assignment.environment_id)
        if known is not None:
            return drained(known.spec) if assignment.draining else known.spec
        configuration = configurations.get((assignment.key, assignment.revision))
        if configuration is None:
            return None
        return environment_spec(
            assignment,
            configuration,
            place=self._settings.place,
            credentials=credentials_for(self._settings.function_credentials, configuration, now),
            now=now,
        )

    # Terminations

    async def _terminate(
        self, termination: TerminateInstance, provider: CapacityProvider, inventory: Inventory
    ) -> None:
        record = inventory.instances.get(termination.instance_id)
        if record is None or record.phase in (InstancePhase.STOPPING, InstancePhase.TERMINATED):
            return
        was_lost = record.phase is InstancePhase.LOST
        intent = replace(record.intent, phase=InstancePhase.STOPPING, stop_reason=termination.reason)
        now = self._clock.now()

        def put(tx: Transaction) -> None:
            tx.instances.put(intent)
            if termination.launch_failed:
                _keep_failure(tx, intent, now, StateReasonCode.INTERNAL_ERROR, termination.reason)

        await self._store.write(put)
        record.intent = intent
        inventory.move(record, InstanceEvent.TERMINATION_REQUESTED, now)
        self._hooks.changed(record)
        if termination.launch_failed:
            self.say_failed(provider, intent, termination.reason)
        if was_lost:
            self._system_log.record(provider, Operation.HEALTH_CHECK_FAILED, intent, termination.reason)
        self._system_log.record(provider, Operation.TERMINATING, intent)
        grace_seconds = 0.0 if was_lost else self._settings.instances.termination_grace.total_seconds()
        self._hooks.start(self._terminate_one(intent, provider, grace_seconds))

    async def _terminate_one(self, intent: InstanceIntent, provider: CapacityProvider, grace_seconds: float) -> None:
        self._ending.add(intent.instance_id)
        try:
            await self._launcher.terminate(intent.instance_id, grace_seconds)
        except Exception as error:  # noqa: BLE001  # it is tried again while it is still listed
            self._system_log.record(provider, Operation.TERMINATE_FAILED, intent, str(error))
        finally:
            self._ending.discard(intent.instance_id)

    def end_again(self, record: InstanceRecord, provider: CapacityProvider) -> None:
        """For one that should be gone and still runs: our first word was lost, or an earlier server's."""
        if record.instance_id in self._ending:
            return
        self._hooks.start(
            self._terminate_one(record.intent, provider, self._settings.instances.termination_grace.total_seconds())
        )

    # Outcomes

    async def _take(self, outcomes: tuple[VersionOutcome, ...]) -> None:
        now = self._clock.now()

        def take(tx: Transaction) -> FunctionRoutes:
            changed = [take_outcome(tx, outcome, ids=self._ids, now=now) for outcome in outcomes]
            return {name: function_route(tx, name, self._settings.place) for name in changed if name is not None}

        self._hooks.route(await self._store.write(take))


def _propagated(provider: CapacityProvider) -> tuple[tuple[str, str], ...]:
    return provider.propagate_tags.explicit_tags if provider.propagate_tags else ()


def _keep_failure(tx: Transaction, intent: InstanceIntent, at: datetime, code: StateReasonCode, text: str) -> None:
    failure = LaunchFailure(intent.instance_type.name, intent.zone, at, code, text)
    tx.failed_launches.put(FailedLaunch(intent.instance_id, intent.provider, failure))
    kept = tx.failed_launches.select(provider=intent.provider, order_by="at", descending=True)
    tx.failed_launches.delete_many([each.instance_id for each in kept[KEPT_FAILED_LAUNCHES:]])


def _store_within_cap(
    tx: Transaction, provider: CapacityProvider, intents: list[InstanceIntent]
) -> list[InstanceIntent]:
    """The intents that MaxVCpuCount has room for, stored: the check and the intent are one transaction."""
    current = provider if provider.name == DEFAULT_LAMBDA else tx.capacity_providers.get(provider.name)
    if current is None:
        return []
    used = sum(each.instance_type.vcpu for each in tx.instances.select(provider=provider.name))
    accepted: list[InstanceIntent] = []
    for intent in intents:
        used += intent.instance_type.vcpu
        # Default Lambda has no ceiling: beside an instance that is replaced stands the one that replaces it.
        if provider.name != DEFAULT_LAMBDA and used > current.scaling_config.max_vcpu_count:
            break
        accepted.append(intent)
    tx.instances.put_many(accepted)
    return accepted


def _configurations(versions: tuple[FunctionVersion, ...]) -> Configurations:
    found: Configurations = {}
    for version in versions:
        if version.serving is not None:
            found[version.key, version.serving.revision] = version.serving.configuration
        found[version.key, version.revision] = version.configuration
    return found
