import asyncio
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.model.function import FunctionVersion
from paddock.model.ids import FunctionName
from paddock.model.states import FunctionState
from tests.controlplane.harness import STEADY, Harness, zipped

ARN = "arn:aws:lambda:us-east-1:000000000000:function:thumbnail"


def managed(**members: Any) -> dict[str, Any]:
    return {"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": members}}


BAD_INPUT: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown provider": (
        managed(CapacityProviderArn=STEADY.replace("steady", "nobody")),
        "ResourceNotFoundException",
        "Capacity provider not found: arn:aws:lambda:us-east-1:000000000000:capacity-provider:nobody",
    ),
    "no provider ARN": (
        managed(),
        "ValidationException",
        "Value null at 'capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.capacityProviderArn'",
    ),
    "a runtime Managed Instances do not take": (
        {"Runtime": "python3.12"},
        "InvalidParameterValueException",
        "Runtime Enum python3.12 does not support specified feature: Lambda Managed Instances",
    ),
    "a runtime that is not here": ({"Runtime": "java21"}, "InvalidParameterValueException", "java21 is not here. Run:"),
    "a runtime nobody knows": ({"Runtime": "cobol85"}, "InvalidParameterValueException", "cobol85"),
    "1 GB": ({"MemorySize": 1024}, "InvalidParameterValueException", "Specify at least 2048 MB"),
    "off the ratio": (
        {"MemorySize": 3072},
        "InvalidParameterValueException",
        "MemorySize 3072 MB at 2 GiB per vCPU is not a whole number of vCPUs. Specify 2048 MB or 4096 MB",
    ),
    "less than one vCPU": (
        {"MemorySize": 4096, **managed(CapacityProviderArn=STEADY, ExecutionEnvironmentMemoryGiBPerVCpu=8.0)},
        "InvalidParameterValueException",
        "MemorySize 4096 MB at 8 GiB per vCPU is not a whole number of vCPUs. Specify 8192 MB or",
    ),
    "a ratio of 1": (
        managed(CapacityProviderArn=STEADY, ExecutionEnvironmentMemoryGiBPerVCpu=1.0),
        "ValidationException",
        "executionEnvironmentMemoryGiBPerVCpu",
    ),
    "65 at once on one vCPU": (
        managed(CapacityProviderArn=STEADY, PerExecutionEnvironmentMaxConcurrency=65),
        "InvalidParameterValueException",
        "exceeds the maximum of 64 for an execution environment with 1 vCPU",
    ),
    "1601 at once": (
        managed(CapacityProviderArn=STEADY, PerExecutionEnvironmentMaxConcurrency=1601),
        "ValidationException",
        "less than or equal to 1600",
    ),
    "another architecture": (
        {"Architectures": ["arm64"]},
        "InvalidParameterValueException",
        "architecture arm64 does not match the architecture x86_64 of the capacity provider",
    ),
    "two architectures": (
        {"Architectures": ["arm64", "x86_64"]},
        "ValidationException",
        "Member must have length less than or equal to 1",
    ),
    "an architecture nobody has": (
        {"Architectures": ["m68k"]},
        "ValidationException",
        "Member must satisfy enum value set: [x86_64, arm64]",
    ),
    "text logs": (
        {"LoggingConfig": {"LogFormat": "Text"}},
        "InvalidParameterValueException",
        'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel',
    ),
    "a reserved variable": (
        {"Environment": {"Variables": {"AWS_REGION": "moon"}}},
        "InvalidParameterValueException",
        "Reserved keys used in this request: AWS_REGION",
    ),
    "variables beyond 4 KB": (
        {"Environment": {"Variables": {"BIG": "x" * 4096}}},
        "InvalidParameterValueException",
        "exceeded the 4KB limit",
    ),
    "a handler with a space": ({"Handler": "app handler"}, "ValidationException", "handler"),
    "no handler": ({"Handler": None}, "InvalidParameterValueException", "Runtime and Handler are mandatory"),
    "PublishTo somewhere": ({"PublishTo": "MOON"}, "ValidationException", "enum value set: [LATEST_PUBLISHED]"),
    "91 minutes": ({"Timeout": 5460}, "ValidationException", "timeout"),
    "a VPC": (
        {"VpcConfig": {"SubnetIds": ["subnet-a"], "SecurityGroupIds": ["sg-default"]}},
        "InvalidParameterValueException",
        "Remove VpcConfig",
    ),
    "SnapStart": ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "InvalidParameterValueException", "SnapStart"),
    "a layer": (
        {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]},
        "InvalidParameterValueException",
        "Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:1 does not exist.",
    ),
    "no code": ({"Code": {}}, "InvalidParameterValueException", "Please provide a source for function code."),
    "S3": (
        {"Code": {"S3Bucket": "bucket", "S3Key": "key"}},
        "InvalidParameterValueException",
        "S3 Error Code: NoSuchKey",
    ),
    "an image": ({"Code": {"ImageUri": "image"}}, "InvalidParameterValueException", "ImageUri"),
    "not a ZIP": (
        {"Code": {"ZipFile": b"import os"}},
        "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    ),
    "a name with a space": ({"FunctionName": "my function"}, "ValidationException", "functionName"),
    "a name of another account": (
        {"FunctionName": "arn:aws:lambda:us-east-1:111111111111:function:thumbnail"},
        "ResourceNotFoundException",
        "Function not found",
    ),
    "too long a name": ({"FunctionName": "a" * 65}, "ValidationException", "less than or equal to 64"),
}


