"""Aliases through real boto3: a name that moves, and weights that share the traffic."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.e2e.conftest import create_function, invoke, wait_active

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def versions(api: Any, provider: str) -> str:
    """A function with Active versions 1 and 2."""
    create_function(api, provider, "aliased", publish=False, max_concurrency=4)
    for timeout in (5, 6):
        api.update_function_configuration(FunctionName="aliased", Timeout=timeout)
        number = api.publish_version(FunctionName="aliased")["Version"]
        wait_active(api, "aliased", number)
    return "aliased"


def test_an_alias_moves_between_versions_without_a_new_name(api: Any, versions: str) -> None:
    alias = api.create_alias(FunctionName=versions, Name="moving", FunctionVersion="1")
    first = invoke(api, versions, {}, Qualifier="moving")
    api.update_alias(FunctionName=versions, Name="moving", FunctionVersion="2")
    second = invoke(api, alias["AliasArn"], {})

    assert (first["version"], second["version"]) == ("1", "2")
    assert first["arn"] == second["arn"] == alias["AliasArn"]


def test_weights_share_the_traffic(api: Any, versions: str) -> None:
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    api.create_alias(FunctionName=versions, Name="shared", FunctionVersion="1", RoutingConfig=weights)
    seen = Counter(invoke(api, versions, {}, Qualifier="shared")["version"] for _ in range(60))
    api.update_alias(
        FunctionName=versions, Name="shared", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    after = Counter(invoke(api, versions, {}, Qualifier="shared")["version"] for _ in range(20))

    assert set(seen) == {"1", "2"}
    assert set(after) == {"2"}


def test_an_alias_that_is_deleted_is_not_found(api: Any, versions: str) -> None:
    api.create_alias(FunctionName=versions, Name="gone", FunctionVersion="1")
    api.delete_alias(FunctionName=versions, Name="gone")

    with pytest.raises(api.exceptions.ResourceNotFoundException, match="gone"):
        invoke(api, versions, {}, Qualifier="gone")
