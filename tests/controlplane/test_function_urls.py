from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.controlplane.routes import function_route
from paddock.model.function_url import Cors
from paddock.model.ids import FunctionName
from paddock.ports.store import Transaction
from paddock.wire.routes import FunctionUrlRoute
from tests.controlplane.harness import PLACE, Harness

ARN = "arn:aws:lambda:us-east-1:000000000000:function:thumbnail"
URL = re.compile(r"http://([a-z2-7]{32})\.lambda-url\.us-east-1\.localhost:4600/")
EXISTS = "Error message:  FunctionUrlConfig exists for this Lambda function"
CORS = {
    "AllowCredentials": True,
    "AllowHeaders": ["date", "x-own"],
    "AllowMethods": ["GET", "*"],
    "AllowOrigins": ["https://shop.example"],
    "ExposeHeaders": [],
    "MaxAge": 0,
}


@pytest.fixture
def aliased(ready: Harness) -> Harness:
    """Version 1 as the alias `live`."""
    ready.client.publish_version(FunctionName="thumbnail")
    ready.client.create_alias(FunctionName="thumbnail", Name="live", FunctionVersion="1")
    return ready


def create(harness: Harness, **members: Any) -> dict[str, Any]:
    members = {"FunctionName": "thumbnail", "AuthType": "NONE"} | members
    answer: dict[str, Any] = harness.client.create_function_url_config(**members)
    return answer


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def refused(operation: Any, **members: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        operation(**members)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def routes(harness: Harness) -> tuple[FunctionUrlRoute, ...]:
    def read(tx: Transaction) -> tuple[FunctionUrlRoute, ...]:
        route = function_route(tx, FunctionName("thumbnail"), PLACE)
        assert route is not None
        return route.urls

    return asyncio.run(harness.store.read(read))


def test_a_url_is_created_shown_and_told_to_the_routers(ready: Harness) -> None:
    ready.news.functions.clear()
    created = create(ready)
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert URL.fullmatch(created["FunctionUrl"])
    assert plain(created) == {
        "FunctionUrl": created["FunctionUrl"],
        "FunctionArn": ARN,
        "AuthType": "NONE",
        "CreationTime": "2026-11-23T12:00:02.000000Z",
        "InvokeMode": "BUFFERED",
    }
    shown = plain(ready.client.get_function_url_config(FunctionName="thumbnail"))
    assert shown == plain(created) | {"LastModifiedTime": created["CreationTime"]}
    assert ready.news.functions == ["thumbnail"]


def test_function_and_alias_have_a_url_each(aliased: Harness) -> None:
    own = create(aliased)
    of_alias = create(aliased, Qualifier="live", AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM", Cors=CORS)
    assert of_alias["FunctionUrl"] != own["FunctionUrl"]
    assert (of_alias["FunctionArn"], of_alias["Cors"]) == (f"{ARN}:live", CORS)
    assert (
        plain(aliased.client.get_function_url_config(FunctionName="thumbnail:live"))["InvokeMode"] == "RESPONSE_STREAM"
    )
    listed = aliased.client.list_function_url_configs(FunctionName="thumbnail")["FunctionUrlConfigs"]
    assert [each["FunctionArn"] for each in listed] == [ARN, f"{ARN}:live"]


def test_routers_are_told_who_may_call_how_and_from_where(aliased: Harness) -> None:
    ids = [
        URL.fullmatch(create(aliased)["FunctionUrl"]),
        URL.fullmatch(
            create(aliased, Qualifier="live", AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM", Cors=CORS)[
                "FunctionUrl"
            ]
        ),
    ]
    own, of_alias = routes(aliased)
    assert [found[1] for found in ids if found] == [own.url_id, of_alias.url_id]
    assert own == FunctionUrlRoute(own.url_id)
    cors = Cors(True, ("date", "x-own"), ("GET", "*"), ("https://shop.example",), (), 0)
    assert of_alias == FunctionUrlRoute(of_alias.url_id, "live", signed=True, streaming=True, cors=cors)


def test_an_update_changes_what_is_named_and_keeps_the_address(ready: Harness) -> None:
    created = create(ready, Cors=CORS)
    ready.later(60)
    update = ready.client.update_function_url_config
    updated = update(FunctionName="thumbnail", AuthType="AWS_IAM")
    assert (updated["FunctionUrl"], updated["AuthType"], updated["Cors"]) == (created["FunctionUrl"], "AWS_IAM", CORS)
    assert updated["LastModifiedTime"] > updated["CreationTime"] == created["CreationTime"]
    replaced = update(FunctionName="thumbnail", Cors={"AllowOrigins": ["*"]}, InvokeMode="RESPONSE_STREAM")
    assert (replaced["Cors"], replaced["InvokeMode"]) == ({"AllowOrigins": ["*"]}, "RESPONSE_STREAM")
    assert "Cors" not in update(FunctionName="thumbnail", Cors={})


def test_a_deleted_url_is_gone_and_the_next_one_has_another_address(ready: Harness) -> None:
    created = create(ready)
    deleted = ready.client.delete_function_url_config(FunctionName="thumbnail")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert routes(ready) == ()
    assert create(ready)["FunctionUrl"] != created["FunctionUrl"]


def test_a_second_url_is_a_conflict_in_awss_words(aliased: Harness) -> None:
    create(aliased, Qualifier="live")
    assert refused(
        aliased.client.create_function_url_config, FunctionName="thumbnail", AuthType="NONE", Qualifier="live"
    ) == (
        409,
        "ResourceConflictException",
        f"Failed to create function url config for [functionArn = {ARN}:live]. {EXISTS}",
    )


@pytest.mark.parametrize("qualifier", ["1", "$LATEST", "$LATEST.PUBLISHED"])
def test_versions_have_no_urls(aliased: Harness, qualifier: str) -> None:
    status, code, text = refused(
        aliased.client.create_function_url_config, FunctionName="thumbnail", AuthType="NONE", Qualifier=qualifier
    )
    assert (status, code) == (400, "ValidationException")
    assert text.startswith(
        f"1 validation error detected: Value '{qualifier}' at 'qualifier' failed to satisfy constraint"
    )


@pytest.mark.parametrize(
    "members",
    [
        {"AuthType": "OPEN"},
        {"InvokeMode": "SLOW"},
        {"Cors": {"MaxAge": 86401}},
        {"Cors": {"AllowMethods": ["OPTIONS"]}},
    ],
)
def test_what_the_model_does_not_allow_is_refused(ready: Harness, members: dict[str, Any]) -> None:
    parameters = {"FunctionName": "thumbnail", "AuthType": "NONE"} | members
    assert refused(ready.client.create_function_url_config, **parameters)[:2] == (400, "ValidationException")


def test_what_is_not_there_is_not_found_in_awss_words(ready: Harness) -> None:
    client = ready.client
    no_function = (404, "ResourceNotFoundException", "Function does not exist")
    no_url = (404, "ResourceNotFoundException", "The resource you requested does not exist.")
    for operation in (client.create_function_url_config, client.update_function_url_config):
        assert refused(operation, FunctionName="nobody", AuthType="NONE") == no_function
        assert refused(operation, FunctionName="thumbnail", AuthType="NONE", Qualifier="missing") == no_function
    assert refused(client.list_function_url_configs, FunctionName="nobody") == no_function
    assert refused(client.update_function_url_config, FunctionName="thumbnail", AuthType="NONE") == no_url
    for operation in (client.get_function_url_config, client.delete_function_url_config):
        assert refused(operation, FunctionName="nobody") == no_url
        assert refused(operation, FunctionName="thumbnail") == no_url


def test_an_alias_takes_its_url_with_it(aliased: Harness) -> None:
    create(aliased, Qualifier="live")
    aliased.client.update_alias(FunctionName="thumbnail", Name="live", Description="moved")
    assert len(routes(aliased)) == 1
    aliased.client.delete_alias(FunctionName="thumbnail", Name="live")
    assert routes(aliased) == ()


def test_a_function_that_is_being_deleted_has_no_url_any_more(aliased: Harness) -> None:
    create(aliased)
    create(aliased, Qualifier="live")
    aliased.client.delete_function(FunctionName="thumbnail")
    assert routes(aliased) == ()
    status, code, _ = refused(aliased.client.create_function_url_config, FunctionName="thumbnail", AuthType="NONE")
    assert (status, code) == (409, "ResourceConflictException")


def test_urls_are_listed_page_by_page(aliased: Harness) -> None:
    create(aliased)
    create(aliased, Qualifier="live")
    pages = aliased.client.get_paginator("list_function_url_configs").paginate(
        FunctionName="thumbnail", PaginationConfig={"PageSize": 1}
    )
    assert [len(page["FunctionUrlConfigs"]) for page in pages] == [1, 1]


def test_cors_settings_that_no_header_can_carry_are_refused(ready: Harness) -> None:
    parameters = {"FunctionName": "thumbnail", "AuthType": "NONE", "Cors": {"AllowHeaders": ["a b"]}}
    assert refused(ready.client.create_function_url_config, **parameters) == (
        400,
        "InvalidParameterValueException",
        "'a b' in AllowHeaders is none that a header can carry",
    )
