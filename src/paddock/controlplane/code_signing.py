"""Code signing configurations, and which function has which. What they mean for a deployment: `code_signatures`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paddock.awsapi.pagination import paginate
from paddock.awsapi.timestamps import to_lambda_string
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.code_signatures import config_of_arn, require_config
from paddock.controlplane.tags import delete_tags, put_tags
from paddock.model.code_signing import CodeSigningConfig, UntrustedArtifactPolicy
from paddock.model.errors import conflict, invalid_parameter
from paddock.model.function import Function
from paddock.model.ids import CodeSigningConfigId, FunctionName
from paddock.ports.store import Transaction

PAGE_ITEMS = 50
_ID_DIGITS = 17
_NOT_SIGNED_HERE = (
    "no signature is checked: under Enforce every deployment is refused as an unsigned one, under Warn none"
)


async def create_code_signing_config(api: Api, call: Call) -> Answer:
    params = call.params
    config = CodeSigningConfig(
        config_id=CodeSigningConfigId(f"csc-{api.ids.hex(_ID_DIGITS)}"),
        signing_profile_version_arns=_publishers(params),
        untrusted_artifact_on_deployment=_policy(params, UntrustedArtifactPolicy.WARN),
        last_modified=call.now,
        description=params.get("Description", ""),
    )

    def create(tx: Transaction) -> None:
        tx.code_signing_configs.put(config)
        put_tags(tx, api.place.code_signing_config_arn(config.config_id), params.get("Tags", {}))

    await api.store.write(create)
    return {"CodeSigningConfig": _view(api, config)}


async def get_code_signing_config(api: Api, call: Call) -> Answer:
    config = await api.store.read(lambda tx: require_config(api, tx, call.params["CodeSigningConfigArn"]))
    return {"CodeSigningConfig": _view(api, config)}


async def update_code_signing_config(api: Api, call: Call) -> Answer:
    """For the deployments that come: what is deployed stays."""
    params = call.params

    def update(tx: Transaction) -> CodeSigningConfig:
        before = require_config(api, tx, params["CodeSigningConfigArn"])
        config = replace(
            before,
            signing_profile_version_arns=(
                _publishers(params) if "AllowedPublishers" in params else before.signing_profile_version_arns
            ),
            untrusted_artifact_on_deployment=_policy(params, before.untrusted_artifact_on_deployment),
            description=params.get("Description", before.description),
            last_modified=call.now,
        )
        tx.code_signing_configs.put(config)
        return config

    return {"CodeSigningConfig": _view(api, await api.store.write(update))}


async def delete_code_signing_config(api: Api, call: Call) -> Answer:
    arn = call.params["CodeSigningConfigArn"]

    def delete(tx: Transaction) -> None:
        config = require_config(api, tx, arn)
        if _functions_with(tx, config):
            raise conflict(
                "Cannot delete the code signing configuration because functions use it. "
                f"Remove it from them first: {arn}"
            )
        delete_tags(tx, arn)
        tx.code_signing_configs.delete(config.config_id)

    await api.store.write(delete)
    return {}


async def list_code_signing_configs(api: Api, call: Call) -> Answer:
    page = paginate(
        await api.store.read(lambda tx: tx.code_signing_configs.select()),
        call.params.get("Marker"),
        call.params.get("MaxItems"),
        PAGE_ITEMS,
        lambda config: config.config_id,
    )
    return {"CodeSigningConfigs": [_view(api, config) for config in page.items], "NextMarker": page.next_marker}


async def list_functions_by_code_signing_config(api: Api, call: Call) -> Answer:
    functions = await api.store.read(
        lambda tx: _functions_with(tx, require_config(api, tx, call.params["CodeSigningConfigArn"]))
    )
    page = paginate(
        functions,
        call.params.get("Marker"),
        call.params.get("MaxItems"),
        PAGE_ITEMS,
        lambda function: function.name,
    )
    arns = [api.place.function_arn(function.name) for function in page.items]
    return {"FunctionArns": arns, "NextMarker": page.next_marker}


async def put_function_code_signing_config(api: Api, call: Call) -> Answer:
    """What is deployed is not looked at again."""
    name, arn = api.function(call).name, call.params["CodeSigningConfigArn"]

    def put(tx: Transaction) -> None:
        config = config_of_arn(api, tx, arn)
        function = _function(api, tx, name)
        if api.version(tx, name, None).configuration.image is not None:
            raise invalid_parameter("Code signing is not supported for functions created with container images.")
        tx.functions.put(replace(function, code_signing_config=config.config_id))

    await api.store.write(put)
    return {"CodeSigningConfigArn": arn, "FunctionName": name}


async def get_function_code_signing_config(api: Api, call: Call) -> Answer:
    """Empty, and no error, where a function has none, as on AWS."""
    name = api.function(call).name
    config_id = (await api.store.read(lambda tx: _function(api, tx, name))).code_signing_config
    if config_id is None:
        return {}
    return {"CodeSigningConfigArn": api.place.code_signing_config_arn(config_id), "FunctionName": name}


async def delete_function_code_signing_config(api: Api, call: Call) -> Answer:
    name = api.function(call).name
    await api.store.write(lambda tx: tx.functions.put(replace(_function(api, tx, name), code_signing_config=None)))
    return {}


def _function(api: Api, tx: Transaction, name: FunctionName) -> Function:
    found = tx.functions.get(name)
    if found is None:
        raise api.function_not_found(name)
    return found


def _functions_with(tx: Transaction, config: CodeSigningConfig) -> list[Function]:
    return [function for function in tx.functions.select() if function.code_signing_config == config.config_id]


def _publishers(params: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(params["AllowedPublishers"]["SigningProfileVersionArns"])


def _policy(params: Mapping[str, Any], otherwise: UntrustedArtifactPolicy) -> UntrustedArtifactPolicy:
    given = params.get("CodeSigningPolicies", {}).get("UntrustedArtifactOnDeployment")
    return otherwise if given is None else UntrustedArtifactPolicy(given)


def _view(api: Api, config: CodeSigningConfig) -> dict[str, Any]:
    return {
        "CodeSigningConfigId": config.config_id,
        "CodeSigningConfigArn": api.place.code_signing_config_arn(config.config_id),
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.signing_profile_version_arns)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.untrusted_artifact_on_deployment.value},
        "LastModified": to_lambda_string(config.last_modified),
    }


OPERATIONS = (
    Operation("lambda", "CreateCodeSigningConfig", create_code_signing_config),
    Operation("lambda", "GetCodeSigningConfig", get_code_signing_config),
    Operation("lambda", "UpdateCodeSigningConfig", update_code_signing_config),
    Operation("lambda", "DeleteCodeSigningConfig", delete_code_signing_config),
    Operation("lambda", "ListCodeSigningConfigs", list_code_signing_configs),
    Operation("lambda", "ListFunctionsByCodeSigningConfig", list_functions_by_code_signing_config),
    Operation("lambda", "PutFunctionCodeSigningConfig", put_function_code_signing_config, "partial", _NOT_SIGNED_HERE),
    Operation("lambda", "GetFunctionCodeSigningConfig", get_function_code_signing_config),
    Operation("lambda", "DeleteFunctionCodeSigningConfig", delete_function_code_signing_config),
)