@pytest.mark.parametrize(("members", "code", "text"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_refused_and_nothing_is_created(
    harness: Harness, members: dict[str, Any], code: str, text: str
) -> None:
    harness.create_provider()
    with pytest.raises(ClientError) as raised:
        harness.create_function(**{"name": members.get("FunctionName", "thumbnail"), **_without_name(members)})
    assert raised.value.response["Error"]["Code"] == code
    assert text in raised.value.response["Error"]["Message"]
    assert harness.client.list_functions()["Functions"] == []


def _without_name(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name != "FunctionName"}


def test_a_new_function_is_described_as_aws_describes_it(harness: Harness) -> None:
    harness.create_provider()
    answer = harness.create_function(Environment={"Variables": {"STAGE": "test"}}, Description="makes thumbnails")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert {key: value for key, value in answer.items() if key not in {"ResponseMetadata", "RevisionId"}} == {
        "FunctionName": "thumbnail",
        "FunctionArn": ARN,
        "Runtime": "python3.13",
        "Role": "arn:aws:iam::000000000000:role/anything",
        "Handler": "app.handler",
        "CodeSize": len(zipped()),
        "Description": "makes thumbnails",
        "Timeout": 3,
        "MemorySize": 2048,
        "LastModified": "2026-11-23T12:00:02.000+0000",
        "CodeSha256": harness.code.name_of(zipped()),
        "ConfigSha256": answer["ConfigSha256"],
        "Version": "$LATEST",
        "Environment": {"Variables": {"STAGE": "test"}},
        "TracingConfig": {"Mode": "PassThrough"},
        "State": "ActiveNonInvocable",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "LoggingConfig": {
            "LogFormat": "JSON",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
            "LogGroup": "/aws/lambda/thumbnail",
        },
        "CapacityProviderConfig": {
            "LambdaManagedInstancesCapacityProviderConfig": {
                "CapacityProviderArn": STEADY,
                "PerExecutionEnvironmentMaxConcurrency": 16,
                "ExecutionEnvironmentMemoryGiBPerVCpu": 2.0,
            }
        },
        "RuntimeVersionConfig": answer["RuntimeVersionConfig"],
    }
    assert harness.news.functions == [FunctionName("thumbnail")]


@pytest.mark.parametrize(
    ("runtime", "memory_mb", "ratio", "concurrency"),
    [
        ("python3.13", 4096, 2.0, 32),
        ("nodejs22.x", 2048, 2.0, 64),
        ("nodejs24.x", 32768, 2.0, 1024),
        ("provided.al2023", 32768, 8.0, 32),
    ],
)
def test_default_concurrency_follows_language_and_vcpus(
    harness: Harness, runtime: str, memory_mb: int, ratio: float, concurrency: int
) -> None:
    harness.create_provider()
    answer = harness.create_function(
        Runtime=runtime, MemorySize=memory_mb, managed={"ExecutionEnvironmentMemoryGiBPerVCpu": ratio}
    )
    shown = answer["CapacityProviderConfig"]["LambdaManagedInstancesCapacityProviderConfig"]
    assert shown["PerExecutionEnvironmentMaxConcurrency"] == concurrency


def test_a_runtime_that_stands_in_is_said(harness: Harness) -> None:
    harness.create_provider()
    answer = harness.create_function(Runtime="python3.14")
    assert answer["RuntimeVersionConfig"]["Error"] == {
        "ErrorCode": "RuntimeStandIn",
        "Message": "No Python 3.14 was found: Python 3.13.1 stands in.",
    }


def test_a_function_name_can_be_had_once(ready: Harness) -> None:
    with pytest.raises(ready.client.exceptions.ResourceConflictException, match="Function already exist: thumbnail"):
        ready.create_function()


def test_create_may_publish_in_the_same_call(harness: Harness) -> None:
    harness.create_provider()
    answer = harness.create_function(Publish=True, PublishTo="LATEST_PUBLISHED")
    assert (answer["Version"], answer["State"], answer["StateReasonCode"]) == (
        "$LATEST.PUBLISHED",
        "Pending",
        "Creating",
    )
    assert answer["StateReason"] == "The function is being created."
    numbered = harness.create_function("second", Publish=True)
    assert (numbered["Version"], numbered["FunctionArn"]) == ("1", ARN.replace("thumbnail", "second") + ":1")


def test_get_function_has_a_link_that_gives_the_code_until_it_expires(ready: Harness) -> None:
    answer = ready.client.get_function(FunctionName="thumbnail")
    assert answer["Configuration"]["State"] == "ActiveNonInvocable"
    assert answer["Code"]["RepositoryType"] == "S3"
    location = answer["Code"]["Location"]
    path, _, query = location.removeprefix("http://127.0.0.1:4600").partition("?")

    async def fetched(query: str) -> bytes:
        return b"".join([piece async for piece in ready.links.fetch(path, query, ready.clock.now())])

    assert asyncio.run(fetched(query)) == zipped()
    for forged in ("", query.replace("expires=", "expires=9"), query[:-1] + "x", "expires=a&signature=b"):
        with pytest.raises(Exception, match="not valid"):
            asyncio.run(fetched(forged))
    ready.later(601)
    with pytest.raises(Exception, match="expired"):
        asyncio.run(fetched(query))


@pytest.mark.parametrize(
    ("name", "qualifier", "text"),
    [
        ("nobody", None, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"),
        ("thumbnail", "7", f"Function not found: {ARN}:7"),
        ("thumbnail", "$LATEST.PUBLISHED", f"Function not found: {ARN}:$LATEST.PUBLISHED"),
        ("thumbnail:live", None, f"Function not found: {ARN}:live"),
    ],
)
def test_what_is_not_there_is_not_found(ready: Harness, name: str, qualifier: str | None, text: str) -> None:
    qualified = {} if qualifier is None else {"Qualifier": qualifier}
    for operation in (ready.client.get_function, ready.client.get_function_configuration):
        with pytest.raises(ready.client.exceptions.ResourceNotFoundException) as raised:
            operation(FunctionName=name, **qualified)
        assert raised.value.response["Error"]["Message"] == text


@pytest.mark.parametrize(
    "name", ["thumbnail", "function:thumbnail", "000000000000:function:thumbnail", ARN, f"{ARN}:$LATEST"]
)
def test_a_function_is_found_by_every_form_of_its_name(ready: Harness, name: str) -> None:
    assert ready.client.get_function_configuration(FunctionName=name)["FunctionName"] == "thumbnail"


def test_functions_are_listed_in_pages_with_all_versions_if_asked(ready: Harness) -> None:
    for number in range(4):
        ready.create_function(f"f{number}")
    ready.client.publish_version(FunctionName="thumbnail")
    pages = list(ready.client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    names = [function["FunctionName"] for page in pages for function in page["Functions"]]
    assert names == ["f0", "f1", "f2", "f3", "thumbnail"]
    every = ready.client.list_functions(FunctionVersion="ALL", MasterRegion="ALL")["Functions"]
    assert [function["FunctionArn"] for function in every][-2:] == [f"{ARN}:$LATEST", f"{ARN}:1"]


def test_new_code_changes_latest_only(ready: Harness) -> None:
    ready.client.publish_version(FunctionName="thumbnail")
    new = zipped({"app.py": "def handler(event, context): return 2"})
    answer = ready.client.update_function_code(FunctionName="thumbnail", ZipFile=new)
    assert answer["CodeSha256"] == ready.code.name_of(new)
    assert answer["LastUpdateStatus"] == "Successful"
    versions = ready.client.list_versions_by_function(FunctionName="thumbnail")["Versions"]
    assert [version["CodeSha256"] for version in versions] == [
        ready.code.name_of(new),
        ready.code.name_of(zipped()),
    ]


def test_a_dry_run_changes_nothing(ready: Harness) -> None:
    new = zipped({"app.py": "def handler(event, context): return 2"})
    answer = ready.client.update_function_code(FunctionName="thumbnail", ZipFile=new, DryRun=True)
    assert answer["CodeSha256"] == ready.code.name_of(new)
    now = ready.client.get_function_configuration(FunctionName="thumbnail")
    assert now["CodeSha256"] == ready.code.name_of(zipped())
    assert asyncio.run(ready.code.list()) == (ready.code.name_of(zipped()),)


@pytest.mark.parametrize("operation", ["update_function_code", "update_function_configuration", "publish_version"])
def test_a_wrong_revision_id_is_a_failed_precondition(ready: Harness, operation: str) -> None:
    members = {"ZipFile": zipped()} if operation == "update_function_code" else {}
    with pytest.raises(ready.client.exceptions.PreconditionFailedException) as raised:
        getattr(ready.client, operation)(FunctionName="thumbnail", RevisionId="other", **members)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    right = ready.client.get_function_configuration(FunctionName="thumbnail")["RevisionId"]
    getattr(ready.client, operation)(FunctionName="thumbnail", RevisionId=right, **members)


def test_an_update_changes_settings_and_keeps_the_rest(ready: Harness) -> None:
    before = ready.client.get_function_configuration(FunctionName="thumbnail")
    after = ready.client.update_function_configuration(
        FunctionName="thumbnail",
        MemorySize=4096,
        Timeout=5400,
        Environment={"Variables": {"SIZE": "1"}},
        LoggingConfig={"ApplicationLogLevel": "DEBUG"},
        EphemeralStorage={"Size": 1024},
    )
    assert (after["MemorySize"], after["Timeout"], after["EphemeralStorage"]) == (4096, 5400, {"Size": 1024})
    assert after["Environment"] == {"Variables": {"SIZE": "1"}}
    assert after["LoggingConfig"]["LogGroup"] == "/aws/lambda/thumbnail"
    assert after["Handler"] == before["Handler"]
    assert after["RevisionId"] != before["RevisionId"]
    assert after["ConfigSha256"] != before["ConfigSha256"]
    cleared = ready.client.update_function_configuration(FunctionName="thumbnail", Environment={"Variables": {}})
    assert "Environment" not in cleared


@pytest.mark.parametrize(
    ("members", "code", "text"),
    [
        ({"MemorySize": 2000}, "InvalidParameterValueException", "at least 2048 MB"),
        ({"CapacityProviderConfig": {}}, "ValidationException", "Member must not be null"),
        ({"Runtime": "ruby3.4"}, "InvalidParameterValueException", "Runtime Enum ruby3.4 does not support"),
        (managed(CapacityProviderArn=STEADY + "x"), "ResourceNotFoundException", "Capacity provider not found"),
    ],
)
def test_a_bad_update_is_refused(ready: Harness, members: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(ClientError) as raised:
        ready.client.update_function_configuration(FunctionName="thumbnail", **members)
    assert raised.value.response["Error"]["Code"] == code
    assert text in raised.value.response["Error"]["Message"]


def test_published_versions_cannot_be_updated(ready: Harness) -> None:
    ready.client.publish_version(FunctionName="thumbnail")
    with pytest.raises(ready.client.exceptions.InvalidParameterValueException, match="immutable"):
        ready.client.update_function_configuration(FunctionName="thumbnail:1", Timeout=9)


def test_a_function_may_move_to_another_provider_and_its_versions_stay(ready: Harness) -> None:
    ready.create_provider("other")
    ready.client.publish_version(FunctionName="thumbnail")
    ready.client.update_function_configuration(
        FunctionName="thumbnail", **managed(CapacityProviderArn=STEADY.replace("steady", "other"))
    )
    ready.client.publish_version(FunctionName="thumbnail")

    def on(provider: str) -> list[str]:
        answer = ready.client.list_function_versions_by_capacity_provider(CapacityProviderName=provider)
        return [version["FunctionArn"].removeprefix(f"{ARN}:") for version in answer["FunctionVersions"]]

    assert on("steady") == ["1"]
    assert on("other") == ["$LATEST", "2"]


def test_a_function_without_versions_is_deleted_at_once(ready: Harness) -> None:
    answer = ready.client.delete_function(FunctionName="thumbnail")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert ready.client.list_functions()["Functions"] == []
    with pytest.raises(ready.client.exceptions.ResourceNotFoundException):
        ready.client.delete_function(FunctionName="thumbnail")
    ready.create_function()


def test_a_function_with_versions_is_deleting_until_they_have_drained(ready: Harness) -> None:
    ready.client.publish_version(FunctionName="thumbnail")
    answer = ready.client.delete_function(FunctionName="thumbnail")
    assert answer["StatusCode"] == 202
    states = [
        version["State"] for version in ready.client.list_versions_by_function(FunctionName="thumbnail")["Versions"]
    ]
    assert states == ["Deleting", "Deleting"]
    assert ready.client.delete_function(FunctionName="thumbnail")["StatusCode"] == 202
    with pytest.raises(ready.client.exceptions.ResourceConflictException, match="being deleted"):
        ready.create_function()
    for refused in (ready.client.publish_version, ready.client.update_function_configuration):
        with pytest.raises(ready.client.exceptions.ResourceConflictException, match="being deleted"):
            refused(FunctionName="thumbnail")


def test_one_version_may_be_deleted_and_latest_may_not(ready: Harness) -> None:
    ready.client.publish_version(FunctionName="thumbnail")
    ready.client.delete_function(FunctionName="thumbnail", Qualifier="1")
    versions = ready.client.list_versions_by_function(FunctionName="thumbnail")["Versions"]
    assert [(version["Version"], version["State"]) for version in versions] == [
        ("$LATEST", "ActiveNonInvocable"),
        ("1", "Deleting"),
    ]
    with pytest.raises(
        ready.client.exceptions.InvalidParameterValueException, match=r"\$LATEST version cannot be deleted"
    ):
        ready.client.delete_function(FunctionName="thumbnail", Qualifier="$LATEST")
    with pytest.raises(ready.client.exceptions.ResourceNotFoundException):
        ready.client.delete_function(FunctionName="thumbnail", Qualifier="9")


def test_boto3s_waiter_sees_a_published_version_become_active(ready: Harness) -> None:
    ready.client.publish_version(FunctionName="thumbnail", PublishTo="LATEST_PUBLISHED")
    set_state(ready, "$LATEST.PUBLISHED", FunctionState.ACTIVE)
    for waiter in ("published_version_active", "function_active_v2", "function_updated_v2"):
        ready.client.get_waiter(waiter).wait(FunctionName="thumbnail", Qualifier="$LATEST.PUBLISHED")


def set_state(harness: Harness, version: str, state: FunctionState) -> None:
    async def change() -> None:
        def work(tx: Any) -> None:
            found: FunctionVersion = tx.versions.get(("thumbnail", version))
            tx.versions.put(replace(found, state=state))

        await harness.store.write(work)

    asyncio.run(change())


def test_account_settings_count_what_is_there(ready: Harness) -> None:
    ready.client.publish_version(FunctionName="thumbnail")
    usage = ready.client.get_account_settings()["AccountUsage"]
    assert usage == {"TotalCodeSize": 2 * len(zipped()), "FunctionCount": 1}


def test_functions_are_tagged_and_their_versions_are_not(ready: Harness) -> None:
    ready.client.tag_resource(Resource=ARN, Tags={"team": "images"})
    assert ready.client.get_function(FunctionName="thumbnail")["Tags"] == {"team": "images"}
    with pytest.raises(ready.client.exceptions.InvalidParameterValueException, match="aliases and versions"):
        ready.client.tag_resource(Resource=f"{ARN}:1", Tags={"team": "images"})
    ready.client.delete_function(FunctionName="thumbnail")
    ready.create_function()
    assert "Tags" not in ready.client.get_function(FunctionName="thumbnail")
