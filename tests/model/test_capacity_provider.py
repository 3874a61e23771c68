"""AWS's words of a capacity provider, held against the service model; and its documented defaults."""

from __future__ import annotations

from enum import StrEnum

import botocore.session
import pytest

from paddock.model.capacity_provider import (
    Architecture,
    CapacityProviderScalingConfig,
    InstanceRequirements,
    PredefinedMetricType,
    ScalingMode,
)

LAMBDA = botocore.session.get_session().get_service_model("lambda")


@pytest.mark.parametrize(
    ("ours", "shape"),
    [
        (Architecture, "Architecture"),
        (ScalingMode, "CapacityProviderScalingMode"),
        (PredefinedMetricType, "CapacityProviderPredefinedMetricType"),
    ],
)
def test_words_are_those_of_the_service_model(ours: type[StrEnum], shape: str) -> None:
    assert {word.value for word in ours} == set(LAMBDA.shape_for(shape).enum)  # type: ignore[attr-defined]


def test_the_default_ceiling_is_awss_and_within_the_modelled_limits() -> None:
    limits = LAMBDA.shape_for("CapacityProviderMaxVCpuCount").metadata

    assert CapacityProviderScalingConfig().max_vcpu_count == 400
    assert limits["min"] <= 400 <= limits["max"]


def test_by_default_scaling_is_automatic_and_every_x86_type_is_allowed() -> None:
    assert CapacityProviderScalingConfig() == CapacityProviderScalingConfig(400, ScalingMode.AUTO, ())
    assert InstanceRequirements() == InstanceRequirements(Architecture.X86_64, (), ())
