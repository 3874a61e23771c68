import asyncio
import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.controlplane import function_layers
from paddock.controlplane.cleanup import remove_unneeded_code
from paddock.core.resource_policy import MAX_POLICY_BYTES
from paddock.model.ids import FunctionName, FunctionVersionKey, VersionName
from paddock.model.states import FunctionState, LastUpdateStatus
from tests.controlplane.harness import NOON, ROLE, Harness, zipped
from tests.controlplane.world import World, agents_of, run

ARN = "arn:aws:lambda:us-east-1:000000000000:layer:shared"
PACKAGE = zipped({"python/shared.py": "WHICH = 1"})


def published(harness: Harness, name: str = "shared", **more: Any) -> dict[str, Any]:
    return dict(harness.client.publish_layer_version(LayerName=name, **({"Content": {"ZipFile": PACKAGE}} | more)))


def created(harness: Harness, *layers: str, **more: Any) -> dict[str, Any]:
    return dict(
        harness.client.create_function(
            **{
                "FunctionName": "thumbnail",
                "Runtime": "python3.13",
                "Handler": "app.handler",
                "Role": ROLE,
                "Code": {"ZipFile": zipped()},
                "Layers": list(layers),
            }
            | more
        )
    )


def settled(harness: Harness) -> None:
    """As if the fleet had made the function's update so."""
    key = FunctionVersionKey(FunctionName("thumbnail"), VersionName("$LATEST"))

    async def settle() -> None:
        version = await harness.store.read(lambda tx: tx.versions.get(key))
        assert version is not None
        done = replace(version, state=FunctionState.ACTIVE, last_update_status=LastUpdateStatus.SUCCESSFUL)
        await harness.store.write(lambda tx: tx.versions.put(done))

    asyncio.run(settle())


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_published_version_is_shown_with_all_that_was_said_of_it(harness: Harness) -> None:
    answer = published(
        harness,
        Description="what functions share",
        CompatibleRuntimes=["python3.13", "python3.14"],
        CompatibleArchitectures=["x86_64"],
        LicenseInfo="MIT",
    )

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (answer["LayerArn"], answer["LayerVersionArn"], answer["Version"]) == (ARN, f"{ARN}:1", 1)
    assert (answer["Description"], answer["LicenseInfo"]) == ("what functions share", "MIT")
    assert answer["CompatibleRuntimes"] == ["python3.13", "python3.14"]
    assert answer["CompatibleArchitectures"] == ["x86_64"]
    assert answer["CreatedDate"] == "2026-11-23T12:00:00.000+0000"
    assert answer["Content"]["CodeSize"] == len(PACKAGE)
    got = harness.client.get_layer_version(LayerName="shared", VersionNumber=1)
    by_arn = harness.client.get_layer_version_by_arn(Arn=f"{ARN}:1")
    for other in (got, by_arn):
        assert {name: other[name] for name in answer if name != "ResponseMetadata"} == {
            name: answer[name] for name in answer if name != "ResponseMetadata"
        }


def test_the_link_of_a_version_is_to_its_package(harness: Harness) -> None:
    location = published(harness)["Content"]["Location"]
    path, _, query = location.removeprefix("http://127.0.0.1:4600").partition("?")

    async def read() -> bytes:
        return b"".join([piece async for piece in harness.links.fetch(path, query, NOON)])

    assert zipfile.ZipFile(io.BytesIO(asyncio.run(read()))).namelist() == ["python/shared.py"]


def test_versions_count_up_per_layer_and_no_number_comes_again(harness: Harness) -> None:
    assert [published(harness)["Version"] for _ in range(3)] == [1, 2, 3]
    assert published(harness, "other")["Version"] == 1

    harness.client.delete_layer_version(LayerName="shared", VersionNumber=3)

    assert published(harness)["Version"] == 4


def test_a_layer_may_be_named_by_its_arn(harness: Harness) -> None:
    assert published(harness, ARN)["LayerVersionArn"] == f"{ARN}:1"
    assert harness.client.get_layer_version(LayerName=ARN, VersionNumber=1)["Version"] == 1


def test_versions_are_listed_newest_first_in_pages(harness: Harness) -> None:
    for _ in range(5):
        published(harness)
    pages = harness.client.get_paginator("list_layer_versions").paginate(
        LayerName="shared", PaginationConfig={"PageSize": 2}
    )

    assert [[each["Version"] for each in page["LayerVersions"]] for page in pages] == [[5, 4], [3, 2], [1]]
    assert harness.client.list_layer_versions(LayerName="nobody")["LayerVersions"] == []


