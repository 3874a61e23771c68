"""What an agent is told of an environment's times, as Managed Instances and default Lambda have them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paddock.controlplane.environment_specs import environment_spec
from paddock.controlplane.function_credentials import FunctionCredentials
from paddock.model.arns import Place
from paddock.model.fleet import EnvironmentAssignment
from paddock.model.function import (
    Code,
    FunctionConfiguration,
    LogFormat,
    LoggingConfig,
    ManagedInstancesConfig,
    TracingMode,
    default_log_group,
)
from paddock.model.ids import (
    LATEST_PUBLISHED,
    AccountId,
    CapacityProviderName,
    CodeSha256,
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    Region,
    RevisionId,
)
from paddock.wire.agent import EnvironmentSpec

PLACE = Place(Region("us-east-1"), AccountId("000000000000"))
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME = FunctionName("f")
MANAGED = FunctionConfiguration(
    runtime="python3.13",
    handler="app.handler",
    role="arn:aws:iam::123456789012:role/r",
    code=Code(CodeSha256("x"), 10),
    managed_instances=ManagedInstancesConfig(CapacityProviderName("p"), "arn", 16, 4.0),
    logging=LoggingConfig(LogFormat.JSON, default_log_group(NAME)),
    memory_mb=8192,
)


def spec_of(configuration: FunctionConfiguration) -> EnvironmentSpec:
    key = FunctionVersionKey(NAME, LATEST_PUBLISHED)
    assignment = EnvironmentAssignment(EnvironmentId("env-1"), key, RevisionId("r"), MANAGED.shape)
    return environment_spec(assignment, configuration, place=PLACE, credentials=FunctionCredentials(), now=NOON)


@pytest.mark.parametrize(("timeout", "init"), [(1, 130), (130, 130), (131, 131), (900, 900)])
def test_init_may_take_130_seconds_or_the_function_s_own_timeout(timeout: int, init: int) -> None:
    spec = spec_of(replace(MANAGED, timeout_seconds=timeout))
    assert (spec.timeout_seconds, spec.init_timeout_seconds) == (timeout, init)


def test_init_never_takes_more_than_900_seconds() -> None:
    assert spec_of(replace(MANAGED, timeout_seconds=5_400)).init_timeout_seconds == 900


@pytest.mark.parametrize("mode", list(TracingMode))
def test_agents_are_told_whether_the_platform_traces(mode: TracingMode) -> None:
    assert spec_of(replace(MANAGED, tracing_mode=mode)).tracing_active == (mode is TracingMode.ACTIVE)
