"""The capacity provider operations. What a provider's instances do is the fleet's affair; here it is described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paddock.awsapi.pagination import paginate
from paddock.awsapi.timestamps import to_lambda_string
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.snapshots import versions_of
from paddock.controlplane.tags import check_tags, delete_tags, put_tags
from paddock.core.lifecycle import CAPACITY_PROVIDER, CapacityProviderEvent
from paddock.model.capacity_provider import (
    Architecture,
    CapacityProvider,
    CapacityProviderScalingConfig,
    InstanceRequirements,
    PredefinedMetricType,
    PropagateTags,
    PropagateTagsMode,
    ScalingMode,
    SystemLogLevel,
    TargetTrackingScalingPolicy,
    default_system_log_group,
)
from paddock.model.errors import ApiError, conflict, invalid_parameter
from paddock.model.ids import SecurityGroupId, SubnetId
from paddock.model.instance_types import instance_type_matches
from paddock.model.network import Network
from paddock.model.states import CapacityProviderState
from paddock.ports.store import Transaction

MAX_CAPACITY_PROVIDERS = 1000
"""Quota of AWS per account and region."""
PAGE_ITEMS = 50


async def create_capacity_provider(api: Api, call: Call) -> Answer:
    params = call.params
    name = api.provider_name(params["CapacityProviderName"])
    subnet_ids, security_group_ids = _network_of(params["VpcConfig"], api.network)
    telemetry = params.get("TelemetryConfig", {}).get("LoggingConfig", {})
    requirements = _requirements(params.get("InstanceRequirements", {}), api.offered_types())
    tags = params.get("Tags", {})
    check_tags(tags)
    provider = CapacityProvider(
        name=name,
        arn=api.place.capacity_provider_arn(name),
        state=CapacityProviderState.PENDING,
        subnet_ids=subnet_ids,
        security_group_ids=security_group_ids,
        operator_role_arn=params["PermissionsConfig"]["CapacityProviderOperatorRoleArn"],
        instance_requirements=requirements,
        scaling_config=_scaling_config(
            params.get("CapacityProviderScalingConfig", {}), CapacityProviderScalingConfig()
        ),
        kms_key_arn=params.get("KmsKeyArn"),
        propagate_tags=_propagate_tags(params.get("PropagateTags")),
        system_log_level=SystemLogLevel(telemetry.get("SystemLogLevel", SystemLogLevel.INFO)),
        log_group=telemetry.get("LogGroup") or default_system_log_group(name),
        last_modified=call.now,
    )

    def create(tx: Transaction) -> None:
        if tx.capacity_providers.get(name) is not None:
            raise conflict(f"Capacity provider already exists: {provider.arn}")
        if tx.capacity_providers.count() >= MAX_CAPACITY_PROVIDERS:
            raise ApiError(
                "CapacityProviderLimitExceededException",
                f"The account has {MAX_CAPACITY_PROVIDERS} capacity providers, which is the limit. "
                "Delete one that is not used, then try again.",
            )
        tx.capacity_providers.put(provider)
        put_tags(tx, provider.arn, tags)

    await api.store.write(create)
    api.fleet.provider_changed(name)
    return {"CapacityProvider": described(provider)}


async def get_capacity_provider(api: Api, call: Call) -> Answer:
    name = api.provider_name(call.params["CapacityProviderName"])
    return {"CapacityProvider": described(await api.store.read(lambda tx: api.provider(tx, name)))}


async def list_capacity_providers(api: Api, call: Call) -> Answer:
    wanted = call.params.get("State")
    providers = await api.store.read(lambda tx: tx.capacity_providers.select())
    page = paginate(
        [provider for provider in providers if wanted in (None, provider.state)],
        call.params.get("Marker"),
        call.params.get("MaxItems"),
        PAGE_ITEMS,
        lambda provider: provider.name,
    )
    return {"CapacityProviders": [described(provider) for provider in page.items], "NextMarker": page.next_marker}


async def update_capacity_provider(api: Api, call: Call) -> Answer:
    params = call.params
    name = api.provider_name(params["CapacityProviderName"])
    telemetry = params.get("TelemetryConfig", {}).get("LoggingConfig", {})

    def update(tx: Transaction) -> CapacityProvider:
        provider = api.provider(tx, name)
        if provider.state is CapacityProviderState.DELETING:
            raise conflict(f"The capacity provider is being deleted: {provider.arn}")
        state: CapacityProviderState = provider.state
        if CAPACITY_PROVIDER.allows(state, CapacityProviderEvent.UPDATE_REQUESTED):
            state = CAPACITY_PROVIDER.next(state, CapacityProviderEvent.UPDATE_REQUESTED) or state
        changed = replace(
            provider,
            state=state,
            scaling_config=_scaling_config(params.get("CapacityProviderScalingConfig", {}), provider.scaling_config),
            propagate_tags=_propagate_tags(params["PropagateTags"])
            if "PropagateTags" in params
            else provider.propagate_tags,
            system_log_level=SystemLogLevel(telemetry.get("SystemLogLevel", provider.system_log_level)),
            log_group=telemetry.get("LogGroup") or provider.log_group,
            last_modified=call.now,
        )
        tx.capacity_providers.put(changed)
        return changed

    changed = await api.store.write(update)
    api.fleet.provider_changed(name)
    return {"CapacityProvider": described(changed)}


async def delete_capacity_provider(api: Api, call: Call) -> Answer:
    name = api.provider_name(call.params["CapacityProviderName"])

    def delete(tx: Transaction) -> CapacityProvider:
        provider = api.provider(tx, name)
        users = {version.function_name for version in versions_of(tx, name)}
        if users:
            raise conflict(
                f"The capacity provider is currently in use by {len(users)} functions. "
                f"To delete this capacity provider, first remove its association with {provider.arn}."
            )
        if provider.state is not CapacityProviderState.DELETING:
            state = CAPACITY_PROVIDER.next(provider.state, CapacityProviderEvent.DELETE_REQUESTED)
            assert state is not None
            provider = replace(provider, state=state, last_modified=call.now)
            tx.capacity_providers.put(provider)
            delete_tags(tx, provider.arn)
        return provider

    deleted = await api.store.write(delete)
    api.fleet.provider_changed(name)
    return {"CapacityProvider": described(deleted)}


async def list_function_versions_by_capacity_provider(api: Api, call: Call) -> Answer:
    name = api.provider_name(call.params["CapacityProviderName"])
    provider, versions = await api.store.read(lambda tx: (api.provider(tx, name), tx.versions.select(provider=name)))
    page = paginate(
        versions,
        call.params.get("Marker"),
        call.params.get("MaxItems"),
        PAGE_ITEMS,
        lambda version: "\n".join(version.key),
    )
    return {
        "CapacityProviderArn": provider.arn,
        "FunctionVersions": [
            {"FunctionArn": api.place.function_arn(*version.key), "State": version.state.value}
            for version in page.items
        ],
        "NextMarker": page.next_marker,
    }


def described(provider: CapacityProvider) -> dict[str, Any]:
    """The resource as the API shows it; what was not given shows its default, as AWS's does."""
    requirements = provider.instance_requirements
    scaling = provider.scaling_config
    shown: dict[str, Any] = {
        "CapacityProviderArn": provider.arn,
        "State": provider.state.value,
        "VpcConfig": {"SubnetIds": list(provider.subnet_ids), "SecurityGroupIds": list(provider.security_group_ids)},
        "PermissionsConfig": {"CapacityProviderOperatorRoleArn": provider.operator_role_arn},
        "InstanceRequirements": {"Architectures": [requirements.architecture.value]},
        "CapacityProviderScalingConfig": {
            "MaxVCpuCount": scaling.max_vcpu_count,
            "ScalingMode": scaling.scaling_mode.value,
        },
        "LastModified": to_lambda_string(provider.last_modified),
        "TelemetryConfig": {
            "LoggingConfig": {"SystemLogLevel": provider.system_log_level.value, "LogGroup": provider.log_group}
        },
    }
    if requirements.allowed_instance_types:
        shown["InstanceRequirements"]["AllowedInstanceTypes"] = list(requirements.allowed_instance_types)
    if requirements.excluded_instance_types:
        shown["InstanceRequirements"]["ExcludedInstanceTypes"] = list(requirements.excluded_instance_types)
    if scaling.scaling_policies:
        shown["CapacityProviderScalingConfig"]["ScalingPolicies"] = [
            {"PredefinedMetricType": policy.predefined_metric_type.value, "TargetValue": policy.target_value_percent}
            for policy in scaling.scaling_policies
        ]
    if provider.kms_key_arn is not None:
        shown["KmsKeyArn"] = provider.kms_key_arn
    if provider.propagate_tags is not None:
        shown["PropagateTags"] = {"Mode": provider.propagate_tags.mode.value}
        if provider.propagate_tags.explicit_tags:
            shown["PropagateTags"]["ExplicitTags"] = dict(provider.propagate_tags.explicit_tags)
    return shown