def test_layers_are_listed_with_the_newest_version_that_is_asked_for(harness: Harness) -> None:
    published(harness, "a", CompatibleRuntimes=["python3.13"], CompatibleArchitectures=["arm64"])
    published(harness, "a", CompatibleRuntimes=["nodejs22.x"])
    published(harness, "b")

    def listed(**asked: str) -> dict[str, int]:
        found = harness.client.list_layers(**asked)["Layers"]
        return {each["LayerName"]: each["LatestMatchingVersion"]["Version"] for each in found}

    assert listed() == {"a": 2, "b": 1}
    assert listed(CompatibleRuntime="python3.13") == {"a": 1}
    assert listed(CompatibleRuntime="python3.13", CompatibleArchitecture="x86_64") == {}
    versions = harness.client.list_layer_versions(LayerName="a", CompatibleRuntime="nodejs22.x")["LayerVersions"]
    assert [each["Version"] for each in versions] == [2]


def test_a_layer_without_versions_is_not_listed(harness: Harness) -> None:
    published(harness)
    for _ in range(2):  # what is not there is deleted already
        harness.client.delete_layer_version(LayerName="shared", VersionNumber=1)

    assert harness.client.list_layers()["Layers"] == []
    code, text = refused(harness.client.get_layer_version, LayerName="shared", VersionNumber=1)
    assert (code, text) == ("ResourceNotFoundException", "The resource you requested does not exist.")


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        (
            "get_layer_version",
            {"LayerName": "shared", "VersionNumber": 0},
            ("InvalidParameterValueException", "Layer Version Cannot be less than 1."),
        ),
        (
            "delete_layer_version",
            {"LayerName": "shared", "VersionNumber": -1},
            ("InvalidParameterValueException", "Layer Version Cannot be less than 1."),
        ),
        (
            "get_layer_version_by_arn",
            {"Arn": ARN.replace("us-east-1", "eu-west-1") + ":1"},
            ("ResourceNotFoundException", "The resource you requested does not exist."),
        ),
        (
            "get_layer_version_by_arn",
            {"Arn": "arn:aws:lambda:::awslayer:AmazonLinux1803"},
            ("ResourceNotFoundException", "The resource you requested does not exist."),
        ),
        (
            "publish_layer_version",
            {"LayerName": "shared", "Content": {}},
            ("InvalidParameterValueException", "Please provide a source for function code."),
        ),
        (
            "publish_layer_version",
            {"LayerName": "shared", "Content": {"ZipFile": b"no zip"}},
            (
                "InvalidParameterValueException",
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            ),
        ),
    ],
)
def test_bad_input_gets_the_error_of_aws(
    harness: Harness, operation: str, params: dict[str, Any], expected: tuple[str, str]
) -> None:
    published(harness)
    assert refused(getattr(harness.client, operation), **params) == expected


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_a_hostile_layer_is_refused_and_takes_no_number(harness: Harness, name: str) -> None:
    package = {"ZipFile": zipped({name: "x"})}
    code, _ = refused(harness.client.publish_layer_version, LayerName="shared", Content=package)

    assert code == "InvalidParameterValueException"
    assert published(harness)["Version"] == 1


@pytest.mark.parametrize(
    "params",
    [
        {"LayerName": "what/ever", "Content": {"ZipFile": PACKAGE}},
        {"LayerName": "shared", "Content": {"ZipFile": PACKAGE}, "CompatibleRuntimes": ["cobol85"]},
        {"LayerName": "shared", "Content": {"ZipFile": PACKAGE}, "CompatibleArchitectures": ["m68k"]},
        {"LayerName": "shared", "Content": {"ZipFile": PACKAGE}, "CompatibleRuntimes": ["python3.13"] * 16},
        {"LayerName": "shared", "Content": {"ZipFile": PACKAGE}, "Description": "x" * 257},
    ],
)
def test_what_the_service_model_forbids_is_refused(harness: Harness, params: dict[str, Any]) -> None:
    assert refused(harness.client.publish_layer_version, **params)[0] == "ValidationException"


def test_a_layer_of_another_account_is_not_for_us(harness: Harness) -> None:
    arn = ARN.replace("000000000000", "123456789012")

    code, text = refused(harness.client.get_layer_version_by_arn, Arn=f"{arn}:3")

    assert code == "AccessDeniedException"
    assert f"lambda:GetLayerVersion on resource: {arn}:3 because no resource-based policy allows" in text


