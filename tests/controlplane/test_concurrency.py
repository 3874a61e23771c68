"""Default Lambda's API without a fleet: what is accepted, shown and refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.model.ids import LATEST, FunctionName, FunctionVersionKey
from paddock.model.states import FunctionState
from paddock.ports.store import Transaction
from tests.controlplane.harness import ROLE, Harness, zipped


@pytest.fixture
def plain(ready: Harness) -> Harness:
    """Beside `thumbnail` on managed instances, `plain` as default Lambda with a version and an alias."""
    create(ready)
    ready.client.publish_version(FunctionName="plain")
    ready.client.create_alias(FunctionName="plain", Name="live", FunctionVersion="1")
    return ready


def create(harness: Harness, name: str = "plain", **members: Any) -> dict[str, Any]:
    arguments = {"Runtime": "python3.13", "Handler": "app.handler", "Code": {"ZipFile": zipped()}, **members}
    answer: dict[str, Any] = harness.client.create_function(FunctionName=name, Role=ROLE, **arguments)
    return answer


def provision(harness: Harness, number: int = 2, qualifier: str = "live", name: str = "plain") -> dict[str, Any]:
    answer: dict[str, Any] = harness.client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=number
    )
    return answer


def test_a_function_without_a_provider_has_lambdas_defaults(ready: Harness) -> None:
    created = create(ready)
    assert (created["MemorySize"], created["Timeout"], created["State"]) == (128, 3, "Pending")
    assert created["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/plain"}
    assert "CapacityProviderConfig" not in created


def test_json_logs_have_levels_and_text_has_none(ready: Harness) -> None:
    created = create(ready, LoggingConfig={"LogFormat": "JSON"})
    assert created["LoggingConfig"]["ApplicationLogLevel"] == "INFO"
    with pytest.raises(ClientError, match="LogLevel is not supported"):
        create(ready, "other", LoggingConfig={"LogFormat": "Text", "SystemLogLevel": "INFO"})


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"MemorySize": 10241}, "MemorySize 10241"),
        ({"Timeout": 901}, "Timeout 901"),
        ({"Publish": True, "PublishTo": "LATEST_PUBLISHED"}, "PublishTo"),
        ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "SnapStart"),
        ({"VpcConfig": {"SubnetIds": ["subnet-a"], "SecurityGroupIds": ["sg-default"]}}, "VpcConfig"),
    ],
)
def test_what_default_lambda_cannot_have_is_refused(ready: Harness, members: dict[str, Any], text: str) -> None:
    with pytest.raises(ready.client.exceptions.InvalidParameterValueException, match=text):
        create(ready, **members)


def test_a_function_stays_of_its_kind(plain: Harness) -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:steady"
    managed = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": arn}}
    settle(plain)
    with pytest.raises(ClientError, match="isn't supported for Lambda Default functions"):
        plain.client.update_function_configuration(FunctionName="plain", CapacityProviderConfig=managed)
    for qualifier in ("1", "$LATEST.PUBLISHED"):
        with pytest.raises(ClientError, match="does not contain a capacity provider") as refused:
            plain.client.put_function_scaling_config(
                FunctionName="plain", Qualifier=qualifier, FunctionScalingConfig={"MinExecutionEnvironments": 1}
            )
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def settle(harness: Harness) -> None:
    """What the fleet would have done by now."""

    def activate(tx: Transaction) -> None:
        latest = tx.versions.get(FunctionVersionKey(FunctionName("plain"), LATEST))
        assert latest is not None
        tx.versions.put(replace(latest, state=FunctionState.ACTIVE))

    asyncio.run(harness.store.write(activate))


def test_a_default_function_is_deleted_at_once(plain: Harness) -> None:
    deleted = plain.client.delete_function(FunctionName="plain")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(plain.client.exceptions.ResourceNotFoundException):
        plain.client.get_function(FunctionName="plain")


def test_reserved_concurrency_is_kept_shown_and_given_back(plain: Harness) -> None:
    client = plain.client
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="plain")
    client.put_function_concurrency(FunctionName="plain", ReservedConcurrentExecutions=30)
    assert client.get_function_concurrency(FunctionName="plain")["ReservedConcurrentExecutions"] == 30
    assert client.get_function(FunctionName="plain")["Concurrency"] == {"ReservedConcurrentExecutions": 30}
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 970
    deleted = client.delete_function_concurrency(FunctionName="plain")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000


def test_others_keep_a_share_of_the_account(plain: Harness) -> None:
    create(plain, "second")
    plain.client.put_function_concurrency(FunctionName="plain", ReservedConcurrentExecutions=900)
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]"):
        plain.client.put_function_concurrency(FunctionName="second", ReservedConcurrentExecutions=1)
    plain.client.put_function_concurrency(FunctionName="second", ReservedConcurrentExecutions=0)


def test_managed_instances_have_no_such_concurrency(plain: Harness) -> None:
    plain.client.publish_version(FunctionName="thumbnail")
    with pytest.raises(ClientError, match="not supported for functions configured with capacity provider"):
        plain.client.put_function_concurrency(FunctionName="thumbnail", ReservedConcurrentExecutions=1)
    with pytest.raises(ClientError, match="not supported for functions configured with capacity provider"):
        provision(plain, qualifier="1", name="thumbnail")


def test_provisioned_concurrency_is_asked_for_shown_listed_and_given_back(plain: Harness) -> None:
    put = provision(plain)
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (put["Status"], put["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)
    listed = plain.client.list_provisioned_concurrency_configs(FunctionName="plain")["ProvisionedConcurrencyConfigs"]
    assert [each["FunctionArn"].rpartition(":")[2] for each in listed] == ["live"]
    plain.client.delete_provisioned_concurrency_config(FunctionName="plain", Qualifier="live")
    with pytest.raises(plain.client.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        plain.client.get_provisioned_concurrency_config(FunctionName="plain", Qualifier="live")


def test_latest_cannot_have_provisioned_concurrency(plain: Harness) -> None:
    with pytest.raises(ClientError, match="cannot be applied to unpublished function versions"):
        provision(plain, qualifier="$LATEST")


def test_a_version_has_it_under_one_name(plain: Harness) -> None:
    provision(plain)
    with pytest.raises(ClientError, match="Version is pointed by a Provisioned Concurrency alias"):
        provision(plain, qualifier="1")
    plain.client.delete_provisioned_concurrency_config(FunctionName="plain", Qualifier="live")
    provision(plain, qualifier="1")
    with pytest.raises(ClientError, match="already Provisioned version"):
        provision(plain)


def test_provisioned_concurrency_stays_within_what_is_reserved(plain: Harness) -> None:
    plain.client.put_function_concurrency(FunctionName="plain", ReservedConcurrentExecutions=3)
    with pytest.raises(ClientError, match="should not be greater than the reservedConcurrentExecution"):
        provision(plain, 4)
    provision(plain, 3)
    with pytest.raises(ClientError, match="below the function's provisioned"):
        plain.client.put_function_concurrency(FunctionName="plain", ReservedConcurrentExecutions=2)


def test_all_that_is_provisioned_together_stays_within_what_is_reserved(plain: Harness) -> None:
    settle(plain)
    plain.client.update_function_configuration(FunctionName="plain", MemorySize=256)
    plain.client.publish_version(FunctionName="plain")
    plain.client.put_function_concurrency(FunctionName="plain", ReservedConcurrentExecutions=3)
    provision(plain, 2)
    with pytest.raises(ClientError, match="should not be greater than the reservedConcurrentExecution"):
        provision(plain, 2, qualifier="2")
    provision(plain, 1, qualifier="2")
    provision(plain, 2)


def test_provisioned_concurrency_leaves_others_a_share_of_the_account(plain: Harness) -> None:
    with pytest.raises(ClientError, match=r"greater than account's unreserved concurrency \[1000\]"):
        provision(plain, 1001)
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]"):
        provision(plain, 901)
    provision(plain, 900)
    create(plain, "second")
    plain.client.publish_version(FunctionName="second")
    with pytest.raises(ClientError, match=r"greater than account's unreserved concurrency \[100\]"):
        provision(plain, 101, qualifier="1", name="second")
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]"):
        plain.client.put_function_concurrency(FunctionName="second", ReservedConcurrentExecutions=1)
    plain.client.put_function_concurrency(FunctionName="plain", ReservedConcurrentExecutions=900)


def test_what_is_reserved_is_not_left_to_be_provisioned_for_others(plain: Harness) -> None:
    create(plain, "second")
    plain.client.put_function_concurrency(FunctionName="second", ReservedConcurrentExecutions=500)
    with pytest.raises(ClientError, match=r"greater than account's unreserved concurrency \[500\]"):
        provision(plain, 501)
    provision(plain, 400)
