from __future__ import annotations

from pathlib import PurePath

import pytest

from paddock.images.errors import ImageReferenceInvalid
from paddock.images.reference import LocalReference, RegistryReference, parse_reference

DIGEST = "sha256:" + "ab" * 32
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{ECR}/team/fn:v1", RegistryReference(ECR, "team/fn", "v1")),
        (f"{ECR}/fn", RegistryReference(ECR, "fn", "latest")),
        (f"{ECR}/fn@{DIGEST}", RegistryReference(ECR, "fn", DIGEST)),
        (f"{ECR}/fn:v1@{DIGEST}", RegistryReference(ECR, "fn", DIGEST)),
        ("localhost:5000/fn", RegistryReference("localhost:5000", "fn", "latest")),
        ("busybox", RegistryReference("docker.io", "library/busybox", "latest")),
        ("someone/fn:2", RegistryReference("docker.io", "someone/fn", "2")),
        ("oci:/images/fn", LocalReference(PurePath("/images/fn"), "", is_archive=False)),
        ("oci:/images/fn:v1", LocalReference(PurePath("/images/fn"), "v1", is_archive=False)),
        (f"docker-archive:/images/fn.tar@{DIGEST}", LocalReference(PurePath("/images/fn.tar"), DIGEST, True)),
    ],
)
def test_names_are_read_as_docker_reads_them(text: str, expected: object) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "UPPER/case",
        f"{ECR}/fn@sha256:short",
        f"{ECR}/fn@sha512:{'ab' * 64}",
        f"{ECR}/fn:",
        f"{ECR}/../fn",
        f"{ECR}/fn\n",
        "http://registry.example/fn",
        "user:secret@registry.example/fn",
        "oci:relative/path",
        "oci:/images/../etc",
        "oci:/images/fn:bad tag",
        "docker-archive:",
        "x" * 3000,
    ],
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ImageReferenceInvalid):
        parse_reference(text)


def test_connections_are_open_on_this_machine_only() -> None:
    def api(text: str) -> str:
        reference = parse_reference(text)
        assert isinstance(reference, RegistryReference)
        return reference.api

    assert api("127.0.0.1:5000/fn") == "http://127.0.0.1:5000"
    assert api("localhost:5000/fn") == "http://localhost:5000"
    assert api("127.0.0.1.example.com/fn") == "https://127.0.0.1.example.com"
    assert api("busybox") == "https://registry-1.docker.io"


def test_a_resolved_name_means_the_same_image_for_ever() -> None:
    for text in (f"{ECR}/team/fn:v1", "oci:/images/fn:v1", "docker-archive:/images/fn.tar"):
        again = parse_reference(parse_reference(text).resolved(DIGEST))
        assert again.name == DIGEST