def test_the_policy_of_a_version_grows_and_shrinks(harness: Harness) -> None:
    published(harness)
    version = {"LayerName": "shared", "VersionNumber": 1}
    grant = {**version, "Action": "lambda:GetLayerVersion"}
    added = harness.client.add_layer_version_permission(**grant, StatementId="one", Principal="123456789012")
    harness.client.add_layer_version_permission(
        **grant, StatementId="all", Principal="*", OrganizationId="o-a1b2c3d4e5", RevisionId=added["RevisionId"]
    )

    assert json.loads(added["Statement"]) == {
        "Sid": "one",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "lambda:GetLayerVersion",
        "Resource": f"{ARN}:1",
    }
    policy = harness.client.get_layer_version_policy(**version)
    document = json.loads(policy["Policy"])
    assert (document["Version"], document["Id"]) == ("2012-10-17", "default")
    assert [each["Sid"] for each in document["Statement"]] == ["one", "all"]
    assert document["Statement"][1]["Principal"] == "*"
    assert document["Statement"][1]["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}

    harness.client.remove_layer_version_permission(**version, StatementId="one", RevisionId=policy["RevisionId"])
    harness.client.remove_layer_version_permission(**version, StatementId="all")

    assert refused(harness.client.get_layer_version_policy, **version) == (
        "ResourceNotFoundException",
        "No policy is associated with the given resource.",
    )


def test_permissions_that_cannot_be_given_or_taken(harness: Harness) -> None:
    published(harness)
    version: dict[str, Any] = {"LayerName": "shared", "VersionNumber": 1}
    grant = {"StatementId": "one", "Action": "lambda:GetLayerVersion", "Principal": "*"}
    client = harness.client
    client.add_layer_version_permission(**version, **grant)

    assert refused(client.add_layer_version_permission, **version, **grant)[0] == "ResourceConflictException"
    again = {**grant, "StatementId": "two"}
    assert refused(client.add_layer_version_permission, **version, **again, RevisionId="stale") == (
        "PreconditionFailedException",
        (
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetLayerPolicy API to retrieve the latest Revision Id"
        ),
    )
    other = {**version, "VersionNumber": 7}
    assert refused(client.add_layer_version_permission, **other, **grant) == (
        "ResourceNotFoundException",
        f"Layer version {ARN}:7 does not exist.",
    )
    wrong = {**again, "Action": "lambda:InvokeFunction"}
    assert refused(client.add_layer_version_permission, **version, **wrong)[0] == "ValidationException"
    assert refused(client.remove_layer_version_permission, **version, StatementId="none") == (
        "ResourceNotFoundException",
        "Statement none is not found in resource policy.",
    )


def test_a_policy_does_not_grow_beyond_its_limit(harness: Harness) -> None:
    published(harness)
    grant = {"LayerName": "shared", "VersionNumber": 1, "Action": "lambda:GetLayerVersion", "Principal": "*"}

    def grow() -> None:
        for number in range(MAX_POLICY_BYTES // 100):
            harness.client.add_layer_version_permission(**grant, StatementId=f"{number:0100}")

    with pytest.raises(ClientError, match="bigger than the limit") as raised:
        grow()
    assert raised.value.response["Error"]["Code"] == "PolicyLengthExceededException"


def test_a_function_shows_its_layers_in_their_order(harness: Harness) -> None:
    first, second = published(harness, "first"), published(harness, "second")
    arns = [second["LayerVersionArn"], first["LayerVersionArn"]]

    created(harness, *arns)

    shown = harness.client.get_function_configuration(FunctionName="thumbnail")["Layers"]
    assert shown == [{"Arn": arn, "CodeSize": len(PACKAGE)} for arn in arns]
    assert harness.client.list_functions()["Functions"][0]["Layers"] == shown
    settled(harness)
    harness.client.update_function_configuration(FunctionName="thumbnail", Timeout=5)
    settled(harness)
    assert harness.client.get_function(FunctionName="thumbnail")["Configuration"]["Layers"] == shown
    assert "Layers" not in harness.client.update_function_configuration(FunctionName="thumbnail", Layers=[])


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([f"{ARN}:9"], ("InvalidParameterValueException", f"Layer version {ARN}:9 does not exist.")),
        (
            [f"{ARN}:{number}" for number in range(1, 7)],
            ("InvalidParameterValueException", "Cannot reference more than 5 layers."),
        ),
        (
            [f"{ARN}:1", f"{ARN}:2"],
            (
                "InvalidParameterValueException",
                (
                    "Two different versions of the same layer are not allowed to be referenced in the same function. "
                    f"{ARN}:1 and {ARN}:2 are versions of the same layer."
                ),
            ),
        ),
        (
            [ARN.replace("us-east-1", "eu-west-1") + ":1"],
            (
                "InvalidParameterValueException",
                "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.",
            ),
        ),
        (
            [ARN.replace("000000000000", "123456789012") + ":1"],
            (
                "AccessDeniedException",
                (
                    "User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetLayerVersion on "
                    "resource: arn:aws:lambda:us-east-1:123456789012:layer:shared:1 because no resource-based policy "
                    "allows the lambda:GetLayerVersion action"
                ),
            ),
        ),
    ],
)
def test_layers_that_a_function_cannot_have(harness: Harness, layers: list[str], expected: tuple[str, str]) -> None:
    published(harness)
    published(harness)

    with pytest.raises(ClientError) as raised:
        created(harness, *layers)

    error = raised.value.response["Error"]
    assert (error["Code"], error["Message"]) == expected
    assert harness.client.list_functions()["Functions"] == []


