"""A capacity provider: from which instances, in which network, up to which ceiling versions get their capacity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from paddock.model.ids import CapacityProviderName, SecurityGroupId, SubnetId
from paddock.model.states import CapacityProviderState

DEFAULT_MAX_VCPU_COUNT = 400
"""AWS's default guardrail (developer guide, "Capacity providers")."""


class Architecture(StrEnum):
    X86_64 = "x86_64"
    ARM64 = "arm64"


class ScalingMode(StrEnum):
    AUTO = "Auto"
    MANUAL = "Manual"


class PredefinedMetricType(StrEnum):
    CPU = "LambdaCapacityProviderAverageCPUUtilization"
    GPU = "LambdaCapacityProviderAverageGPUUtilization"


@dataclass(frozen=True, slots=True)
class TargetTrackingScalingPolicy:
    predefined_metric_type: PredefinedMetricType
    target_value_percent: float


@dataclass(frozen=True, slots=True)
class InstanceRequirements:
    """Which instance types may be launched. `allowed` and `excluded` exclude one another; `*` is a wildcard in both."""

    architecture: Architecture = Architecture.X86_64
    allowed_instance_types: tuple[str, ...] = ()
    excluded_instance_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CapacityProviderScalingConfig:
    max_vcpu_count: int = DEFAULT_MAX_VCPU_COUNT
    scaling_mode: ScalingMode = ScalingMode.AUTO
    scaling_policies: tuple[TargetTrackingScalingPolicy, ...] = ()


class PropagateTagsMode(StrEnum):
    NONE = "None"
    EXPLICIT = "Explicit"


@dataclass(frozen=True, slots=True)
class PropagateTags:
    """Tags for what is launched afterwards, never for what already runs."""

    mode: PropagateTagsMode = PropagateTagsMode.NONE
    explicit_tags: tuple[tuple[str, str], ...] = ()


class SystemLogLevel(StrEnum):
    """Which system log records are kept; those of failures at every level."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"


@dataclass(frozen=True, slots=True)
class CapacityProvider:
    """The stored resource. `last_modified` is UTC."""

    name: CapacityProviderName
    arn: str
    state: CapacityProviderState
    subnet_ids: tuple[SubnetId, ...]
    security_group_ids: tuple[SecurityGroupId, ...]
    operator_role_arn: str
    instance_requirements: InstanceRequirements
    scaling_config: CapacityProviderScalingConfig
    kms_key_arn: str | None
    propagate_tags: PropagateTags | None
    system_log_level: SystemLogLevel
    log_group: str
    last_modified: datetime


def default_system_log_group(name: CapacityProviderName) -> str:
    return f"/aws/lambda/capacity-provider/{name}"
