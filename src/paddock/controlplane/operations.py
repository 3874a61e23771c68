"""Every operation the control plane has built, in one list."""

from __future__ import annotations

from paddock.controlplane import (
    account,
    capacity_providers,
    function_updates,
    functions,
    log_events,
    log_groups,
    scaling_config,
    tags,
    versions,
)
from paddock.controlplane.api import Operation

OPERATIONS: tuple[Operation, ...] = (
    *capacity_providers.OPERATIONS,
    *functions.OPERATIONS,
    *function_updates.OPERATIONS,
    *versions.OPERATIONS,
    *scaling_config.OPERATIONS,
    *tags.OPERATIONS,
    *account.OPERATIONS,
    *log_groups.OPERATIONS,
    *log_events.OPERATIONS,
)
