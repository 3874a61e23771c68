"""A managed function's settings from the parameters of Create and Update, with Lambda's defaults and refusals.

Texts in AWS's words where they are known; where they are not, ours say what to do. Pure: the caller looks up the
capacity provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paddock.controlplane.on_demand.tenancy import refuse_tenants_on_managed_instances
from paddock.model.capacity_provider import Architecture, CapacityProvider
from paddock.model.environment_variables import environment_variables_refusal
from paddock.model.errors import invalid_parameter
from paddock.model.function import (
    DEFAULT_MEMORY_GIB_PER_VCPU,
    MIN_MANAGED_MEMORY_MB,
    Code,
    FunctionConfiguration,
    LogFormat,
    LoggingConfig,
    ManagedInstancesConfig,
    TracingMode,
    default_log_group,
    vcpu_of,
)
from paddock.model.ids import FunctionName
from paddock.model.runtimes import default_concurrency, managed_instances_refusal, maximum_concurrency

MAX_EPHEMERAL_STORAGE_MB = 10240
_DEFAULT_LEVEL = "INFO"

_NOT_BUILT = {
    "FileSystemConfigs": "File systems",
    "DurableConfig": "Durable functions",
    "RuntimeConfig": "Customer-managed runtimes",
    "AcceleratorConfig": "Accelerators",
}


def managed_instances_params(params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    config: Mapping[str, Any] | None = params.get("CapacityProviderConfig")
    return None if config is None else config["LambdaManagedInstancesCapacityProviderConfig"]


def new_configuration(
    name: FunctionName, params: Mapping[str, Any], provider: CapacityProvider, code: Code
) -> FunctionConfiguration:
    """Raises `ApiError`. `provider` is the one that the parameters name."""
    require_program(params)
    managed = managed_instances_params(params)
    assert managed is not None
    memory_mb = params.get("MemorySize", MIN_MANAGED_MEMORY_MB)
    return _checked(
        FunctionConfiguration(
            runtime=params.get("Runtime", ""),
            handler=params.get("Handler", ""),
            role=params["Role"],
            code=code,
            managed_instances=_managed_instances(managed, provider, params.get("Runtime", ""), memory_mb, before=None),
            logging=_logging(params.get("LoggingConfig", {}), LoggingConfig(LogFormat.JSON, default_log_group(name))),
            memory_mb=memory_mb,
            architecture=Architecture(params.get("Architectures", [Architecture.X86_64])[0]),
            **plain_settings(params),
        ),
        params,
        provider,
    )


def changed_configuration(
    before: FunctionConfiguration, params: Mapping[str, Any], provider: CapacityProvider
) -> FunctionConfiguration:
    """`before` with what an update gives. Raises `ApiError`. `provider` is the one that it is to have afterwards."""
    runtime = params.get("Runtime", before.runtime)
    memory_mb = params.get("MemorySize", before.memory_mb)
    managed = managed_instances_params(params)
    return _checked(
        replace(
            before,
            runtime=runtime,
            handler=params.get("Handler", before.handler),
            role=params.get("Role", before.role),
            managed_instances=(
                before.managed_instances
                if managed is None
                else _managed_instances(managed, provider, runtime, memory_mb, before.managed_instances)
            ),
            logging=_logging(params.get("LoggingConfig", {}), before.logging),
            memory_mb=memory_mb,
            **plain_settings(params),
        ),
        params,
        provider,
    )


def require_program(params: Mapping[str, Any]) -> None:
    """An image says itself what runs in it."""
    if params.get("PackageType") != "Image" and not (params.get("Runtime") and params.get("Handler")):
        raise invalid_parameter(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )


def plain_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """What is taken as it is, where it is given."""
    found: dict[str, Any] = {}
    for member, setting in (("Description", "description"), ("Timeout", "timeout_seconds")):
        if member in params:
            found[setting] = params[member]
    if "Environment" in params:
        variables = params["Environment"].get("Variables") or {}
        found["environment_variables"] = tuple(sorted(variables.items()))
    if "EphemeralStorage" in params:
        found["ephemeral_storage_mb"] = params["EphemeralStorage"]["Size"]
    if "TracingConfig" in params:
        found["tracing_mode"] = TracingMode(params["TracingConfig"].get("Mode", TracingMode.PASS_THROUGH))
    if "KMSKeyArn" in params:
        found["kms_key_arn"] = params["KMSKeyArn"] or None
    if "DeadLetterConfig" in params:
        found["dead_letter_target_arn"] = params["DeadLetterConfig"].get("TargetArn") or None
    return found


def _managed_instances(
    given: Mapping[str, Any],
    provider: CapacityProvider,
    runtime: str,
    memory_mb: int,
    before: ManagedInstancesConfig | None,
) -> ManagedInstancesConfig:
    ratio = float(
        given.get(
            "ExecutionEnvironmentMemoryGiBPerVCpu",
            before.execution_environment_memory_gib_per_vcpu if before else DEFAULT_MEMORY_GIB_PER_VCPU,
        )
    )
    concurrency = given.get("PerExecutionEnvironmentMaxConcurrency")
    if concurrency is None and before is not None:
        concurrency = before.per_execution_environment_max_concurrency
    if concurrency is None:
        concurrency = default_concurrency(runtime, max(1.0, vcpu_of(memory_mb, ratio)))
    return ManagedInstancesConfig(provider.name, provider.arn, concurrency, ratio)


def _logging(given: Mapping[str, Any], before: LoggingConfig) -> LoggingConfig:
    if given.get("LogFormat") == LogFormat.TEXT:
        raise invalid_parameter(
            'LogLevel is not supported when LogFormat is set to "Text". '
            'Remove LogLevel from your request or change the LogFormat to "JSON" and try again.'
        )
    return LoggingConfig(
        log_format=LogFormat.JSON,
        log_group=given.get("LogGroup", before.log_group),
        application_log_level=given.get("ApplicationLogLevel", before.application_log_level or _DEFAULT_LEVEL),
        system_log_level=given.get("SystemLogLevel", before.system_log_level or _DEFAULT_LEVEL),
    )


def _checked(
    configuration: FunctionConfiguration, params: Mapping[str, Any], provider: CapacityProvider
) -> FunctionConfiguration:
    refuse_what_is_not_built(params)
    _refuse_what_managed_instances_lack(params)
    runtime = configuration.runtime
    # Without one it is an image, of which Managed Instances take any.
    refusal = (managed_instances_refusal(runtime) if runtime else None) or environment_variables_refusal(
        dict(configuration.environment_variables)
    )
    if refusal is not None:
        raise refusal
    wanted = provider.instance_requirements.architecture
    if configuration.architecture is not wanted:
        raise invalid_parameter(
            f"The function's architecture {configuration.architecture.value} does not match the architecture "
            f"{wanted.value} of the capacity provider {provider.arn}. Set Architectures to [{wanted.value}] or use "
            f"another capacity provider."
        )
    if configuration.ephemeral_storage_mb > MAX_EPHEMERAL_STORAGE_MB:
        raise invalid_parameter(
            f"EphemeralStorage Size above {MAX_EPHEMERAL_STORAGE_MB} MB is only supported with AcceleratorConfig."
        )
    _check_size(configuration)
    return configuration


def _check_size(configuration: FunctionConfiguration) -> None:
    memory_mb = configuration.memory_mb
    managed = configuration.managed_instances
    assert managed is not None
    if memory_mb < MIN_MANAGED_MEMORY_MB:
        raise invalid_parameter(
            f"MemorySize {memory_mb} MB is not supported for functions configured with capacity provider. "
            f"Specify at least {MIN_MANAGED_MEMORY_MB} MB."
        )
    ratio = managed.execution_environment_memory_gib_per_vcpu
    vcpu = vcpu_of(memory_mb, ratio)
    if vcpu < 1 or vcpu != int(vcpu):
        lower, upper = (round(max(1, whole) * ratio * 1024) for whole in (int(vcpu), int(vcpu) + 1))
        raise invalid_parameter(
            f"MemorySize {memory_mb} MB at {ratio:g} GiB per vCPU is not a whole number of vCPUs. Specify "
            + (f"{upper} MB" if lower in (memory_mb, upper) or vcpu < 1 else f"{lower} MB or {upper} MB")
            + " or another ExecutionEnvironmentMemoryGiBPerVCpu."
        )
    most = maximum_concurrency(vcpu)
    if managed.per_execution_environment_max_concurrency > most:
        raise invalid_parameter(
            f"PerExecutionEnvironmentMaxConcurrency {managed.per_execution_environment_max_concurrency} exceeds the "
            f"maximum of {most} for an execution environment with {vcpu:g} vCPU (64 per vCPU, at most 1600)."
        )


def refuse_what_is_not_built(params: Mapping[str, Any]) -> None:
    for member, what in _NOT_BUILT.items():
        if params.get(member):
            raise invalid_parameter(f"{what} are not supported by this server yet. Remove {member} from your request.")


def _refuse_what_managed_instances_lack(params: Mapping[str, Any]) -> None:
    refuse_tenants_on_managed_instances(params)
    if params.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions":
        raise invalid_parameter("SnapStart is not supported for functions configured with capacity provider.")
    vpc_config = params.get("VpcConfig", {})
    if vpc_config.get("SubnetIds") or vpc_config.get("SecurityGroupIds"):
        raise invalid_parameter(
            "VpcConfig is not supported for functions configured with capacity provider: their network is the "
            "capacity provider's. Remove VpcConfig from your request."
        )
