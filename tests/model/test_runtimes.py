from __future__ import annotations

import botocore.session
import pytest

from paddock.model.runtimes import (
    CATALOGUE,
    default_concurrency,
    find_runtime,
    managed_instances_refusal,
    maximum_concurrency,
    successor_of_retired,
    supports_managed_instances,
)


@pytest.mark.parametrize(
    ("identifier", "vcpu", "expected"),
    [
        ("python3.13", 1, 16),
        ("python3.14", 4, 64),
        ("nodejs22.x", 1, 64),
        ("nodejs24.x", 2, 128),
        ("java21", 2, 64),
        ("dotnet8", 1, 32),
        ("provided.al2023", 8, 64),
        ("nodejs24.x", 32, 1600),
        ("python3.13", 0.5, 8),
        ("python3.13", 0.01, 1),
    ],
)
def test_default_concurrency_is_the_languages_times_vcpu(identifier: str, vcpu: float, expected: int) -> None:
    assert default_concurrency(identifier, vcpu) == expected


@pytest.mark.parametrize(("vcpu", "expected"), [(1, 64), (2, 128), (16, 1024), (25, 1600), (64, 1600)])
def test_no_environment_runs_more_than_64_per_vcpu_nor_1600(vcpu: float, expected: int) -> None:
    assert maximum_concurrency(vcpu) == expected


@pytest.mark.parametrize("identifier", ["python3.12", "nodejs20.x", "java17", "ruby3.4", "provided.al2", "dotnet6"])
def test_managed_instances_refuse_older_runtimes_in_awss_words(identifier: str) -> None:
    refusal = managed_instances_refusal(identifier)
    assert refusal is not None
    assert refusal.code == "InvalidParameterValueException"
    assert refusal.message == f"Runtime Enum {identifier} does not support specified feature: Lambda Managed Instances"


@pytest.mark.parametrize(
    "identifier",
    [
        "python3.13",
        "python3.14",
        "python3.15",
        "nodejs22.x",
        "nodejs24.x",
        "nodejs26.x",
        "java21",
        "java25",
        "dotnet8",
        "dotnet10",
        "provided.al2023",
    ],
)
def test_managed_instances_take_what_aws_lists(identifier: str) -> None:
    assert supports_managed_instances(identifier)
    assert managed_instances_refusal(identifier) is None


def test_every_runtime_of_the_catalogue_is_a_value_of_the_api() -> None:
    model = botocore.session.get_session().get_service_model("lambda")
    values = model.shape_for("Runtime").enum  # type: ignore[attr-defined]
    assert {runtime.identifier for runtime in CATALOGUE} <= set(values)


def test_every_value_of_the_api_is_in_the_catalogue_or_retired_or_the_customers_own() -> None:
    model = botocore.session.get_session().get_service_model("lambda")
    values = set(model.shape_for("Runtime").enum)  # type: ignore[attr-defined]
    retired = {value for value in values if successor_of_retired(value) is not None}
    assert values - retired - {runtime.identifier for runtime in CATALOGUE} == {"custom"}
    assert retired.isdisjoint(runtime.identifier for runtime in CATALOGUE)
    assert {successor_of_retired(value) for value in retired} <= {runtime.identifier for runtime in CATALOGUE}


def test_an_unknown_runtime_is_not_found() -> None:
    assert find_runtime("cobol85") is None
