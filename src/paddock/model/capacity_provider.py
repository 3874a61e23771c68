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


@dataclass(frozen=True, slots=True)
class CapacityProvider:
    """The stored resource. `created_at` and `last_modified` are UTC."""

    name: CapacityProviderName
    arn: str
    state: CapacityProviderState
    subnet_ids: tuple[SubnetId, ...]
    security_group_ids: tuple[SecurityGroupId, ...]
    operator_role_arn: str
    instance_requirements: InstanceRequirements
    instance_requirements_given: bool
    scaling_config: CapacityProviderScalingConfig
    kms_key_arn: str | None
    propagate_tags_mode: str | None
    propagated_tags: tuple[tuple[str, str], ...]
    system_log_level: str
    log_group: str
    last_modified: datetime