def test_an_arn_without_a_version_is_no_layer_version(harness: Harness) -> None:
    published(harness)
    with pytest.raises(ClientError) as raised:
        created(harness, ARN)
    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_code_and_layers_together_are_bounded(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    large = {"Content": {"ZipFile": zipped({"a": "x" * 600})}}
    arns = [published(harness, name, **large)["LayerVersionArn"] for name in ("first", "second")]
    monkeypatch.setattr(function_layers, "MAX_UNZIPPED_BYTES", 1000)
    with pytest.raises(ClientError, match="Layers consume more than the available size of 1000 bytes"):
        created(harness, *arns)
    created(harness, arns[0])
    settled(harness)

    code, text = refused(
        harness.client.update_function_code, FunctionName="thumbnail", ZipFile=zipped({"b": "x" * 500})
    )

    assert code == "InvalidParameterValueException"
    assert text == (
        "Function code combined with layers exceeds the maximum allowed size of 1000 bytes. "
        "The actual size is 1100 bytes."
    )


def test_a_deleted_version_stays_with_the_functions_that_have_it(harness: Harness) -> None:
    arn = published(harness)["LayerVersionArn"]
    created(harness, arn)
    settled(harness)

    harness.client.delete_layer_version(LayerName="shared", VersionNumber=1)
    harness.client.update_function_configuration(FunctionName="thumbnail", Timeout=9)
    settled(harness)

    shown = harness.client.get_function_configuration(FunctionName="thumbnail")
    assert [each["Arn"] for each in shown["Layers"]] == [arn]
    assert refused(harness.client.update_function_configuration, FunctionName="thumbnail", Layers=[arn]) == (
        "InvalidParameterValueException",
        f"Layer version {arn} does not exist.",
    )


def test_packages_of_layers_are_kept_as_long_as_anybody_has_them(harness: Harness) -> None:
    async def kept() -> int:
        await remove_unneeded_code(harness.store, harness.code, asyncio.Lock())
        return len(await harness.code.list())

    arn = published(harness)["LayerVersionArn"]
    assert asyncio.run(kept()) == 1
    created(harness, arn)
    harness.client.delete_layer_version(LayerName="shared", VersionNumber=1)
    assert asyncio.run(kept()) == 2
    harness.client.delete_function(FunctionName="thumbnail")
    assert asyncio.run(kept()) == 0


def test_agents_are_told_of_the_layers_of_an_environment() -> None:
    async def scenario(world: World) -> None:
        layers = []
        for name in ("first", "second"):
            content = {"ZipFile": zipped({"python/which.py": name})}
            layers.append(await world.call("PublishLayerVersion", LayerName=name, Content=content))
        arns = [each["LayerVersionArn"] for each in layers]
        await world.create_provider()
        await world.create_function(Layers=arns)
        await world.publish()
        await world.until_state("Active")

        told = {environment.spec.layers for agent in agents_of(world) for environment in agent.environments.values()}
        assert told == {tuple(each["Content"]["CodeSha256"] for each in layers)}

    run(scenario)