def _network_of(
    vpc_config: Mapping[str, Any], network: Network
) -> tuple[tuple[SubnetId, ...], tuple[SecurityGroupId, ...]]:
    for subnet_id in vpc_config["SubnetIds"]:
        if network.subnet(subnet_id) is None:
            raise invalid_parameter(
                f"Error occurred while describing subnets. EC2 Error Code: InvalidSubnetID.NotFound. "
                f"EC2 Error Message: The subnet ID '{subnet_id}' does not exist"
            )
    for group_id in vpc_config["SecurityGroupIds"]:
        if group_id not in network.security_group_ids:
            raise invalid_parameter(
                f"Error occurred while describing security groups. EC2 Error Code: InvalidGroup.NotFound. "
                f"EC2 Error Message: The security group '{group_id}' does not exist"
            )
    subnets = tuple(dict.fromkeys(SubnetId(each) for each in vpc_config["SubnetIds"]))
    return subnets, tuple(dict.fromkeys(SecurityGroupId(each) for each in vpc_config["SecurityGroupIds"]))


def _requirements(given: Mapping[str, Any], offered: tuple[str, ...]) -> InstanceRequirements:
    requirements = InstanceRequirements(
        architecture=Architecture(given.get("Architectures", [Architecture.X86_64])[0]),
        allowed_instance_types=tuple(given.get("AllowedInstanceTypes", ())),
        excluded_instance_types=tuple(given.get("ExcludedInstanceTypes", ())),
    )
    if requirements.allowed_instance_types and requirements.excluded_instance_types:
        raise invalid_parameter(
            "AllowedInstanceTypes and ExcludedInstanceTypes are mutually exclusive. Specify only one of them."
        )
    for pattern in requirements.allowed_instance_types:
        if not any(instance_type_matches(name, pattern) for name in offered):
            raise invalid_parameter(
                f"The instance type '{pattern}' in AllowedInstanceTypes is not supported by Lambda Managed Instances. "
                "Specify current C, M or R instance types; * stands for any characters."
            )
    return requirements


