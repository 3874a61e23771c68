"""A function and its versions: what a publish freezes, and how far each version has come.

`FunctionConfiguration` is what a publish freezes; `FunctionVersion` adds the state. `$LATEST` is a version too, the one
that can be changed. Requested and applied scaling configuration are two fields, because the fleet follows later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from paddock.model.capacity_provider import Architecture
from paddock.model.fleet import EnvironmentShape, ScalingBounds
from paddock.model.function_url import FunctionUrl
from paddock.model.ids import (
    DEFAULT_LAMBDA,
    LATEST,
    CapacityProviderName,
    CodeSha256,
    CodeSigningConfigId,
    FunctionName,
    FunctionVersionKey,
    RevisionId,
    VersionName,
)
from paddock.model.resource_policy import Permission
from paddock.model.states import FunctionState, LastUpdateStatus, StateReasonCode

DEFAULT_TIMEOUT_SECONDS = 3
DEFAULT_EPHEMERAL_STORAGE_MB = 512
DEFAULT_MEMORY_GIB_PER_VCPU = 2.0
MIN_MANAGED_MEMORY_MB = 2048
"""Smallest execution environment on managed instances: 2 GB and 1 vCPU (developer guide, "Scaling")."""
DEFAULT_LAMBDA_MEMORY_MB = 128
MEMORY_MB_PER_DEFAULT_VCPU = 1769
"""Default Lambda has no vCPU setting: this much memory comes with one vCPU (developer guide, "Memory")."""


class TracingMode(StrEnum):
    ACTIVE = "Active"
    PASS_THROUGH = "PassThrough"  # noqa: S105  # a mode, not a secret


class LogFormat(StrEnum):
    JSON = "JSON"
    TEXT = "Text"


@dataclass(frozen=True, slots=True)
class Code:
    """A deployment package in the code store, named by its content. `unzipped_bytes` 0 means that nobody counted."""

    sha256: CodeSha256
    size_bytes: int
    unzipped_bytes: int = 0
    hot_reload_directory: str | None = None
    """Of the server's machine: where it was made from, and is made again when something changes there."""


@dataclass(frozen=True, slots=True)
class FunctionLayer:
    """A layer version as a function has it: it stays usable when the version is deleted."""

    arn: str
    code: Code


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a function says otherwise than its image; None where it says nothing."""

    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str | None = None


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """The image of a function that comes as one. `uri` is what was asked for, `resolved_uri` the same by digest.

    The function's `Code` is its manifest; `blobs` are what else is kept of it: configuration and layers.
    """

    uri: str
    resolved_uri: str
    blobs: tuple[CodeSha256, ...]
    config: ImageConfig = ImageConfig()


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    log_format: LogFormat
    log_group: str
    application_log_level: str | None = None
    system_log_level: str | None = None


@dataclass(frozen=True, slots=True)
class ManagedInstancesConfig:
    """AWS's `LambdaManagedInstancesCapacityProviderConfig` with its defaults filled in."""

    capacity_provider: CapacityProviderName
    capacity_provider_arn: str
    per_execution_environment_max_concurrency: int
    execution_environment_memory_gib_per_vcpu: float


@dataclass(frozen=True, slots=True)
class FunctionConfiguration:
    """Code and settings of one version. `environment_variables` are sorted by name and never shown in a log.

    `managed_instances` is None for default Lambda.
    """

    runtime: str
    handler: str
    role: str
    code: Code
    managed_instances: ManagedInstancesConfig | None
    logging: LoggingConfig
    memory_mb: int
    description: str = ""
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    architecture: Architecture = Architecture.X86_64
    ephemeral_storage_mb: int = DEFAULT_EPHEMERAL_STORAGE_MB
    environment_variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tracing_mode: TracingMode = TracingMode.PASS_THROUGH
    kms_key_arn: str | None = None
    dead_letter_target_arn: str | None = None
    image: ContainerImage | None = None
    """None for a ZIP package; with an image, `runtime` and `handler` are empty."""
    layers: tuple[FunctionLayer, ...] = ()
    per_tenant: bool = False
    """AWS's `PER_TENANT`: each environment serves one tenant. Chosen when the function is created, for good."""

    @property
    def on_demand(self) -> bool:
        return self.managed_instances is None

    @property
    def capacity_provider(self) -> CapacityProviderName:
        return DEFAULT_LAMBDA if self.managed_instances is None else self.managed_instances.capacity_provider

    @property
    def shape(self) -> EnvironmentShape:
        if self.managed_instances is None:
            return EnvironmentShape(self.memory_mb, self.memory_mb / MEMORY_MB_PER_DEFAULT_VCPU, max_concurrency=1)
        return EnvironmentShape(
            memory_mb=self.memory_mb,
            vcpu=vcpu_of(self.memory_mb, self.managed_instances.execution_environment_memory_gib_per_vcpu),
            max_concurrency=self.managed_instances.per_execution_environment_max_concurrency,
        )


