import json
from dataclasses import replace

import pytest

from paddock.core.resource_policy import (
    MAX_POLICY_BYTES,
    check_permission,
    policy_text,
    statement_text,
    with_permission,
    without_permission,
)
from paddock.model.arns import Place
from paddock.model.errors import ApiError
from paddock.model.function_url import FunctionUrlAuthType
from paddock.model.ids import AccountId, Region
from paddock.model.resource_policy import Permission

PLACE = Place(Region("us-east-1"), AccountId("000000000000"))
ARN = "arn:aws:lambda:us-east-1:000000000000:function:thumbnail"
BUCKET = Permission("bucket", "lambda:InvokeFunction", "s3.amazonaws.com")


def test_a_statement_is_written_as_aws_writes_it() -> None:
    assert statement_text(BUCKET, ARN, PLACE) == (
        '{"Sid":"bucket","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},'
        f'"Action":"lambda:InvokeFunction","Resource":"{ARN}"}}'
    )


@pytest.mark.parametrize(
    ("principal", "shown"),
    [
        ("*", "*"),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:role/caller", {"AWS": "arn:aws:iam::123456789012:role/caller"}),
        ("arn:aws:sts::123456789012:assumed-role/a/b", {"AWS": "arn:aws:sts::123456789012:assumed-role/a/b"}),
        ("logs.eu-west-1.amazonaws.com", {"Service": "logs.eu-west-1.amazonaws.com"}),
        ("ec2.amazonaws.com.cn", {"Service": "ec2.amazonaws.com.cn"}),
        ("alexa-appkit.amazon.com", {"Service": "alexa-appkit.amazon.com"}),
    ],
)
def test_a_principal_is_everyone_an_account_an_identity_or_a_service(principal: str, shown: object) -> None:
    permission = replace(BUCKET, principal=principal)
    check_permission(permission)
    assert json.loads(statement_text(permission, ARN, PLACE))["Principal"] == shown


def test_an_account_is_one_of_the_region_s_partition() -> None:
    china = replace(PLACE, region=Region("cn-north-1"))
    statement = json.loads(statement_text(replace(BUCKET, principal="123456789012"), ARN, china))
    assert statement["Principal"] == {"AWS": "arn:aws-cn:iam::123456789012:root"}


@pytest.mark.parametrize(
    "principal",
    ["", "s3", "nobody", "12345", "s3.example.com", ".amazonaws.com", "arn:aws:iam::1:root", "arn:aws:s3:::b"],
)
def test_other_principals_are_refused(principal: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_permission(replace(BUCKET, principal=principal))
    assert (refused.value.code, refused.value.message) == (
        "InvalidParameterValueException",
        "The provided principal was invalid. Please check the principal and try again.",
    )


def test_what_narrows_a_permission_is_a_condition() -> None:
    permission = replace(
        BUCKET,
        organization_id="o-a1b2c3d4e5",
        source_arn="arn:aws:s3:::pictures",
        source_account="123456789012",
        event_source_token="skill",
    )
    assert json.loads(statement_text(permission, ARN, PLACE))["Condition"] == {
        "StringEquals": {
            "AWS:SourceAccount": "123456789012",
            "aws:PrincipalOrgID": "o-a1b2c3d4e5",
            "lambda:EventSourceToken": "skill",
        },
        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::pictures"},
    }


@pytest.mark.parametrize(("via_url", "shown"), [(True, "true"), (False, "false")])
def test_the_two_conditions_of_function_urls(via_url: bool, shown: str) -> None:
    of_url = Permission("a", "lambda:InvokeFunctionUrl", "*", function_url_auth_type=FunctionUrlAuthType.NONE)
    through_url = Permission("b", "lambda:InvokeFunction", "*", invoked_via_function_url=via_url)
    check_permission(of_url)
    check_permission(through_url)
    first, second = json.loads(policy_text((of_url, through_url), ARN, PLACE))["Statement"]
    assert first["Condition"] == {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}
    assert second["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": shown}}


@pytest.mark.parametrize(
    ("permission", "message"),
    [
        (
            replace(BUCKET, function_url_auth_type=FunctionUrlAuthType.AWS_IAM),
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
        ),
        (
            replace(BUCKET, action="lambda:InvokeFunctionUrl", invoked_via_function_url=True),
            "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action",
        ),
    ],
)
def test_a_condition_belongs_to_an_action(permission: Permission, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_permission(permission)
    assert (refused.value.code, refused.value.message) == ("InvalidParameterValueException", message)


def test_statements_come_and_go_in_their_order() -> None:
    others = [replace(BUCKET, statement_id=name) for name in ("b", "c")]
    permissions: tuple[Permission, ...] = ()
    for permission in (BUCKET, *others):
        permissions = with_permission(permissions, permission, ARN, PLACE)
    assert permissions == (BUCKET, *others)
    assert without_permission(permissions, "b") == (BUCKET, others[1])


def test_a_statement_id_is_there_once() -> None:
    with pytest.raises(ApiError) as refused:
        with_permission((BUCKET,), replace(BUCKET, principal="*"), ARN, PLACE)
    assert (refused.value.code, refused.value.message) == (
        "ResourceConflictException",
        (
            "The statement id (bucket) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        ),
    )


def test_an_unknown_statement_cannot_be_removed() -> None:
    with pytest.raises(ApiError) as refused:
        without_permission((BUCKET,), "other")
    assert (refused.value.code, refused.value.message) == (
        "ResourceNotFoundException",
        "Statement other is not found in resource policy.",
    )


def test_a_policy_is_as_long_as_its_limit_and_no_longer() -> None:
    padding = MAX_POLICY_BYTES - len(policy_text((replace(BUCKET, source_arn=""),), ARN, PLACE))
    longest = replace(BUCKET, source_arn="x" * padding)
    assert len(policy_text(with_permission((), longest, ARN, PLACE), ARN, PLACE)) == MAX_POLICY_BYTES
    with pytest.raises(ApiError) as refused:
        with_permission((), replace(BUCKET, source_arn="x" * (padding + 1)), ARN, PLACE)
    assert (refused.value.code, refused.value.message) == (
        "PolicyLengthExceededException",
        "The final policy size (20481) is bigger than the limit (20480).",
    )
