from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from paddock.model import fleet
from paddock.model.capacity_provider import Architecture, CapacityProviderScalingConfig, InstanceRequirements
from paddock.model.fleet import FleetSnapshot, Reason, ScalingBounds
from paddock.model.ids import CapacityProviderName


@pytest.mark.parametrize(
    ("minimum", "maximum", "deactivates"),
    [(0, 0, True), (0, 1, False), (3, None, False), (1, 1, False), (0, None, False)],
)
def test_only_both_zero_deactivate(minimum: int, maximum: int | None, deactivates: bool) -> None:
    assert ScalingBounds(minimum, maximum).deactivates is deactivates


def test_bounds_default_to_awss_three_and_no_maximum() -> None:
    assert ScalingBounds() == ScalingBounds(3, None)


def test_a_snapshots_architecture_is_that_of_its_requirements() -> None:
    snapshot = FleetSnapshot(
        provider=CapacityProviderName("p"),
        requirements=InstanceRequirements(architecture=Architecture.ARM64),
        scaling=CapacityProviderScalingConfig(),
        zones=(),
        offered_types=(),
        versions=(),
        instances=(),
        environments=(),
    )

    assert snapshot.architecture is Architecture.ARM64


@pytest.mark.parametrize(
    "value", [each for each in vars(fleet).values() if is_dataclass(each) and each.__module__ == fleet.__name__]
)
def test_everything_here_is_a_frozen_slotted_value(value: type) -> None:
    assert hasattr(value, "__slots__")
    assert {field.name for field in fields(value)} <= set(value.__slots__)


def test_a_value_cannot_be_changed() -> None:
    reason = Reason("f", "text")

    with pytest.raises(FrozenInstanceError):
        reason.text = "another"  # type: ignore[misc]