def vcpu_of(memory_mb: int, memory_gib_per_vcpu: float) -> float:
    return memory_mb / 1024 / memory_gib_per_vcpu


@dataclass(frozen=True, slots=True)
class ServedRevision:
    """The publish that invocations go to; not the newest one while a republish is under way or has failed."""

    revision: RevisionId
    configuration: FunctionConfiguration


@dataclass(frozen=True, slots=True)
class Status:
    """A state or an update with its cause. `reason_code` None means that there is nothing to tell."""

    reason: str | None = None
    reason_code: StateReasonCode | None = None


NOTHING_TO_TELL = Status()


@dataclass(frozen=True, slots=True)
class ProvisionedConcurrency:
    """Environments of default Lambda that are kept ready before anybody asks for them."""

    environments: int
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """One version. `revision_id` changes with every change of it, `revision` with a publish or an update of `$LATEST`.

    `requested_scaling` is None once it is applied; `applied_scaling` None means the defaults.
    """

    key: FunctionVersionKey
    configuration: FunctionConfiguration
    revision: RevisionId
    revision_id: str
    state: FunctionState
    last_update_status: LastUpdateStatus
    last_modified: datetime
    published_at: datetime | None = None
    """When `revision` was asked for; None for `$LATEST`, which nothing runs of."""
    state_status: Status = NOTHING_TO_TELL
    last_update: Status = NOTHING_TO_TELL
    serving: ServedRevision | None = None
    requested_scaling: ScalingBounds | None = None
    applied_scaling: ScalingBounds | None = None
    provisioned: ProvisionedConcurrency | None = None
    permissions: tuple[Permission, ...] = ()
    """Of `$LATEST` they are those of the function without a qualifier."""

    @property
    def function_name(self) -> FunctionName:
        return self.key.function_name

    @property
    def version(self) -> VersionName:
        return self.key.version

    @property
    def is_latest(self) -> bool:
        return self.key.version == LATEST

    @property
    def bounds(self) -> ScalingBounds:
        return self.requested_scaling or self.applied_scaling or ScalingBounds()

    @property
    def publish_is_under_way(self) -> bool:
        return self.state is FunctionState.PENDING or self.last_update_status is LastUpdateStatus.IN_PROGRESS

    @property
    def publish_failed(self) -> bool:
        return self.state is FunctionState.FAILED or self.last_update_status is LastUpdateStatus.FAILED


@dataclass(frozen=True, slots=True)
class Function:
    """What its versions share. `next_version` is never given out twice, also not after a deletion."""

    name: FunctionName
    created_at: datetime
    next_version: int = 1
    deleting: bool = False
    reserved_concurrency: int | None = None
    """Of default Lambda: this many invocations at once and no more, taken from what others may use."""
    code_signing_config: CodeSigningConfigId | None = None
    url: FunctionUrl | None = None
    """Of the function without a qualifier; those of aliases are kept with them."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A movable name for a version; `additional_weights` takes a share of the traffic to other versions."""

    function_name: FunctionName
    name: str
    function_version: VersionName
    revision_id: str
    description: str = ""
    additional_weights: tuple[tuple[VersionName, float], ...] = ()
    provisioned: ProvisionedConcurrency | None = None
    url: FunctionUrl | None = None
    permissions: tuple[Permission, ...] = ()


def default_log_group(name: FunctionName) -> str:
    return f"/aws/lambda/{name}"