def _scaling_config(given: Mapping[str, Any], before: CapacityProviderScalingConfig) -> CapacityProviderScalingConfig:
    """`before` with what was given; policies go when the mode becomes Auto."""
    mode = ScalingMode(given.get("ScalingMode", before.scaling_mode))
    kept = before.scaling_policies if mode is ScalingMode.MANUAL else ()
    policies = tuple(
        TargetTrackingScalingPolicy(PredefinedMetricType(policy["PredefinedMetricType"]), float(policy["TargetValue"]))
        for policy in given.get("ScalingPolicies", ())
    )
    if policies and mode is ScalingMode.AUTO:
        raise invalid_parameter("ScalingPolicies can only be specified when ScalingMode is Manual.")
    if mode is ScalingMode.MANUAL and not (policies or kept):
        raise invalid_parameter("At least one scaling policy must be specified when ScalingMode is Manual.")
    if any(policy.predefined_metric_type is PredefinedMetricType.GPU for policy in policies):
        raise invalid_parameter(
            "LambdaCapacityProviderAverageGPUUtilization needs instances with GPUs, which are not supported by this "
            "server yet. Use LambdaCapacityProviderAverageCPUUtilization."
        )
    return CapacityProviderScalingConfig(given.get("MaxVCpuCount", before.max_vcpu_count), mode, policies or kept)


def _propagate_tags(given: Mapping[str, Any] | None) -> PropagateTags | None:
    if given is None:
        return None
    explicit = given.get("ExplicitTags", {})
    mode = PropagateTagsMode(given.get("Mode", PropagateTagsMode.NONE))
    if explicit and mode is PropagateTagsMode.NONE:
        raise invalid_parameter("ExplicitTags can only be specified when the PropagateTags Mode is Explicit.")
    check_tags(explicit)
    return PropagateTags(mode, tuple(sorted(explicit.items())))


OPERATIONS = (
    Operation(
        "lambda",
        "CreateCapacityProvider",
        create_capacity_provider,
        "partial",
        "KmsKeyArn is kept and shown, and encrypts nothing; GPU policies are refused",
    ),
    Operation("lambda", "GetCapacityProvider", get_capacity_provider),
    Operation("lambda", "ListCapacityProviders", list_capacity_providers),
    Operation("lambda", "UpdateCapacityProvider", update_capacity_provider),
    Operation("lambda", "DeleteCapacityProvider", delete_capacity_provider),
    Operation("lambda", "ListFunctionVersionsByCapacityProvider", list_function_versions_by_capacity_provider),
)
