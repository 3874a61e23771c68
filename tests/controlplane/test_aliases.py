from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.controlplane.harness import Harness

ARN = "arn:aws:lambda:us-east-1:000000000000:function:thumbnail"


@pytest.fixture
def published(ready: Harness) -> Harness:
    """Versions 1 and 2."""
    ready.client.publish_version(FunctionName="thumbnail")
    ready.client.update_function_configuration(FunctionName="thumbnail", Timeout=7)
    ready.client.publish_version(FunctionName="thumbnail")
    return ready


def create(harness: Harness, name: str = "live", version: str = "1", **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = harness.client.create_alias(
        FunctionName="thumbnail", Name=name, FunctionVersion=version, **members
    )
    return answer


def weights(**shares: float) -> dict[str, Any]:
    return {"AdditionalVersionWeights": {name.removeprefix("v"): share for name, share in shares.items()}}


def test_an_alias_is_created_shown_and_told_to_the_routers(published: Harness) -> None:
    published.news.functions.clear()
    created = create(published, Description="what users get")
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    shown = published.client.get_alias(FunctionName="thumbnail", Name="live")
    del shown["ResponseMetadata"], created["ResponseMetadata"]
    assert shown == created
    assert shown["AliasArn"] == f"{ARN}:live"
    assert (shown["FunctionVersion"], shown["Description"]) == ("1", "what users get")
    assert published.news.functions == ["thumbnail"]


def test_a_function_is_shown_through_its_alias(published: Harness) -> None:
    create(published, version="2")
    shown = published.client.get_function_configuration(FunctionName="thumbnail", Qualifier="live")
    assert (shown["Version"], shown["Timeout"]) == ("2", 7)


def test_weights_are_shown_and_taken_away_again(published: Harness) -> None:
    created = create(published, RoutingConfig=weights(v2=0.25))
    assert created["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.25}}
    update = published.client.update_alias
    assert "RoutingConfig" in update(FunctionName="thumbnail", Name="live", Description="still weighted")
    assert "RoutingConfig" not in update(FunctionName="thumbnail", Name="live", RoutingConfig=weights())


def test_an_update_changes_what_is_named_and_nothing_else(published: Harness) -> None:
    created = create(published, Description="kept")
    updated = published.client.update_alias(FunctionName="thumbnail", Name="live", FunctionVersion="2")
    assert (updated["FunctionVersion"], updated["Description"]) == ("2", "kept")
    assert updated["RevisionId"] != created["RevisionId"]


def test_an_update_may_insist_on_the_revision_it_knows(published: Harness) -> None:
    create(published)
    with pytest.raises(ClientError) as refused:
        published.client.update_alias(FunctionName="thumbnail", Name="live", RevisionId="another")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"RoutingConfig": weights(v1=0.5)}, "already included in routing configuration"),
        ({"RoutingConfig": weights(v2=0.5, v3=0.1)}, "cannot be greater than 1"),
        ({"RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}}, "LATEST"),
        ({"version": "$LATEST", "RoutingConfig": weights(v2=0.5)}, "not supported for an alias pointing to more than"),
        ({"RoutingConfig": weights(v2=1.5)}, "1.5"),
    ],
)
def test_weights_that_make_no_sense_are_refused(published: Harness, members: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError, match=text) as refused:
        create(published, **members)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("members", [{"version": "9"}, {"RoutingConfig": weights(v9=0.5)}])
def test_a_version_that_does_not_exist_gets_no_alias(published: Harness, members: dict[str, Any]) -> None:
    with pytest.raises(published.client.exceptions.ResourceNotFoundException, match="thumbnail:9"):
        create(published, **members)


def test_a_name_is_given_once(published: Harness) -> None:
    create(published)
    with pytest.raises(published.client.exceptions.ResourceConflictException, match=f"already exists: {ARN}:live"):
        create(published, version="2")


def test_aliases_are_listed_by_version_and_in_pages(published: Harness) -> None:
    for name, version in (("a", "1"), ("b", "2"), ("c", "1")):
        create(published, name, version)

    def listed(**members: Any) -> list[str]:
        pages = published.client.get_paginator("list_aliases").paginate(FunctionName="thumbnail", **members)
        return [alias["Name"] for page in pages for alias in page["Aliases"]]

    assert listed(PaginationConfig={"PageSize": 1}) == ["a", "b", "c"]
    assert listed(FunctionVersion="1") == ["a", "c"]


def test_an_unknown_alias_is_not_found_and_deleting_it_does_nothing(published: Harness) -> None:
    missing = published.client.exceptions.ResourceNotFoundException
    with pytest.raises(missing, match="Cannot find alias arn"):
        published.client.get_alias(FunctionName="thumbnail", Name="live")
    with pytest.raises(missing, match="Alias not found"):
        published.client.update_alias(FunctionName="thumbnail", Name="live")
    deleted = published.client.delete_alias(FunctionName="thumbnail", Name="live")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(missing):
        published.client.create_alias(FunctionName="nothing", Name="live", FunctionVersion="1")


def test_a_version_that_an_alias_needs_is_not_deleted(published: Harness) -> None:
    create(published, RoutingConfig=weights(v2=0.5))
    for version in ("1", "2"):
        with pytest.raises(published.client.exceptions.ResourceConflictException, match=r"reference it: \[live\]"):
            published.client.delete_function(FunctionName="thumbnail", Qualifier=version)


def test_aliases_go_with_their_function(published: Harness) -> None:
    create(published)
    published.client.delete_function(FunctionName="thumbnail")
    with pytest.raises(published.client.exceptions.ResourceNotFoundException):
        published.client.get_function(FunctionName="thumbnail", Qualifier="live")
