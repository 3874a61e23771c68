"""A default Lambda function's settings from the parameters of Create and Update: Lambda's defaults and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paddock.controlplane.configuration import (
    MAX_EPHEMERAL_STORAGE_MB,
    plain_settings,
    refuse_what_is_not_built,
    require_program,
)
from paddock.controlplane.on_demand.tenancy import asks_for_tenants, not_with_tenants
from paddock.model.capacity_provider import Architecture
from paddock.model.environment_variables import environment_variables_refusal
from paddock.model.errors import invalid_parameter
from paddock.model.function import (
    DEFAULT_LAMBDA_MEMORY_MB,
    Code,
    FunctionConfiguration,
    LogFormat,
    LoggingConfig,
    default_log_group,
)
from paddock.model.ids import FunctionName

MAX_MEMORY_MB = 10240
MAX_TIMEOUT_SECONDS = 900
_DEFAULT_LEVEL = "INFO"
_LEVELS = ("ApplicationLogLevel", "SystemLogLevel")


def new_default_configuration(name: FunctionName, params: Mapping[str, Any], code: Code) -> FunctionConfiguration:
    """Raises `ApiError`."""
    require_program(params)
    text = LoggingConfig(LogFormat.TEXT, default_log_group(name))
    return _checked(
        FunctionConfiguration(
            runtime=params.get("Runtime", ""),
            handler=params.get("Handler", ""),
            role=params["Role"],
            code=code,
            managed_instances=None,
            logging=_logging(params.get("LoggingConfig", {}), text),
            memory_mb=params.get("MemorySize", DEFAULT_LAMBDA_MEMORY_MB),
            architecture=Architecture(params.get("Architectures", [Architecture.X86_64])[0]),
            per_tenant=asks_for_tenants(params),
            **plain_settings(params),
        ),
        params,
    )


def changed_default_configuration(before: FunctionConfiguration, params: Mapping[str, Any]) -> FunctionConfiguration:
    """`before` with what an update gives. Raises `ApiError`."""
    if params.get("CapacityProviderConfig") is not None:
        raise invalid_parameter("CapacityProviderConfig isn't supported for Lambda Default functions.")
    changed = replace(
        before,
        runtime=params.get("Runtime", before.runtime),
        handler=params.get("Handler", before.handler),
        role=params.get("Role", before.role),
        logging=_logging(params.get("LoggingConfig", {}), before.logging),
        memory_mb=params.get("MemorySize", before.memory_mb),
        **plain_settings(params),
    )
    return _checked(changed, params)


def _logging(given: Mapping[str, Any], before: LoggingConfig) -> LoggingConfig:
    """Text has no levels; JSON has both."""
    log_format = LogFormat(given.get("LogFormat", before.log_format))
    group = given.get("LogGroup", before.log_group)
    if log_format is LogFormat.TEXT:
        if any(given.get(level) for level in _LEVELS):
            raise invalid_parameter(
                'LogLevel is not supported when LogFormat is set to "Text". '
                'Remove LogLevel from your request or change the LogFormat to "JSON" and try again.'
            )
        return LoggingConfig(log_format, group)
    return LoggingConfig(
        log_format=log_format,
        log_group=group,
        application_log_level=given.get("ApplicationLogLevel", before.application_log_level or _DEFAULT_LEVEL),
        system_log_level=given.get("SystemLogLevel", before.system_log_level or _DEFAULT_LEVEL),
    )


def _checked(configuration: FunctionConfiguration, params: Mapping[str, Any]) -> FunctionConfiguration:
    refuse_what_is_not_built(params)
    _refuse_networks_and_snapshots(params, per_tenant=configuration.per_tenant)
    refusal = environment_variables_refusal(dict(configuration.environment_variables))
    if refusal is not None:
        raise refusal
    for member, value, most in (
        ("MemorySize", configuration.memory_mb, MAX_MEMORY_MB),
        ("Timeout", configuration.timeout_seconds, MAX_TIMEOUT_SECONDS),
        ("EphemeralStorage Size", configuration.ephemeral_storage_mb, MAX_EPHEMERAL_STORAGE_MB),
    ):
        if value > most:
            raise invalid_parameter(
                f"{member} {value} is above {most}, the most for functions without a capacity provider."
            )
    return configuration


def _refuse_networks_and_snapshots(params: Mapping[str, Any], *, per_tenant: bool) -> None:
    if params.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions":
        if per_tenant:
            raise not_with_tenants("SnapStart")
        raise invalid_parameter("SnapStart is not supported by this server yet. Remove SnapStart from your request.")
    vpc_config = params.get("VpcConfig", {})
    if vpc_config.get("SubnetIds") or vpc_config.get("SecurityGroupIds"):
        raise invalid_parameter("VpcConfig is not supported by this server yet. Remove VpcConfig from your request.")
