"""What an agent is told of one environment, from the configuration of its version's revision."""

from __future__ import annotations

from datetime import datetime

from paddock.controlplane.fleet_records import PROVISIONED
from paddock.controlplane.function_credentials import FunctionCredentials
from paddock.model.arns import Place
from paddock.model.fleet import EnvironmentAssignment
from paddock.model.function import FunctionConfiguration, TracingMode
from paddock.wire.agent import EnvironmentSpec, ImageSpec

ON_DEMAND_INIT_SECONDS = 10
"""Default Lambda's init, on top of which it gives the function's own timeout before it tells the caller."""
MIN_INIT_TIMEOUT_SECONDS = 130
MAX_INIT_TIMEOUT_SECONDS = 900
"""Init may take as long as the function's own timeout, within these (developer guide, "Execution environment")."""

MANAGED_INSTANCES = "lambda-managed-instances"
ON_DEMAND = "on-demand"


def environment_spec(
    assignment: EnvironmentAssignment,
    configuration: FunctionConfiguration,
    *,
    place: Place,
    credentials: FunctionCredentials,
    now: datetime,
) -> EnvironmentSpec:
    version = assignment.key.version
    timeout = configuration.timeout_seconds
    initialization_type = _initialization_type(configuration, provisioned=assignment.provisioned)
    init_timeout = min(max(timeout, MIN_INIT_TIMEOUT_SECONDS), MAX_INIT_TIMEOUT_SECONDS)
    if initialization_type == ON_DEMAND:
        init_timeout = min(ON_DEMAND_INIT_SECONDS + timeout, MAX_INIT_TIMEOUT_SECONDS)
    return EnvironmentSpec(
        environment_id=assignment.environment_id,
        function_name=assignment.key.function_name,
        function_arn=place.function_arn(assignment.key.function_name, version),
        version=version,
        revision=assignment.revision,
        runtime=configuration.runtime,
        handler=configuration.handler,
        code_sha256=configuration.code.sha256,
        memory_mb=assignment.shape.memory_mb,
        vcpu=assignment.shape.vcpu,
        max_concurrency=assignment.shape.max_concurrency,
        timeout_seconds=float(timeout),
        init_timeout_seconds=float(init_timeout),
        log_group=configuration.logging.log_group,
        log_stream=f"{now:%Y/%m/%d}/[{version}]{assignment.environment_id.removeprefix('env-').replace('-', '')}",
        application_log_level=configuration.logging.application_log_level,
        system_log_level=configuration.logging.system_log_level or "INFO",
        ephemeral_storage_mb=configuration.ephemeral_storage_mb,
        environment_variables=dict(configuration.environment_variables),
        credentials=dict(credentials.variables) if configuration.on_demand else credentials.for_endpoint,
        tracing_active=configuration.tracing_mode is TracingMode.ACTIVE,
        draining=assignment.draining,
        initialization_type=initialization_type,
        log_format=configuration.logging.log_format.value,
        image=_image(configuration),
        architecture=configuration.architecture.value,
        layers=tuple(layer.code.sha256 for layer in configuration.layers),
        tenant_id=assignment.tenant_id,
        credentials_end_at=_end_of(credentials) if configuration.on_demand else None,
    )


def _end_of(credentials: FunctionCredentials) -> float | None:
    return None if credentials.expires_at is None else credentials.expires_at.timestamp()


def _image(configuration: FunctionConfiguration) -> ImageSpec | None:
    if configuration.image is None:
        return None
    config = configuration.image.config
    return ImageSpec(config.entry_point, config.command, config.working_directory)


def _initialization_type(configuration: FunctionConfiguration, *, provisioned: bool) -> str:
    if not configuration.on_demand:
        return MANAGED_INSTANCES
    return PROVISIONED if provisioned else ON_DEMAND
