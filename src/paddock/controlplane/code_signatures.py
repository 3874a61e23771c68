"""What a code signing configuration means for a deployment.

Nothing that arrives here bears a signature that could be checked: signing profiles live with AWS. So under `Enforce`
every deployment is refused as AWS refuses an unsigned one, and under `Warn` every one is let through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paddock.controlplane.api import Api
from paddock.model.code_signing import CodeSigningConfig
from paddock.model.errors import ApiError, not_found
from paddock.model.ids import CodeSigningConfigId
from paddock.ports.store import Transaction


def config_of_arn(api: Api, tx: Transaction, arn: str) -> CodeSigningConfig:
    """The configuration that a function is to have. Raises `ApiError`."""
    found = _known(api, tx, arn)
    if found is None:
        raise ApiError(
            "CodeSigningConfigNotFoundException",
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
            f"{arn}.",
            members={"Type": "User"},
        )
    return found


def require_config(api: Api, tx: Transaction, arn: str) -> CodeSigningConfig:
    """The configuration that is asked for itself. Raises `ApiError`."""
    found = _known(api, tx, arn)
    if found is None:
        raise not_found(f"The Lambda code signing configuration {arn} can not be found.")
    return found


def _known(api: Api, tx: Transaction, arn: str) -> CodeSigningConfig | None:
    config_id = CodeSigningConfigId(arn.rpartition(":")[2])
    return tx.code_signing_configs.get(config_id) if arn == api.place.code_signing_config_arn(config_id) else None


def signing_config_of(api: Api, tx: Transaction, params: Mapping[str, Any]) -> CodeSigningConfigId | None:
    """The one that the parameters of a create name, if any. Raises `ApiError`."""
    arn = params.get("CodeSigningConfigArn")
    return config_of_arn(api, tx, arn).config_id if arn else None


def check_signatures(tx: Transaction, config_id: CodeSigningConfigId | None, deployed: Iterable[str]) -> None:
    """`deployed` names the function, when its code changes, and its new layers. Raises `ApiError`."""
    config = None if config_id is None else tx.code_signing_configs.get(config_id)
    if config is None or not config.refuses_unsigned:
        return
    for name in deployed:
        raise ApiError(
            "CodeVerificationFailedException",
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the "
            f"client is not configured to accept. Check the provided signature for {name}.",
            members={"Type": "User"},
        )
