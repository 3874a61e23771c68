"""Functions that come as images, through the API."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.controlplane.cleanup import remove_unneeded_code
from paddock.controlplane.environment_specs import environment_spec
from paddock.controlplane.function_credentials import FunctionCredentials
from paddock.images.errors import (
    ImageAccessDenied,
    ImageInvalid,
    ImageReferenceInvalid,
    ImageUnavailable,
    ImageUnsupported,
)
from paddock.model.fleet import EnvironmentAssignment
from paddock.model.ids import LATEST, EnvironmentId, FunctionName, FunctionVersionKey
from paddock.model.states import FunctionState, LastUpdateStatus
from paddock.ports.store import Transaction
from paddock.wire.agent import ImageSpec
from tests.controlplane.harness import NOON, PLACE, ROLE, STEADY, Harness, zipped
from tests.images.building import MadeImage, archive, digest, file, image, index

REPOSITORY = "000000000000.dkr.ecr.us-east-1.amazonaws.com/team/fn"
URI = f"{REPOSITORY}:v1"
FIRST = image(archive(file("a")), archive(file("b")), program={"Entrypoint": ["/run"]})
SECOND = image(archive(file("a")), archive(file("c")))


@pytest.fixture
def harness() -> Harness:
    made = Harness()
    made.image_sources.images |= {"v1": FIRST, "v2": SECOND}
    made.client.create_capacity_provider(
        CapacityProviderName="steady",
        VpcConfig={"SubnetIds": ["subnet-a"], "SecurityGroupIds": ["sg-default"]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE},
        InstanceRequirements={"Architectures": ["x86_64"]},
    )
    return made


def create(harness: Harness, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "FunctionName": "fn",
        "PackageType": "Image",
        "Role": ROLE,
        "Code": {"ImageUri": URI},
    } | changes
    return dict(harness.client.create_function(**{name: value for name, value in arguments.items() if value}))


def become_active(harness: Harness, name: str) -> None:
    """What the routers' word does."""

    def active(tx: Transaction) -> None:
        latest = tx.versions.get(FunctionVersionKey(FunctionName(name), LATEST))
        assert latest is not None
        tx.versions.put(replace(latest, state=FunctionState.ACTIVE, last_update_status=LastUpdateStatus.SUCCESSFUL))

    asyncio.run(harness.store.write(active))


def managed() -> dict[str, Any]:
    return {
        "MemorySize": 4096,
        "CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": STEADY}},
    }


def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def create_refusal(harness: Harness, **changes: Any) -> tuple[str, str]:
    return refusal(lambda: create(harness, **changes))


def test_a_function_shows_its_image_and_neither_runtime_nor_handler(harness: Harness) -> None:
    created = create(harness)
    assert created["PackageType"] == "Image"
    assert created["CodeSha256"] == FIRST.digest.removeprefix("sha256:")
    assert created["CodeSize"] == 0
    assert "Runtime" not in created
    assert "Handler" not in created
    assert "ImageConfigResponse" not in created
    found = harness.client.get_function(FunctionName="fn")
    assert found["Code"] == {
        "RepositoryType": "ECR",
        "ImageUri": URI,
        "ResolvedImageUri": f"{REPOSITORY}@{FIRST.digest}",
    }
    listed = harness.client.list_functions()["Functions"]
    assert [(one["PackageType"], one.get("Runtime")) for one in listed] == [("Image", None)]


def test_an_image_runs_on_managed_instances_with_the_default_of_a_custom_runtime(harness: Harness) -> None:
    created = create(harness, **managed())
    config = created["CapacityProviderConfig"]["LambdaManagedInstancesCapacityProviderConfig"]
    assert config["PerExecutionEnvironmentMaxConcurrency"] == 16


def test_all_of_an_image_is_kept_when_the_answer_goes_out(harness: Harness) -> None:
    create(harness)
    kept = {f"sha256:{base64.b64decode(name).hex()}" for name in asyncio.run(harness.code.list())}
    assert kept == set(FIRST.blobs)


def test_what_another_image_has_brought_is_not_read_again(harness: Harness) -> None:
    create(harness)
    become_active(harness, "fn")
    harness.image_sources.read.clear()
    harness.client.update_function_code(FunctionName="fn", ImageUri=f"{REPOSITORY}:v2")
    shared = digest(archive(file("a")))
    assert shared in FIRST.blobs
    assert shared not in harness.image_sources.read
    assert len(harness.image_sources.read) == 2


