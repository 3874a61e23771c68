"""The owner of default Lambda's instance: starts what waiting invocations need, keeps it for a while, ends it.

Instances, agents and environments are looked after as those of a capacity provider are; what is planned differs. The
pool is no capacity provider: it is not in the store, has no ceiling of vCPU and is not shown as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from paddock.controlplane.fleet_parts import FleetEvents, FleetParts
from paddock.controlplane.fleet_records import PROVISIONED, InstanceRecord
from paddock.controlplane.limits import LEASE_CHECK_SECONDS
from paddock.controlplane.on_demand.provisioned import Provisioned
from paddock.controlplane.plan_history import keep
from paddock.controlplane.reconciler import ProviderReconciler
from paddock.controlplane.settings import ControlPlaneSettings
from paddock.controlplane.snapshots import StoredFleet, aged
from paddock.core.on_demand import OnDemandSnapshot, OnDemandVersion
from paddock.model.capacity_provider import (
    CapacityProvider,
    CapacityProviderScalingConfig,
    InstanceRequirements,
    SystemLogLevel,
)
from paddock.model.fleet import Zone
from paddock.model.function import Alias, FunctionVersion
from paddock.model.ids import (
    DEFAULT_LAMBDA,
    NO_TENANT,
    CapacityProviderName,
    EnvironmentId,
    FunctionVersionKey,
    InstanceId,
    TenantId,
)
from paddock.model.states import CapacityProviderState, EnvironmentPhase
from paddock.ports.store import InstanceIntent, Transaction
from paddock.wire.agent import AgentMessage, EnvironmentChanged, EnvironmentReport, Report
from paddock.wire.routes import EnvironmentStartFailed

_BEGINNING = datetime.min.replace(tzinfo=UTC)
SYSTEM_LOG_GROUP = "/paddock/default-lambda"


class OnDemandReconciler(ProviderReconciler):
    """`want` is told of invocations that wait; `provisioned` tells how far a version's provisioned concurrency is."""

    def __init__(
        self, name: CapacityProviderName, parts: FleetParts, events: FleetEvents, intents: list[InstanceIntent]
    ) -> None:
        super().__init__(name, parts, events, intents)
        self._waiting: dict[FunctionVersionKey, dict[TenantId, int]] = {}
        self.pool = _pool(parts.settings)

    def want(self, key: FunctionVersionKey, waiting: int, tenant_id: TenantId = NO_TENANT) -> None:
        """So many invocations of the version, of the tenant, have no environment now."""
        tenants = self._waiting.setdefault(key, {})
        more = waiting > tenants.get(tenant_id, 0)
        if waiting:
            tenants[tenant_id] = waiting
        else:
            tenants.pop(tenant_id, None)
            if not tenants:
                del self._waiting[key]
        if more:
            self.wake()

    def provisioned(self, key: FunctionVersionKey) -> Provisioned:
        records = [
            record
            for record in self.inventory.environments()
            if record.key == key and record.spec.initialization_type == PROVISIONED and not record.spec.draining
        ]
        failures = [
            failed.failure.text
            for failed in self.inventory.failed(self._parts.clock.now())
            if failed.key == key and failed.provisioned and failed.failure is not None and failed.failure.init
        ]
        ready = sum(record.phase is EnvironmentPhase.READY for record in records)
        return Provisioned(len(records), ready, failures[-1] if failures else None)

    def heard(self, instance_id: InstanceId, message: AgentMessage) -> None:
        """Whoever waits for an environment that could not begin is told why, before anything else is planned."""
        record = self.inventory.instances.get(instance_id)
        ended: list[EnvironmentStartFailed] = []
        if record is not None:
            match message:
                case EnvironmentChanged(environment):
                    ended = _start_failures(record, (environment,))
                case Report():
                    ended = _start_failures(record, message.environments)
                case _:
                    pass
        super().heard(instance_id, message)
        for failed in ended:
            self._parts.routes.pass_on(failed)

    async def _round(self) -> float | None:
        """As of a capacity provider; what is decided is done before it is written down, because somebody waits."""
        parts = self._parts
        await self._save_running()
        await self._take_list()
        stored, provisioned = await parts.store.read(self._read_default)
        self.stored = stored
        if self.awaited.holds_up(parts.clock.monotonic()):
            return LEASE_CHECK_SECONDS
        now = parts.clock.now()
        plan = parts.on_demand_planner(self._snapshot(stored, provisioned, now), now)
        await self._executor.execute(plan, stored.provider, stored.versions, self.inventory)
        if plan.launches or plan.terminations:
            self._events.look()
        record = self.history.record(plan, now)
        if record is not None:
            await parts.store.write(lambda tx: keep(tx, record))
        return None if plan.wake_after is None else plan.wake_after.total_seconds()

    def _tenants_waiting(self, key: FunctionVersionKey) -> tuple[tuple[TenantId, int], ...]:
        """Who has waited longest is named first."""
        return tuple(each for each in self._waiting.get(key, {}).items() if each[0] != NO_TENANT)

    def _sample(self) -> None:
        """Load is no signal here: what waits is."""

    def _read_default(self, tx: Transaction) -> tuple[StoredFleet, dict[FunctionVersionKey, int]]:
        versions = tx.versions.select(provider=DEFAULT_LAMBDA)
        failed = tx.failed_launches.select(provider=DEFAULT_LAMBDA, order_by="at")
        stored = StoredFleet(self.pool, tuple(versions), tuple(each.failure for each in failed))
        return stored, provisioned_of(versions, tx.aliases.select())

    def _snapshot(
        self, stored: StoredFleet, provisioned: Mapping[FunctionVersionKey, int], now: datetime
    ) -> OnDemandSnapshot:
        settings = self._parts.settings
        subnet = settings.network.subnets[0]
        return OnDemandSnapshot(
            instance_type=settings.on_demand_instance_type,
            place=Zone(subnet.subnet_id, subnet.zone),
            versions=tuple(
                OnDemandVersion(
                    key=version.key,
                    revision=version.revision,
                    serving=version.serving.revision if version.serving else None,
                    shape=version.configuration.shape,
                    waiting=self._waiting.get(version.key, {}).get(NO_TENANT, 0),
                    tenants_waiting=self._tenants_waiting(version.key),
                    provisioned=provisioned.get(version.key, 0),
                )
                for version in stored.versions
            ),
            instances=tuple(aged(record.described(), settings, now) for record in self.inventory.instances.values()),
            environments=(
                *(record.described() for record in self.inventory.environments()),
                *self.inventory.failed(now),
            ),
            launch_failures=stored.launch_failures,
        )


