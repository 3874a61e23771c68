"""The layers of a function: which versions its parameters name, and whether they fit beside its code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from paddock.controlplane.api import Api
from paddock.controlplane.layers import no_permission
from paddock.controlplane.packages import MAX_UNZIPPED_BYTES
from paddock.model.arns import parse_layer
from paddock.model.errors import invalid_parameter
from paddock.model.function import FunctionConfiguration, FunctionLayer
from paddock.model.ids import LayerName
from paddock.ports.store import Transaction

MAX_LAYERS = 5
"""Of a function (Lambda quotas)."""


def with_layers(
    api: Api, tx: Transaction, configuration: FunctionConfiguration, params: Mapping[str, Any]
) -> FunctionConfiguration:
    """With the layers that the parameters name, or, where they name none, those it had. Raises `ApiError`."""
    if "Layers" in params:
        configuration = replace(configuration, layers=_layers(api, tx, params["Layers"]))
    _check_size(configuration)
    return configuration


def _layers(api: Api, tx: Transaction, arns: Sequence[str]) -> tuple[FunctionLayer, ...]:
    if len(arns) > MAX_LAYERS:
        raise invalid_parameter(f"Cannot reference more than {MAX_LAYERS} layers.")
    found = tuple(_layer(api, tx, arn) for arn in arns)
    named: dict[LayerName, str] = {}
    for arn in arns:
        name = parse_layer(arn).name
        if name in named:
            raise invalid_parameter(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{named[name]} and {arn} are versions of the same layer."
            )
        named[name] = arn
    return found


def _layer(api: Api, tx: Transaction, arn: str) -> FunctionLayer:
    reference = parse_layer(arn)
    if reference.version is None:
        raise _does_not_exist(arn)
    if reference.region != api.place.region:
        raise invalid_parameter(
            "Layers are not in the same region as the function. "
            f"Layers are expected to be in region {api.place.region}."
        )
    if reference.account_id != api.place.account_id:
        raise no_permission(api, arn)
    version = tx.layer_versions.get((reference.name, reference.version))
    if version is None:
        raise _does_not_exist(arn)
    return FunctionLayer(arn, version.code)


def _does_not_exist(arn: str) -> Exception:
    return invalid_parameter(f"Layer version {arn} does not exist.")


def _check_size(configuration: FunctionConfiguration) -> None:
    """Of a version kept by an earlier server the unzipped size is not known; agents hold the limit anyway."""
    layers_bytes = sum(layer.code.unzipped_bytes for layer in configuration.layers)
    if layers_bytes > MAX_UNZIPPED_BYTES:
        raise invalid_parameter(f"Layers consume more than the available size of {MAX_UNZIPPED_BYTES} bytes")
    total_bytes = layers_bytes + configuration.code.unzipped_bytes
    if total_bytes > MAX_UNZIPPED_BYTES:
        raise invalid_parameter(
            f"Function code combined with layers exceeds the maximum allowed size of {MAX_UNZIPPED_BYTES} bytes. "
            f"The actual size is {total_bytes} bytes."
        )