def test_an_index_is_resolved_to_the_manifest_of_the_architecture(harness: Harness) -> None:
    arm = image(archive(file("a")), architecture="arm64")
    harness.image_sources.images["both"] = index({"arm64": arm, "amd64": FIRST})
    both = {"ImageUri": f"{REPOSITORY}:both"}
    assert create(harness, Code=both)["CodeSha256"] == FIRST.digest.removeprefix("sha256:")
    other = create(harness, FunctionName="arm", Code=both, Architectures=["arm64"])
    assert other["CodeSha256"] == arm.digest.removeprefix("sha256:")


def test_image_config_is_kept_shown_and_changed_apart_from_the_code(harness: Harness) -> None:
    config = {"EntryPoint": ["/lambda-entrypoint.sh"], "Command": ["app.handler"], "WorkingDirectory": "/srv"}
    created = create(harness, ImageConfig=config)
    assert created["ImageConfigResponse"] == {"ImageConfig": config}
    become_active(harness, "fn")
    updated = harness.client.update_function_code(FunctionName="fn", ImageUri=f"{REPOSITORY}:v2")
    assert updated["ImageConfigResponse"] == {"ImageConfig": config}
    assert updated["ConfigSha256"] == created["ConfigSha256"]


def test_an_update_replaces_image_config_whole(harness: Harness) -> None:
    create(harness, **managed(), ImageConfig={"Command": ["a"], "WorkingDirectory": "/srv"})
    change = harness.client.update_function_configuration
    assert change(FunctionName="fn", Timeout=9)["ImageConfigResponse"]["ImageConfig"]["Command"] == ["a"]
    changed = change(FunctionName="fn", ImageConfig={"EntryPoint": ["/b"]})
    assert changed["ImageConfigResponse"] == {"ImageConfig": {"EntryPoint": ["/b"]}}
    assert "ImageConfigResponse" not in change(FunctionName="fn", ImageConfig={})


def test_a_version_is_published_with_its_image(harness: Harness) -> None:
    created = create(harness, Publish=True)
    assert created["Version"] == "1"
    found = harness.client.get_function(FunctionName="fn", Qualifier="1")
    assert found["Code"]["ResolvedImageUri"].endswith(FIRST.digest)
    hexadecimal = FIRST.digest.removeprefix("sha256:")
    again = harness.client.publish_version(FunctionName="fn", CodeSha256=hexadecimal)
    assert again["Version"] == "1"


def test_agents_are_told_of_the_image_and_what_stands_in_for_it(harness: Harness) -> None:
    create(harness, ImageConfig={"Command": ["app.handler"]})
    key = FunctionVersionKey(FunctionName("fn"), LATEST)
    latest = asyncio.run(harness.store.read(lambda tx: tx.versions.get(key)))
    assert latest is not None
    configuration = latest.configuration
    assignment = EnvironmentAssignment(EnvironmentId("env-1"), key, latest.revision, configuration.shape)
    spec = environment_spec(assignment, configuration, place=PLACE, credentials=FunctionCredentials(), now=NOON)
    assert spec.image == ImageSpec(command=("app.handler",))
    assert base64.b64decode(spec.code_sha256).hex() == FIRST.digest.removeprefix("sha256:")


# Refusals


PROGRAM_REFUSED = "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"Runtime": "python3.13"}, PROGRAM_REFUSED),
        ({"Handler": "app.handler"}, PROGRAM_REFUSED),
        ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:x:1"]}, PROGRAM_REFUSED),
        (
            {"Code": {"ZipFile": zipped()}},
            "Please provide ImageUri when the intended function PackageType is Image.",
        ),
        (
            {"Code": {"ImageUri": URI, "ZipFile": zipped()}},
            "Please don't provide a ZIP file when the intended function PackageType is Image.",
        ),
        (
            {"PackageType": "Zip", "Runtime": "python3.13", "Handler": "app.handler"},
            "Please don't provide ImageUri when the intended function PackageType is Zip.",
        ),
        (
            {
                "PackageType": "Zip",
                "Runtime": "python3.13",
                "Handler": "app.handler",
                "Code": {"ZipFile": zipped()},
                "ImageConfig": {"Command": ["x"]},
            },
            "Please don't provide ImageConfig when the intended function PackageType is Zip.",
        ),
        ({"ImageConfig": {"Command": ["x" * 17_000]}}, "ImageConfig must be smaller than 16384 bytes."),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], text: str, harness: Harness) -> None:
    assert create_refusal(harness, **changes) == ("InvalidParameterValueException", text)


