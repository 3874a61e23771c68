"""A function version as the API shows it (`FunctionConfiguration`), and the hashes in it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import msgspec

from paddock.awsapi.timestamps import to_lambda_string
from paddock.controlplane.on_demand.tenancy import PER_TENANT
from paddock.controlplane.package_types import shown_image_config
from paddock.model.arns import Place
from paddock.model.function import Code, FunctionConfiguration, FunctionVersion, ManagedInstancesConfig, Status
from paddock.model.ids import CodeSha256
from paddock.runtimes.resolution import Resolution


def described(version: FunctionVersion, place: Place, runtime: Resolution | None, *, qualified: bool) -> dict[str, Any]:
    """`qualified` adds the version to the ARN. `runtime` is what the identifier means here, if it can be had."""
    configuration = version.configuration
    shown: dict[str, Any] = {
        "FunctionName": version.function_name,
        "FunctionArn": place.function_arn(version.function_name, version.version if qualified else None),
        "Role": configuration.role,
        "CodeSize": configuration.code.size_bytes,
        "Description": configuration.description,
        "Timeout": configuration.timeout_seconds,
        "MemorySize": configuration.memory_mb,
        "LastModified": to_lambda_string(version.last_modified),
        "CodeSha256": code_sha256(configuration),
        "Version": version.version,
        "TracingConfig": {"Mode": configuration.tracing_mode.value},
        "RevisionId": version.revision_id,
        "State": version.state.value,
        "LastUpdateStatus": version.last_update_status.value,
        **_package(configuration),
        "Architectures": [configuration.architecture.value],
        "EphemeralStorage": {"Size": configuration.ephemeral_storage_mb},
        "LoggingConfig": _logging(configuration),
        "ConfigSha256": config_sha256(configuration),
        **_status("State", version.state_status),
        **_status("LastUpdateStatus", version.last_update),
    }
    managed = configuration.managed_instances
    if managed is not None:
        shown["CapacityProviderConfig"] = {"LambdaManagedInstancesCapacityProviderConfig": _managed_instances(managed)}
    else:
        shown["SnapStart"] = {"ApplyOn": "None", "OptimizationStatus": "Off"}
    if configuration.per_tenant:
        shown["TenancyConfig"] = {"TenantIsolationMode": PER_TENANT}
    if configuration.environment_variables:
        shown["Environment"] = {"Variables": dict(configuration.environment_variables)}
    if configuration.kms_key_arn is not None:
        shown["KMSKeyArn"] = configuration.kms_key_arn
    if configuration.dead_letter_target_arn is not None:
        shown["DeadLetterConfig"] = {"TargetArn": configuration.dead_letter_target_arn}
    if configuration.layers:
        shown["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.code.size_bytes} for layer in configuration.layers]
    if runtime is not None:
        shown["RuntimeVersionConfig"] = _runtime_version(runtime, place)
    return shown


def code_sha256(configuration: FunctionConfiguration) -> str:
    """As the API says it: of a package in base64, of an image as in its digest."""
    sha256 = configuration.code.sha256
    return sha256 if configuration.image is None else base64.b64decode(sha256).hex()


def _package(configuration: FunctionConfiguration) -> dict[str, Any]:
    image = configuration.image
    if image is None:
        return {"PackageType": "Zip", "Runtime": configuration.runtime, "Handler": configuration.handler}
    shown = shown_image_config(image.config)
    return {"PackageType": "Image"} | ({"ImageConfigResponse": {"ImageConfig": shown}} if shown else {})


def config_sha256(configuration: FunctionConfiguration) -> str:
    """Of the settings; the code has its own hash."""
    image = configuration.image
    plain = None if image is None else replace(image, uri="", resolved_uri="", blobs=())
    settings = msgspec.json.encode(replace(configuration, code=Code(CodeSha256(""), 0), image=plain))
    return base64.b64encode(hashlib.sha256(settings).digest()).decode()


def _status(member: str, status: Status) -> dict[str, str]:
    if status.reason_code is None:
        return {}
    return {f"{member}Reason": status.reason or "", f"{member}ReasonCode": status.reason_code.value}


def _logging(configuration: FunctionConfiguration) -> dict[str, str]:
    logging = configuration.logging
    shown = {"LogFormat": logging.log_format.value, "LogGroup": logging.log_group}
    if logging.application_log_level is not None:
        shown["ApplicationLogLevel"] = logging.application_log_level
    if logging.system_log_level is not None:
        shown["SystemLogLevel"] = logging.system_log_level
    return shown


def _managed_instances(managed: ManagedInstancesConfig) -> dict[str, Any]:
    return {
        "CapacityProviderArn": managed.capacity_provider_arn,
        "PerExecutionEnvironmentMaxConcurrency": managed.per_execution_environment_max_concurrency,
        "ExecutionEnvironmentMemoryGiBPerVCpu": managed.execution_environment_memory_gib_per_vcpu,
    }


def _runtime_version(runtime: Resolution, place: Place) -> dict[str, Any]:
    shown: dict[str, Any] = {"RuntimeVersionArn": runtime.runtime_version_arn(place.region)}
    if not runtime.exact:
        # AWS's place to say that the version asked for is not the one that runs.
        shown["Error"] = {"ErrorCode": "RuntimeStandIn", "Message": runtime.note}
    return shown
