import asyncio
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.model.function import ContainerImage
from paddock.model.ids import LATEST, FunctionName, FunctionVersionKey
from tests.controlplane.harness import ROLE, Harness, zipped
from tests.controlplane.test_layers import published, refused, settled

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/ours/abcdef1234"
NOBODY = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"


def config(harness: Harness, policy: str | None = None, **more: Any) -> str:
    if policy is not None:
        more["CodeSigningPolicies"] = {"UntrustedArtifactOnDeployment": policy}
    created = harness.client.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}, **more
    )
    return str(created["CodeSigningConfig"]["CodeSigningConfigArn"])


def created(harness: Harness, name: str = "thumbnail", **more: Any) -> dict[str, Any]:
    return dict(
        harness.client.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": zipped()},
            **more,
        )
    )


def test_a_configuration_is_shown_as_it_was_made(harness: Harness) -> None:
    arn = config(harness, Description="ours alone", Tags={"team": "a"})

    shown = harness.client.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"]

    assert shown == {
        "CodeSigningConfigId": arn.rpartition(":")[2],
        "CodeSigningConfigArn": arn,
        "Description": "ours alone",
        "AllowedPublishers": {"SigningProfileVersionArns": [PROFILE]},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Warn"},
        "LastModified": "2026-11-23T12:00:00.000+0000",
    }
    assert harness.client.list_tags(Resource=arn)["Tags"] == {"team": "a"}
    assert refused(harness.client.list_tags, Resource=NOBODY)[0] == "ResourceNotFoundException"


def test_an_update_changes_what_it_names(harness: Harness) -> None:
    arn = config(harness, Description="before")
    other = PROFILE.replace("ours", "theirs")

    harness.client.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    )
    shown = harness.client.update_code_signing_config(
        CodeSigningConfigArn=arn, AllowedPublishers={"SigningProfileVersionArns": [other]}
    )["CodeSigningConfig"]

    assert shown["Description"] == "before"
    assert shown["AllowedPublishers"] == {"SigningProfileVersionArns": [other]}
    assert shown["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}


def test_configurations_are_listed_in_pages(harness: Harness) -> None:
    arns = {config(harness) for _ in range(3)}
    pages = harness.client.get_paginator("list_code_signing_configs").paginate(PaginationConfig={"PageSize": 2})

    listed = [[each["CodeSigningConfigArn"] for each in page["CodeSigningConfigs"]] for page in pages]

    assert [len(page) for page in listed] == [2, 1]
    assert {arn for page in listed for arn in page} == arns


def test_a_function_gets_shows_and_loses_its_configuration(harness: Harness) -> None:
    arn = config(harness)
    created(harness)
    client = harness.client
    assert "CodeSigningConfigArn" not in client.get_function_code_signing_config(FunctionName="thumbnail")

    put = client.put_function_code_signing_config(FunctionName="thumbnail", CodeSigningConfigArn=arn)

    assert (put["CodeSigningConfigArn"], put["FunctionName"]) == (arn, "thumbnail")
    assert client.get_function_code_signing_config(FunctionName="thumbnail")["CodeSigningConfigArn"] == arn
    using = client.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"]
    assert using == ["arn:aws:lambda:us-east-1:000000000000:function:thumbnail"]
    assert refused(client.delete_code_signing_config, CodeSigningConfigArn=arn)[0] == "ResourceConflictException"
    client.delete_function_code_signing_config(FunctionName="thumbnail")
    client.delete_code_signing_config(CodeSigningConfigArn=arn)
    assert refused(client.get_code_signing_config, CodeSigningConfigArn=arn) == (
        "ResourceNotFoundException",
        f"The Lambda code signing configuration {arn} can not be found.",
    )


def test_what_is_not_there_gets_the_error_of_aws(harness: Harness) -> None:
    created(harness)
    client = harness.client
    absent = (
        "CodeSigningConfigNotFoundException",
        (
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
            f"{NOBODY}."
        ),
    )

    assert (
        refused(client.put_function_code_signing_config, FunctionName="thumbnail", CodeSigningConfigArn=NOBODY)
        == absent
    )
    with pytest.raises(ClientError) as raised:
        created(harness, "other", CodeSigningConfigArn=NOBODY)
    assert (raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]) == absent
    for operation in (
        client.update_code_signing_config,
        client.delete_code_signing_config,
        client.list_functions_by_code_signing_config,
    ):
        assert refused(operation, CodeSigningConfigArn=NOBODY)[0] == "ResourceNotFoundException"
    code, _ = refused(
        client.put_function_code_signing_config, FunctionName="nobody", CodeSigningConfigArn=config(harness)
    )
    assert code == "ResourceNotFoundException"


