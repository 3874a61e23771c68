"""What `paddock status`, `GET /_paddock/status` and the console show: plain values, made when asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from paddock.controlplane.fleet_records import EnvironmentRecord, InstanceRecord
from paddock.controlplane.on_demand.reconciler import OnDemandReconciler
from paddock.controlplane.reconciler import ProviderReconciler
from paddock.model.capacity_provider import CapacityProvider
from paddock.model.fleet import LaunchFailure
from paddock.model.ids import CapacityProviderName
from paddock.model.states import EnvironmentPhase, FunctionState
from paddock.ports.store import PlanRecord, Transaction

SHOWN_DECISIONS = 50
"""Of one provider: as many as somebody reads. All that are kept are in the store."""


def default_lambda_status(
    reconciler: OnDemandReconciler | None, decisions: list[PlanRecord], *, now: datetime, monotonic: float
) -> dict[str, Any] | None:
    """As of a capacity provider, which it is not; None while it has no instance."""
    if reconciler is None or not reconciler.inventory.instances:
        return None
    shown = provider_status(reconciler.pool, decisions, reconciler, now=now, monotonic=monotonic)
    return shown | {"name": "default Lambda"}


def decisions_of(tx: Transaction, name: CapacityProviderName) -> list[PlanRecord]:
    """The last, oldest first."""
    return tx.plans.select(provider=name, descending=True, limit=SHOWN_DECISIONS)[::-1]


def provider_rows(tx: Transaction) -> list[tuple[CapacityProvider, list[PlanRecord]]]:
    """Each provider with its last decisions, oldest first."""
    return [(provider, decisions_of(tx, provider.name)) for provider in tx.capacity_providers.select()]


def provider_status(
    provider: CapacityProvider,
    decisions: list[PlanRecord],
    reconciler: ProviderReconciler | None,
    *,
    now: datetime,
    monotonic: float,
) -> dict[str, Any]:
    instances = list(reconciler.inventory.instances.values()) if reconciler else []
    last = reconciler.history.last if reconciler else None
    return {
        "name": provider.name,
        "arn": provider.arn,
        "state": provider.state.value,
        "vcpu": sum(record.intent.instance_type.vcpu for record in instances),
        "max_vcpu_count": provider.scaling_config.max_vcpu_count,
        "instances": [_instance(record, now=now, monotonic=monotonic) for record in instances],
        "environments": [
            _environment(environment) for record in instances for environment in record.environments.values()
        ],
        "decisions": [_decision(record) for record in decisions],
        "below_minimum": _below_minimum(reconciler) if reconciler else [],
        "failed_launches": [_failed_launch(each) for each in reconciler.recent_launch_failures(now)]
        if reconciler
        else [],
        "reasons_now": [{"subject": reason.subject, "text": reason.text} for reason in last.reasons] if last else [],
    }


def _below_minimum(reconciler: ProviderReconciler) -> list[dict[str, Any]]:
    """Versions that serve with fewer environments than they are promised, and what planning says about it."""
    if reconciler.stored is None:
        return []
    last = reconciler.history.last
    reasons = last.reasons if last else ()
    found = []
    for version in reconciler.stored.versions:
        served = version.serving
        if served is None or version.state is not FunctionState.ACTIVE or version.configuration.on_demand:
            continue
        ready = sum(
            each.key == version.key and each.revision == served.revision and each.phase is EnvironmentPhase.READY
            for each in reconciler.inventory.environments()
        )
        if ready < version.bounds.minimum:
            why = [reason.text for reason in reasons if reason.subject == str(version.key)]
            row = {"function": str(version.key), "ready": ready, "minimum": version.bounds.minimum, "reasons": why}
            found.append(row)
    return found


def runtime_notes(reconcilers: list[ProviderReconciler]) -> list[str]:
    """Which runtimes are stood in for, as the environments that run say."""
    notes = {
        f"{environment.spec.runtime}: {environment.report.runtime_note}"
        for reconciler in reconcilers
        for environment in reconciler.inventory.environments()
        if environment.report is not None and environment.report.runtime_note
    }
    return sorted(notes)


def _instance(record: InstanceRecord, *, now: datetime, monotonic: float) -> dict[str, Any]:
    intent = record.intent
    return {
        "instance_id": intent.instance_id,
        "instance_type": intent.instance_type.name,
        "architecture": intent.instance_type.architecture.value,
        "zone": intent.zone,
        "subnet_id": intent.subnet_id,
        "private_ip_address": record.private_ip_address,
        "phase": record.phase.value,
        "draining": record.draining,
        "stop_reason": intent.stop_reason,
        "replace_reason": intent.replace_reason or record.outdated,
        "agent_version": record.agent_version,
        "age_seconds": round((now - intent.requested_at).total_seconds(), 3),
        "heard_seconds_ago": None if record.heard_at is None else round(monotonic - record.heard_at, 3),
        "vcpu": intent.instance_type.vcpu,
        "memory_gib": intent.instance_type.memory_gib,
        "entitled_cores": intent.entitled_cores,
        "memory_bytes": record.memory_bytes,
        "isolation": record.isolation,
        "generation": record.generation,
    }


def _failed_launch(failure: LaunchFailure) -> dict[str, Any]:
    return {
        "at": failure.at.isoformat(),
        "instance_type": failure.instance_type,
        "zone": failure.zone,
        "reason_code": failure.reason_code.value,
        "text": failure.text,
    }


def _environment(record: EnvironmentRecord) -> dict[str, Any]:
    spec, report = record.spec, record.report
    return {
        "environment_id": spec.environment_id,
        "instance_id": record.instance_id,
        "function": f"{spec.function_name}:{spec.version}",
        "revision": spec.revision,
        "tenant_id": spec.tenant_id or None,
        "phase": record.phase.value,
        "draining": spec.draining,
        "in_flight": record.in_flight,
        "peak_in_flight": record.most_in_flight,
        "max_concurrency": spec.max_concurrency,
        "slots": report.slots if report else 0,
        "memory_mb": spec.memory_mb,
        "memory_bytes": report.memory_bytes if report else 0,
        "vcpu": spec.vcpu,
        "cpu_utilization": None if record.cpu_utilization is None else round(record.cpu_utilization, 4),
        "cpu_seconds": round(report.cpu_seconds, 3) if report else 0.0,
        "started_at": report.started_at if report else None,
        "ready_at": report.ready_at if report else None,
        "runtime": spec.runtime or "image",
        "runtime_version": report.runtime_version if report else "",
        "log_group": spec.log_group,
        "log_stream": spec.log_stream,
    }


def _decision(record: PlanRecord) -> dict[str, Any]:
    return {
        "number": record.number,
        "at": record.at.isoformat(),
        "actions": list(record.actions),
        "reasons": [{"subject": reason.subject, "text": reason.text} for reason in record.reasons],
    }
