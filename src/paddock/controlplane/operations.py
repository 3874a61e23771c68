"""Every operation the control plane has built, in one list."""

from __future__ import annotations

from paddock.controlplane import (
    account,
    aliases,
    capacity_providers,
    code_signing,
    function_permissions,
    function_updates,
    function_urls,
    functions,
    layer_permissions,
    layers,
    log_events,
    log_groups,
    scaling_config,
    tags,
    versions,
)
from paddock.controlplane.api import Operation
from paddock.controlplane.cloudwatch import metric_data, metric_statistics
from paddock.controlplane.ec2 import instance_tags, instance_types, instances, network, network_interfaces, visibility
from paddock.controlplane.on_demand import provisioned_concurrency, reserved_concurrency

OPERATIONS: tuple[Operation, ...] = (
    *capacity_providers.OPERATIONS,
    *functions.OPERATIONS,
    *function_updates.OPERATIONS,
    *versions.OPERATIONS,
    *layers.OPERATIONS,
    *layer_permissions.OPERATIONS,
    *code_signing.OPERATIONS,
    *aliases.OPERATIONS,
    *scaling_config.OPERATIONS,
    *function_urls.OPERATIONS,
    *function_permissions.OPERATIONS,
    *reserved_concurrency.OPERATIONS,
    *provisioned_concurrency.OPERATIONS,
    *tags.OPERATIONS,
    *account.OPERATIONS,
    *log_groups.OPERATIONS,
    *log_events.OPERATIONS,
    *metric_statistics.OPERATIONS,
    *metric_data.OPERATIONS,
    *instances.OPERATIONS,
    *instance_tags.OPERATIONS,
    *instance_types.OPERATIONS,
    *network.OPERATIONS,
    *network_interfaces.OPERATIONS,
    *visibility.OPERATIONS,
)