def test_images_are_not_signed_so(harness: Harness) -> None:
    created(harness)
    key = FunctionVersionKey(FunctionName("thumbnail"), LATEST)

    async def make_image() -> None:
        version = await harness.store.read(lambda tx: tx.versions.get(key))
        assert version is not None
        image = ContainerImage("registry/thumbnail:1", "registry/thumbnail@sha256:1", ())
        imaged = replace(version, configuration=replace(version.configuration, image=image))
        await harness.store.write(lambda tx: tx.versions.put(imaged))

    asyncio.run(make_image())
    assert refused(
        harness.client.put_function_code_signing_config,
        FunctionName="thumbnail",
        CodeSigningConfigArn=config(harness),
    ) == (
        "InvalidParameterValueException",
        "Code signing is not supported for functions created with container images.",
    )


@pytest.mark.parametrize(
    "params",
    [
        {"AllowedPublishers": {"SigningProfileVersionArns": []}},
        {"AllowedPublishers": {"SigningProfileVersionArns": [PROFILE] * 21}},
        {"AllowedPublishers": {"SigningProfileVersionArns": ["me"]}},
        {
            "AllowedPublishers": {"SigningProfileVersionArns": [PROFILE]},
            "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Hope"},
        },
    ],
)
def test_what_the_service_model_forbids_is_refused(harness: Harness, params: dict[str, Any]) -> None:
    assert refused(harness.client.create_code_signing_config, **params)[0] == "ValidationException"


def unsigned(name: str) -> tuple[str, str]:
    return (
        "CodeVerificationFailedException",
        (
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the "
            f"client is not configured to accept. Check the provided signature for {name}."
        ),
    )


def test_enforce_refuses_what_is_not_signed_and_changes_nothing(harness: Harness) -> None:
    arn = config(harness, "Enforce")
    with pytest.raises(ClientError) as raised:
        created(harness, CodeSigningConfigArn=arn)
    error = raised.value.response["Error"]
    assert (error["Code"], error["Message"]) == unsigned("thumbnail")
    assert harness.client.list_functions()["Functions"] == []

    created(harness)
    settled(harness)
    harness.client.put_function_code_signing_config(FunctionName="thumbnail", CodeSigningConfigArn=arn)
    before = harness.client.get_function_configuration(FunctionName="thumbnail")
    update = {"FunctionName": "thumbnail", "ZipFile": zipped({"app.py": "# new"})}
    assert refused(harness.client.update_function_code, **update) == unsigned("thumbnail")
    assert refused(harness.client.update_function_code, **update, DryRun=True) == unsigned("thumbnail")
    layer = published(harness)["LayerVersionArn"]
    assert refused(harness.client.update_function_configuration, FunctionName="thumbnail", Layers=[layer]) == unsigned(
        layer
    )
    after = harness.client.get_function_configuration(FunctionName="thumbnail")
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])

    harness.client.update_function_configuration(FunctionName="thumbnail", Timeout=7)


@pytest.mark.parametrize("managed", [True, False])
def test_warn_lets_deployments_through(harness: Harness, managed: bool) -> None:
    arn = config(harness, "Warn")
    if managed:
        harness.create_provider()
        harness.create_function("thumbnail", CodeSigningConfigArn=arn)
    else:
        created(harness, CodeSigningConfigArn=arn)
        settled(harness)

    shown = harness.client.update_function_code(FunctionName="thumbnail", ZipFile=zipped({"app.py": "# new"}))

    assert shown["CodeSha256"] == harness.code.name_of(zipped({"app.py": "# new"}))
    assert harness.client.get_function_code_signing_config(FunctionName="thumbnail")["CodeSigningConfigArn"] == arn
