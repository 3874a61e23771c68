from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.core.resource_policy import MAX_POLICY_BYTES
from tests.controlplane.harness import ROLE, Harness, zipped

ARN = "arn:aws:lambda:us-east-1:000000000000:function:thumbnail"
GRANT = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
NO_POLICY = (404, "ResourceNotFoundException", "The resource you requested does not exist.")


@pytest.fixture
def aliased(ready: Harness) -> Harness:
    """Version 1 as the alias `live`."""
    ready.client.publish_version(FunctionName="thumbnail")
    ready.client.create_alias(FunctionName="thumbnail", Name="live", FunctionVersion="1")
    return ready


def add(harness: Harness, statement_id: str = "bucket", **members: Any) -> dict[str, Any]:
    members = {"FunctionName": "thumbnail", "StatementId": statement_id} | GRANT | members
    answer: dict[str, Any] = harness.client.add_permission(**members)
    return answer


def statements(harness: Harness, name: str = "thumbnail", **more: str) -> list[dict[str, Any]]:
    document = json.loads(harness.client.get_policy(FunctionName=name, **more)["Policy"])
    assert (document["Version"], document["Id"]) == ("2012-10-17", "default")
    found: list[dict[str, Any]] = document["Statement"]
    return found


def refused(operation: Any, **members: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        operation(**members)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_a_statement_is_answered_and_stands_in_the_policy(ready: Harness) -> None:
    answer = add(ready, SourceArn="arn:aws:s3:::pictures", SourceAccount="000000000000")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    statement = json.loads(answer["Statement"])
    assert statement == {
        "Sid": "bucket",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "000000000000"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::pictures"},
        },
    }
    assert statements(ready) == [statement]


