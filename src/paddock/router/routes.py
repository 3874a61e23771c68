"""Puts the control plane's updates into the routing table, in the table's own words."""

from __future__ import annotations

from paddock.core.routing.refusals import Refusal
from paddock.core.routing.table import EnvironmentPlacement, FunctionRules, RevisionKey, VersionRules
from paddock.model.ids import (
    AvailabilityZone,
    EnvironmentId,
    FunctionName,
    InstanceId,
    RevisionId,
    TenantId,
    VersionName,
)
from paddock.wire.routes import EnvironmentRoute, FunctionRoute, VersionRoute


def function_rules(route: FunctionRoute) -> FunctionRules:
    return FunctionRules(
        function_name=FunctionName(route.function_name),
        default_version=VersionName(route.default_version),
        versions=tuple(_version_rules(version) for version in route.versions),
        aliases={
            alias: tuple((VersionName(version), weight) for version, weight in weights)
            for alias, weights in route.aliases.items()
        },
    )


def placement(route: EnvironmentRoute, zone: AvailabilityZone) -> EnvironmentPlacement:
    return EnvironmentPlacement(
        environment_id=EnvironmentId(route.environment_id),
        instance_id=InstanceId(route.instance_id),
        zone=zone,
        key=RevisionKey(
            FunctionName(route.function_name),
            VersionName(route.version),
            RevisionId(route.revision),
            TenantId(route.tenant_id),
        ),
        slots=route.max_concurrency,
        draining=route.draining,
    )


def _version_rules(route: VersionRoute) -> VersionRules:
    return VersionRules(
        version=VersionName(route.version),
        revision=RevisionId(route.revision),
        timeout_seconds=route.timeout_seconds,
        refusal=None if route.refusal is None else Refusal(*route.refusal),
        on_demand=route.on_demand,
        per_tenant=route.per_tenant,
    )
