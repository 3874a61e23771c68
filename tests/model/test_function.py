from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paddock.model.fleet import EnvironmentShape, ScalingBounds
from paddock.model.function import (
    Code,
    FunctionConfiguration,
    FunctionVersion,
    LogFormat,
    LoggingConfig,
    ManagedInstancesConfig,
    default_log_group,
    vcpu_of,
)
from paddock.model.ids import (
    LATEST,
    LATEST_PUBLISHED,
    CapacityProviderName,
    CodeSha256,
    FunctionName,
    FunctionVersionKey,
    RevisionId,
)
from paddock.model.states import FunctionState, LastUpdateStatus

NAME = FunctionName("f")
CONFIGURATION = FunctionConfiguration(
    runtime="python3.13",
    handler="app.handler",
    role="arn:aws:iam::123456789012:role/r",
    code=Code(CodeSha256("x"), 10),
    managed_instances=ManagedInstancesConfig(CapacityProviderName("p"), "arn", 16, 4.0),
    logging=LoggingConfig(LogFormat.JSON, default_log_group(NAME)),
    memory_mb=8192,
    environment_variables=(("SECRET", "hunter2"),),
)
VERSION = FunctionVersion(
    key=FunctionVersionKey(NAME, LATEST_PUBLISHED),
    configuration=CONFIGURATION,
    revision=RevisionId("r"),
    revision_id="id",
    state=FunctionState.ACTIVE,
    last_update_status=LastUpdateStatus.SUCCESSFUL,
    last_modified=datetime(2026, 6, 1, tzinfo=UTC),
)


@pytest.mark.parametrize(("memory_mb", "ratio", "vcpu"), [(2048, 2, 1), (32768, 2, 16), (32768, 8, 4), (8192, 4, 2)])
def test_vcpu_follow_from_memory_and_ratio(memory_mb: int, ratio: float, vcpu: float) -> None:
    assert vcpu_of(memory_mb, ratio) == vcpu


def test_a_configuration_gives_its_environments_shape_and_names_its_provider() -> None:
    assert CONFIGURATION.shape == EnvironmentShape(8192, 2.0, 16)
    assert CONFIGURATION.capacity_provider == "p"


def test_environment_variables_are_not_shown() -> None:
    assert "hunter2" not in repr(CONFIGURATION)


def test_bounds_are_the_requested_then_the_applied_then_the_default_ones() -> None:
    applied = replace(VERSION, applied_scaling=ScalingBounds(1, 2))

    assert VERSION.bounds == ScalingBounds()
    assert applied.bounds == ScalingBounds(1, 2)
    assert replace(applied, requested_scaling=ScalingBounds(4, 5)).bounds == ScalingBounds(4, 5)


@pytest.mark.parametrize(
    ("state", "update", "under_way", "failed"),
    [
        (FunctionState.PENDING, LastUpdateStatus.SUCCESSFUL, True, False),
        (FunctionState.ACTIVE, LastUpdateStatus.IN_PROGRESS, True, False),
        (FunctionState.ACTIVE, LastUpdateStatus.SUCCESSFUL, False, False),
        (FunctionState.ACTIVE, LastUpdateStatus.FAILED, False, True),
        (FunctionState.FAILED, LastUpdateStatus.SUCCESSFUL, False, True),
    ],
)
def test_a_publish_is_told_by_state_and_update(
    state: FunctionState, update: LastUpdateStatus, under_way: bool, failed: bool
) -> None:
    version = replace(VERSION, state=state, last_update_status=update)

    assert (version.publish_is_under_way, version.publish_failed) == (under_way, failed)


def test_a_version_knows_its_function_and_whether_it_is_the_changeable_one() -> None:
    assert (VERSION.function_name, VERSION.version, VERSION.is_latest) == ("f", "$LATEST.PUBLISHED", False)
    assert replace(VERSION, key=FunctionVersionKey(NAME, LATEST)).is_latest
    assert default_log_group(NAME) == "/aws/lambda/f"
