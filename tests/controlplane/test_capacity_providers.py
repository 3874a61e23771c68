from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.model.ids import CapacityProviderName
from tests.controlplane.harness import ROLE, STEADY, Harness

Refusal = tuple[dict[str, Any], str, str]

BAD_INPUT: dict[str, Refusal] = {
    "unknown subnet": (
        {"VpcConfig": {"SubnetIds": ["subnet-a", "subnet-zz"], "SecurityGroupIds": []}},
        "InvalidParameterValueException",
        "InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID 'subnet-zz' does not exist",
    ),
    "unknown security group": (
        {"VpcConfig": {"SubnetIds": ["subnet-a"], "SecurityGroupIds": ["sg-other"]}},
        "InvalidParameterValueException",
        "InvalidGroup.NotFound. EC2 Error Message: The security group 'sg-other' does not exist",
    ),
    "no subnet": ({"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}}, "ValidationException", "subnetIds"),
    "seventeen subnets": (
        {"VpcConfig": {"SubnetIds": ["subnet-a"] * 17, "SecurityGroupIds": []}},
        "ValidationException",
        "less than or equal to 16",
    ),
    "unknown architecture": (
        {"InstanceRequirements": {"Architectures": ["riscv"]}},
        "ValidationException",
        "[x86_64, arm64]",
    ),
    "allowed and excluded": (
        {"InstanceRequirements": {"AllowedInstanceTypes": ["m7g.*"], "ExcludedInstanceTypes": ["c7g.*"]}},
        "InvalidParameterValueException",
        "mutually exclusive",
    ),
    "an instance type there is not": (
        {"InstanceRequirements": {"AllowedInstanceTypes": ["m7g.*", "t3.micro"]}},
        "InvalidParameterValueException",
        "'t3.micro' in AllowedInstanceTypes is not supported",
    ),
    "one vCPU": ({"CapacityProviderScalingConfig": {"MaxVCpuCount": 1}}, "ValidationException", "maxVCpuCount"),
    "manual without a policy": (
        {"CapacityProviderScalingConfig": {"ScalingMode": "Manual"}},
        "InvalidParameterValueException",
        "At least one scaling policy",
    ),
    "a policy in auto mode": (
        {
            "CapacityProviderScalingConfig": {
                "ScalingPolicies": [
                    {"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 50}
                ]
            }
        },
        "InvalidParameterValueException",
        "only be specified when ScalingMode is Manual",
    ),
    "not a role": (
        {"PermissionsConfig": {"CapacityProviderOperatorRoleArn": "root"}},
        "ValidationException",
        "capacityProviderOperatorRoleArn",
    ),
    "a reserved tag": ({"Tags": {"aws:owner": "me"}}, "InvalidParameterValueException", "reserved for system use"),
    "an ARN of another region": (
        {"CapacityProviderName": STEADY.replace("us-east-1", "eu-west-1")},
        "ResourceNotFoundException",
        "Capacity provider not found",
    ),
}


@pytest.mark.parametrize(("members", "code", "text"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_refused_and_nothing_is_created(
    harness: Harness, members: dict[str, Any], code: str, text: str
) -> None:
    with pytest.raises(ClientError) as raised:
        harness.create_provider(members.pop("CapacityProviderName", "steady"), **members)
    assert raised.value.response["Error"]["Code"] == code
    assert text in raised.value.response["Error"]["Message"]
    assert harness.client.list_capacity_providers()["CapacityProviders"] == []


def test_a_new_provider_is_pending_and_shows_its_defaults(harness: Harness) -> None:
    answer = harness.create_provider()
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["CapacityProvider"] == {
        "CapacityProviderArn": STEADY,
        "State": "Pending",
        "VpcConfig": {"SubnetIds": ["subnet-a", "subnet-b", "subnet-c"], "SecurityGroupIds": []},
        "PermissionsConfig": {"CapacityProviderOperatorRoleArn": ROLE},
        "InstanceRequirements": {"Architectures": ["x86_64"]},
        "CapacityProviderScalingConfig": {"MaxVCpuCount": 400, "ScalingMode": "Auto"},
        "LastModified": "2026-11-23T12:00:01.000+0000",
        "TelemetryConfig": {
            "LoggingConfig": {"SystemLogLevel": "INFO", "LogGroup": "/aws/lambda/capacity-provider/steady"}
        },
    }
    assert harness.news.providers == [CapacityProviderName("steady")]


def test_everything_that_was_given_is_shown(harness: Harness) -> None:
    scaling = {
        "MaxVCpuCount": 30,
        "ScalingMode": "Manual",
        "ScalingPolicies": [
            {"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 62.5}
        ],
    }
    requirements = {"Architectures": ["arm64"], "AllowedInstanceTypes": ["m7g.*"]}
    harness.create_provider(
        VpcConfig={"SubnetIds": ["subnet-b"], "SecurityGroupIds": ["sg-default"]},
        CapacityProviderScalingConfig=scaling,
        InstanceRequirements=requirements,
        KmsKeyArn="arn:aws:kms:us-east-1:000000000000:key/mine",
        PropagateTags={"Mode": "Explicit", "ExplicitTags": {"team": "images"}},
        TelemetryConfig={"LoggingConfig": {"SystemLogLevel": "WARN", "LogGroup": "mine"}},
    )
    shown = harness.client.get_capacity_provider(CapacityProviderName="steady")["CapacityProvider"]
    assert shown["CapacityProviderScalingConfig"] == scaling
    assert shown["InstanceRequirements"] == requirements
    assert shown["KmsKeyArn"] == "arn:aws:kms:us-east-1:000000000000:key/mine"
    assert shown["PropagateTags"] == {"Mode": "Explicit", "ExplicitTags": {"team": "images"}}
    assert shown["TelemetryConfig"]["LoggingConfig"] == {"SystemLogLevel": "WARN", "LogGroup": "mine"}


def test_a_provider_is_found_by_name_and_by_arn(harness: Harness) -> None:
    harness.create_provider()
    by_arn = harness.client.get_capacity_provider(CapacityProviderName=STEADY)
    assert by_arn["CapacityProvider"]["CapacityProviderArn"] == STEADY


def test_an_unknown_provider_is_not_found_with_its_arn(harness: Harness) -> None:
    with pytest.raises(
        harness.client.exceptions.ResourceNotFoundException, match=f"Capacity provider not found: {STEADY}"
    ):
        harness.client.get_capacity_provider(CapacityProviderName="steady")


def test_a_name_can_be_had_once(harness: Harness) -> None:
    harness.create_provider()
    with pytest.raises(harness.client.exceptions.ResourceConflictException, match="already exists"):
        harness.create_provider()


def test_an_update_changes_what_it_names_and_keeps_the_rest(harness: Harness) -> None:
    harness.create_provider(TelemetryConfig={"LoggingConfig": {"LogGroup": "mine"}})
    answer = harness.client.update_capacity_provider(
        CapacityProviderName="steady", CapacityProviderScalingConfig={"MaxVCpuCount": 64}
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["CapacityProvider"]["CapacityProviderScalingConfig"] == {"MaxVCpuCount": 64, "ScalingMode": "Auto"}
    assert answer["CapacityProvider"]["TelemetryConfig"]["LoggingConfig"]["LogGroup"] == "mine"


def test_policies_stay_in_manual_mode_and_go_with_it(harness: Harness) -> None:
    policy = {"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 40.0}
    harness.create_provider(CapacityProviderScalingConfig={"ScalingMode": "Manual", "ScalingPolicies": [policy]})

    def updated(**config: Any) -> dict[str, Any]:
        answer = harness.client.update_capacity_provider(
            CapacityProviderName="steady", CapacityProviderScalingConfig=config
        )
        shown: dict[str, Any] = answer["CapacityProvider"]["CapacityProviderScalingConfig"]
        return shown

    assert updated(MaxVCpuCount=20) == {"MaxVCpuCount": 20, "ScalingMode": "Manual", "ScalingPolicies": [policy]}
    assert updated(ScalingMode="Auto") == {"MaxVCpuCount": 20, "ScalingMode": "Auto"}


def test_an_unused_provider_is_deleted(harness: Harness) -> None:
    harness.create_provider()
    answer = harness.client.delete_capacity_provider(CapacityProviderName="steady")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["CapacityProvider"]["State"] == "Deleting"
    again = harness.client.delete_capacity_provider(CapacityProviderName="steady")
    assert again["CapacityProvider"]["State"] == "Deleting"
    with pytest.raises(harness.client.exceptions.ResourceConflictException):
        harness.client.update_capacity_provider(CapacityProviderName="steady")


def test_a_provider_in_use_cannot_be_deleted(ready: Harness) -> None:
    ready.create_function("another")
    with pytest.raises(ready.client.exceptions.ResourceConflictException) as raised:
        ready.client.delete_capacity_provider(CapacityProviderName="steady")
    assert raised.value.response["Error"]["Message"] == (
        "The capacity provider is currently in use by 2 functions. To delete this capacity provider, "
        f"first remove its association with {STEADY}."
    )


def test_providers_are_listed_in_pages_and_by_state(harness: Harness) -> None:
    for number in range(7):
        harness.create_provider(f"provider-{number}")
    pages = list(harness.client.get_paginator("list_capacity_providers").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["CapacityProviders"]) for page in pages] == [3, 3, 1]
    assert len(harness.client.list_capacity_providers(State="Pending")["CapacityProviders"]) == 7
    assert harness.client.list_capacity_providers(State="Active")["CapacityProviders"] == []


def test_the_versions_on_a_provider_are_listed(ready: Harness) -> None:
    ready.client.publish_version(FunctionName="thumbnail")
    ready.client.publish_version(FunctionName="thumbnail", PublishTo="LATEST_PUBLISHED")
    answer = ready.client.list_function_versions_by_capacity_provider(CapacityProviderName="steady")
    arn = "arn:aws:lambda:us-east-1:000000000000:function:thumbnail"
    assert answer["CapacityProviderArn"] == STEADY
    assert answer["FunctionVersions"] == [
        {"FunctionArn": f"{arn}:$LATEST", "State": "ActiveNonInvocable"},
        {"FunctionArn": f"{arn}:$LATEST.PUBLISHED", "State": "Pending"},
        {"FunctionArn": f"{arn}:1", "State": "Pending"},
    ]
    paginator = ready.client.get_paginator("list_function_versions_by_capacity_provider")
    pages = list(paginator.paginate(CapacityProviderName="steady", PaginationConfig={"PageSize": 2}))
    assert [len(page["FunctionVersions"]) for page in pages] == [2, 1]


def test_a_provider_is_tagged_and_untagged(harness: Harness) -> None:
    harness.create_provider(Tags={"team": "images", "stage": "test"})
    harness.client.tag_resource(Resource=STEADY, Tags={"stage": "live", "cost": "7"})
    harness.client.untag_resource(Resource=STEADY, TagKeys=["team"])
    assert harness.client.list_tags(Resource=STEADY)["Tags"] == {"stage": "live", "cost": "7"}
    with pytest.raises(harness.client.exceptions.InvalidParameterValueException, match="limit of 50"):
        harness.client.tag_resource(Resource=STEADY, Tags={f"key-{number}": "" for number in range(50)})
    with pytest.raises(harness.client.exceptions.ResourceNotFoundException):
        harness.client.list_tags(Resource=STEADY.replace("steady", "nobody"))
    with pytest.raises(ClientError, match="ValidationException"):
        harness.client.list_tags(Resource=f"{STEADY}:7")


def test_there_is_an_end_to_providers(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddock.controlplane.capacity_providers.MAX_CAPACITY_PROVIDERS", 2)
    harness.create_provider("one")
    harness.create_provider("two")
    with pytest.raises(harness.client.exceptions.CapacityProviderLimitExceededException):
        harness.create_provider("three")