def test_all_that_narrows_a_permission_is_taken(ready: Harness) -> None:
    add(ready, "org", Principal="*", PrincipalOrgID="o-a1b2c3d4e5")
    add(ready, "skill", Principal="alexa-appkit.amazon.com", EventSourceToken="amzn1.ask.skill")
    add(ready, "url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    add(ready, "through-url", Principal="*", InvokedViaFunctionUrl=True)
    assert [each["Condition"] for each in statements(ready)] == [
        {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
        {"StringEquals": {"lambda:EventSourceToken": "amzn1.ask.skill"}},
        {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
        {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
    ]


@pytest.mark.parametrize(
    "named", [{"FunctionName": "thumbnail:{0}"}, {"FunctionName": f"{ARN}:{{0}}"}, {"Qualifier": "{0}"}]
)
def test_function_version_and_alias_have_a_policy_each(aliased: Harness, named: dict[str, str]) -> None:
    add(aliased)
    for qualifier in ("1", "live"):
        add(aliased, **{member: text.format(qualifier) for member, text in named.items()})
        assert [each["Resource"] for each in statements(aliased, Qualifier=qualifier)] == [f"{ARN}:{qualifier}"]
    assert [each["Resource"] for each in statements(aliased)] == [ARN]

    aliased.client.remove_permission(FunctionName="thumbnail", StatementId="bucket", Qualifier="live")
    assert refused(aliased.client.get_policy, FunctionName="thumbnail:live") == NO_POLICY
    assert len(statements(aliased)) == len(statements(aliased, Qualifier="1")) == 1


def test_a_policy_outlives_an_update_of_its_function_and_of_its_alias(aliased: Harness) -> None:
    add(aliased)
    add(aliased, Qualifier="live")
    aliased.client.update_function_configuration(FunctionName="thumbnail", Timeout=5)
    aliased.client.update_alias(FunctionName="thumbnail", Name="live", Description="other")
    assert len(statements(aliased)) == len(statements(aliased, Qualifier="live")) == 1


def test_the_revision_is_that_of_the_function_and_changes_with_each_statement(ready: Harness) -> None:
    client = ready.client
    before = client.get_function_configuration(FunctionName="thumbnail")["RevisionId"]
    add(ready, RevisionId=before)
    after = client.get_policy(FunctionName="thumbnail")["RevisionId"]
    assert before != after == client.get_function_configuration(FunctionName="thumbnail")["RevisionId"]
    client.remove_permission(FunctionName="thumbnail", StatementId="bucket", RevisionId=after)
    assert client.get_function_configuration(FunctionName="thumbnail")["RevisionId"] not in (before, after)


def test_the_revision_of_an_alias_s_policy_is_the_alias_s(aliased: Harness) -> None:
    add(aliased, Qualifier="live")
    alias = aliased.client.get_alias(FunctionName="thumbnail", Name="live")["RevisionId"]
    assert aliased.client.get_policy(FunctionName="thumbnail:live")["RevisionId"] == alias


def test_another_revision_than_the_latest_changes_nothing(ready: Harness) -> None:
    add(ready)
    mismatch = (
        412,
        "PreconditionFailedException",
        (
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
        ),
    )
    other = {"FunctionName": "thumbnail", "StatementId": "other", "RevisionId": "stale"}
    assert refused(ready.client.add_permission, **other, **GRANT) == mismatch
    assert refused(ready.client.remove_permission, **other | {"StatementId": "bucket"}) == mismatch
    assert [each["Sid"] for each in statements(ready)] == ["bucket"]


@pytest.mark.parametrize(
    ("members", "answer"),
    [
        (
            {},
            (
                409,
                "ResourceConflictException",
                (
                    "The statement id (bucket) provided already exists. "
                    "Please provide a new statement id, or remove the existing statement."
                ),
            ),
        ),
        (
            {"Qualifier": "$LATEST"},
            (
                400,
                "InvalidParameterValueException",
                "We currently do not support adding policies for $LATEST.",
            ),
        ),
        ({"Qualifier": "2"}, (404, "ResourceNotFoundException", f"Function not found: {ARN}:2")),
        (
            {"Qualifier": "$LATEST.PUBLISHED"},
            (404, "ResourceNotFoundException", f"Function not found: {ARN}:$LATEST.PUBLISHED"),
        ),
        ({"Qualifier": "blue"}, (404, "ResourceNotFoundException", f"Cannot find alias arn: {ARN}:blue")),
        (
            {"FunctionName": "nobody"},
            (404, "ResourceNotFoundException", f"Function not found: {ARN.replace('thumbnail', 'nobody')}"),
        ),
        (
            {"Principal": "nobody"},
            (
                400,
                "InvalidParameterValueException",
                "The provided principal was invalid. Please check the principal and try again.",
            ),
        ),
        (
            {"FunctionUrlAuthType": "NONE"},
            (
                400,
                "InvalidParameterValueException",
                "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
            ),
        ),
    ],
)
def test_a_statement_that_cannot_be_is_refused_in_awss_words(
    ready: Harness, members: dict[str, str], answer: tuple[int, str, str]
) -> None:
    add(ready)
    asked = {"FunctionName": "thumbnail", "StatementId": "bucket"} | GRANT | members
    assert refused(ready.client.add_permission, **asked) == answer
    assert [each["Sid"] for each in statements(ready)] == ["bucket"]


@pytest.mark.parametrize(
    "members",
    [
        {"StatementId": "no spaces"},
        {"StatementId": "x" * 101},
        {"Action": "s3:GetObject"},
        {"Principal": "two words"},
        {"SourceArn": "pictures"},
        {"SourceAccount": "12"},
        {"PrincipalOrgID": "me"},
        {"EventSourceToken": "no spaces"},
        {"FunctionUrlAuthType": "SOME"},
    ],
)
def test_what_the_service_model_forbids_is_refused(ready: Harness, members: dict[str, str]) -> None:
    asked = {"FunctionName": "thumbnail", "StatementId": "bucket"} | GRANT | members
    assert refused(ready.client.add_permission, **asked)[:2] == (400, "ValidationException")


def test_what_has_no_policy_shows_none_and_loses_none(aliased: Harness) -> None:
    client = aliased.client
    for name in ("thumbnail", "thumbnail:1", "thumbnail:live", "thumbnail:7", "thumbnail:blue"):
        assert refused(client.get_policy, FunctionName=name) == NO_POLICY
    asked = {"FunctionName": "thumbnail", "StatementId": "bucket"}
    none = (404, "ResourceNotFoundException", "No policy is associated with the given resource.")
    assert refused(client.remove_permission, **asked) == none
    add(aliased)
    for qualified in ("thumbnail:live", "thumbnail:$LATEST"):
        assert refused(client.remove_permission, **asked | {"FunctionName": qualified}) == none
    assert refused(client.get_policy, FunctionName="thumbnail:$LATEST") == NO_POLICY
    assert refused(client.remove_permission, **asked | {"StatementId": "other"}) == (
        404,
        "ResourceNotFoundException",
        "Statement other is not found in resource policy.",
    )
    assert refused(client.remove_permission, **asked, Qualifier="blue") == (
        404,
        "ResourceNotFoundException",
        f"Cannot find alias arn: {ARN}:blue",
    )


def test_an_unknown_function_has_no_policy(ready: Harness) -> None:
    arn = ARN.replace("thumbnail", "nobody")
    assert refused(ready.client.get_policy, FunctionName="nobody")[2] == f"Function not found: {arn}"
    assert refused(ready.client.remove_permission, FunctionName="nobody", StatementId="bucket") == (
        404,
        "ResourceNotFoundException",
        f"No policy found for: {arn}",
    )


def test_the_last_statement_takes_the_policy_with_it(ready: Harness) -> None:
    add(ready)
    answer = ready.client.remove_permission(FunctionName="thumbnail", StatementId="bucket")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(ready.client.get_policy, FunctionName="thumbnail") == NO_POLICY
    add(ready)
    assert len(statements(ready)) == 1


def test_a_policy_goes_with_its_alias_and_with_its_function(aliased: Harness) -> None:
    client = aliased.client
    add(aliased, Qualifier="live")
    client.delete_alias(FunctionName="thumbnail", Name="live")
    client.create_alias(FunctionName="thumbnail", Name="live", FunctionVersion="1")
    assert refused(client.get_policy, FunctionName="thumbnail:live") == NO_POLICY

    plain = {"FunctionName": "plain", "Runtime": "python3.13", "Handler": "app.handler", "Role": ROLE}
    client.create_function(**plain, Code={"ZipFile": zipped()})
    add(aliased, FunctionName="plain")
    client.delete_function(FunctionName="plain")
    assert (
        refused(client.get_policy, FunctionName="plain")[2]
        == f"Function not found: {ARN.replace('thumbnail', 'plain')}"
    )
    client.create_function(**plain, Code={"ZipFile": zipped()})
    assert refused(client.get_policy, FunctionName="plain") == NO_POLICY


def test_a_function_that_is_being_deleted_gets_no_statement(aliased: Harness) -> None:
    aliased.client.delete_function(FunctionName="thumbnail")
    asked = {"FunctionName": "thumbnail", "StatementId": "bucket"}
    assert refused(aliased.client.add_permission, **asked, **GRANT) == (
        409,
        "ResourceConflictException",
        f"The function is being deleted: {ARN}",
    )


def test_a_policy_does_not_grow_beyond_its_limit(ready: Harness) -> None:
    def grow() -> None:
        for number in range(MAX_POLICY_BYTES // 100):
            add(ready, f"{number:0100}")

    with pytest.raises(ClientError) as raised:
        grow()
    error = raised.value.response["Error"]
    assert error["Code"] == "PolicyLengthExceededException"
    assert error["Message"].endswith(f"is bigger than the limit ({MAX_POLICY_BYTES}).")
    kept = ready.client.get_policy(FunctionName="thumbnail")["Policy"]
    assert MAX_POLICY_BYTES - 300 < len(kept) <= MAX_POLICY_BYTES