def test_an_image_that_does_not_exist_is_refused_in_the_words_of_aws(harness: Harness) -> None:
    uri = f"{REPOSITORY}:absent"
    assert create_refusal(harness, Code={"ImageUri": uri}) == (
        "InvalidParameterValueException",
        f"Source image {uri} does not exist. Provide a valid source image.",
    )


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (ImageAccessDenied("why"), "AccessDeniedException", "does not have permission to access the ECR image"),
        (ImageUnsupported("why"), "InvalidParameterValueException", "media type for the source image"),
        (ImageInvalid("why"), "InvalidParameterValueException", "is not valid. Provide a valid source image. why"),
        (ImageUnavailable("why"), "InvalidParameterValueException", "could not be read. why"),
        (ImageReferenceInvalid("why"), "InvalidParameterValueException", "is not valid"),
    ],
)
def test_an_image_that_cannot_be_had_is_refused(failure: Any, code: str, text: str, harness: Harness) -> None:
    layer = digest(archive(file("a")))
    for broken in ("v1", layer):
        harness.image_sources.failures = {broken: failure}
        said_code, said = create_refusal(harness)
        assert said_code == code
        assert text in said
    with pytest.raises(ClientError):
        harness.client.get_function(FunctionName="fn")


def test_a_layer_that_is_not_what_it_is_called_is_refused(harness: Harness) -> None:
    layer = digest(archive(file("a")))
    harness.image_sources.images["v1"] = MadeImage(FIRST.manifest, FIRST.blobs | {layer: archive(file("A"))})
    code, text = create_refusal(harness)
    assert code == "InvalidParameterValueException"
    assert "digest" in text
    assert not asyncio.run(harness.code.has(harness.code.name_of(archive(file("a")))))


def test_an_image_for_other_processors_is_refused(harness: Harness) -> None:
    code, text = create_refusal(harness, Architectures=["arm64"])
    assert code == "InvalidParameterValueException"
    assert "architecture" in text


def test_names_that_mean_nothing_are_refused(harness: Harness) -> None:
    for uri in ("Not A Name", "http://registry.example/x", "oci:relative"):
        code, text = create_refusal(harness, Code={"ImageUri": uri})
        assert code == "InvalidParameterValueException"
        assert text.startswith(f"Source image {uri} is not valid.")


def test_a_function_stays_of_its_package_type(harness: Harness) -> None:
    create(harness)
    harness.client.create_function(
        FunctionName="zip", Runtime="python3.13", Handler="app.handler", Role=ROLE, Code={"ZipFile": zipped()}
    )
    update = harness.client.update_function_code
    said = "InvalidParameterValueException"
    for name in ("fn", "zip"):
        become_active(harness, name)
    assert refusal(update, FunctionName="fn", ZipFile=zipped()) == (
        said,
        "Please provide ImageUri when updating a function with packageType Image.",
    )
    assert refusal(update, FunctionName="zip", ImageUri=URI) == (
        said,
        "Please don't provide ImageUri when updating a function with packageType Zip.",
    )
    change = harness.client.update_function_configuration
    assert refusal(change, FunctionName="fn", Handler="x") == (said, PROGRAM_REFUSED)
    assert refusal(change, FunctionName="zip", ImageConfig={"Command": ["x"]})[0] == said


# The cleanup


def test_the_cleanup_leaves_images_that_are_needed_and_takes_the_rest(harness: Harness) -> None:
    create(harness, **managed())
    harness.client.update_function_code(FunctionName="fn", ImageUri=f"{REPOSITORY}:v2")
    removed = asyncio.run(remove_unneeded_code(harness.store, harness.code, harness.api.arriving_code))
    assert removed == len(set(FIRST.blobs) - set(SECOND.blobs))
    kept = {f"sha256:{base64.b64decode(name).hex()}" for name in asyncio.run(harness.code.list())}
    assert kept == set(SECOND.blobs)


def test_the_cleanup_leaves_an_image_that_is_arriving(harness: Harness) -> None:
    async def scenario() -> None:
        intake = harness.api.images
        async with intake.pulled(URI, "x86_64"):
            removed = await remove_unneeded_code(
                harness.store, harness.code, harness.api.arriving_code, intake.arriving
            )
            assert removed == 0
        assert not intake.arriving()
        assert await remove_unneeded_code(
            harness.store, harness.code, harness.api.arriving_code, intake.arriving
        ) == len(FIRST.blobs)

    asyncio.run(scenario())