def provisioned_of(versions: Iterable[FunctionVersion], aliases: Iterable[Alias]) -> dict[FunctionVersionKey, int]:
    """How many environments of each version are to be kept ready: asked for on itself, or on an alias of it."""
    wanted = {version.key: version.provisioned.environments for version in versions if version.provisioned is not None}
    for alias in aliases:
        if alias.provisioned is not None:
            key = FunctionVersionKey(alias.function_name, alias.function_version)
            wanted[key] = max(wanted.get(key, 0), alias.provisioned.environments)
    return wanted


def _start_failures(record: InstanceRecord, reports: tuple[EnvironmentReport, ...]) -> list[EnvironmentStartFailed]:
    """Of those that were not known to have ended. Nobody waits for a provisioned one."""
    return [
        EnvironmentStartFailed(
            known.spec.function_name, known.spec.version, failure.error_type, failure.text, known.spec.tenant_id
        )
        for report in reports
        if (failure := report.failure) is not None
        and failure.init
        and report.phase == EnvironmentPhase.ENDED
        and (known := record.environments.get(EnvironmentId(report.environment_id))) is not None
        and known.spec.initialization_type != PROVISIONED
    ]


def _pool(settings: ControlPlaneSettings) -> CapacityProvider:
    """What stands where a capacity provider is asked for; only failures are worth a line in its log."""
    return CapacityProvider(
        name=DEFAULT_LAMBDA,
        arn=settings.place.capacity_provider_arn(DEFAULT_LAMBDA),
        state=CapacityProviderState.ACTIVE,
        subnet_ids=tuple(subnet.subnet_id for subnet in settings.network.subnets),
        security_group_ids=(),
        operator_role_arn="",
        instance_requirements=InstanceRequirements(settings.on_demand_instance_type.architecture),
        scaling_config=CapacityProviderScalingConfig(max_vcpu_count=settings.on_demand_instance_type.vcpu),
        kms_key_arn=None,
        propagate_tags=None,
        system_log_level=SystemLogLevel.WARN,
        log_group=SYSTEM_LOG_GROUP,
        last_modified=_BEGINNING,
    )
