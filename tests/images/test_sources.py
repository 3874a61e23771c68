"""The same image from a registry, a layout and an archive; and what is said where there is none."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddock.images import registry
from paddock.images.archive import ArchiveSource
from paddock.images.credentials import CredentialSource, docker_credentials
from paddock.images.documents import Descriptor
from paddock.images.errors import (
    ImageAccessDenied,
    ImageArchitectureMismatch,
    ImageError,
    ImageInvalid,
    ImageNotFound,
    ImageUnavailable,
    ImageUnsupported,
)
from paddock.images.layout import LayoutSource
from paddock.images.pull import ResolvedImage, resolve
from paddock.images.reference import RegistryReference, parse_reference
from paddock.images.registry import RegistrySource
from paddock.images.sources import ImageSource, verified
from tests.images.building import MadeImage, archive, digest, docker_archive, file, image, index
from tests.images.registry_server import Registry, registry_server

LAYERS = (archive(file("a", "1")), archive(file("b", "2")))
PROGRAM = {"Entrypoint": ["/run"], "Cmd": ["x"], "WorkingDir": "/var/task", "Env": ["A=1", "B=2=3"]}
BLOB = b"x" * 100_000


def nobody(_: str) -> None:
    return None


@pytest.fixture
def server() -> Iterator[Registry]:
    with registry_server() as running:
        yield running


def source_of(name: str, credentials: CredentialSource = nobody) -> RegistrySource:
    reference = parse_reference(name)
    assert isinstance(reference, RegistryReference)
    return RegistrySource(reference, credentials)


def contents(source: ImageSource, found: ResolvedImage) -> list[bytes]:
    return [b"".join(verified(source.blob(layer), layer)) for layer in found.manifest.layers]


def test_an_image_is_the_same_wherever_it_is_read(server: Registry, tmp_path: Path) -> None:
    made = image(*LAYERS, program=PROGRAM)
    made.write_layout(tmp_path / "layout")
    docker_archive(tmp_path / "image.tar", LAYERS, PROGRAM)
    name = server.put(made)
    for source, tag in (
        (source_of(name), "latest"),
        (LayoutSource(tmp_path / "layout"), "latest"),
        (ArchiveSource(tmp_path / "image.tar"), "1"),
    ):
        found = resolve(source, tag, "x86_64")
        configuration = found.configuration
        assert configuration.entry_point == ("/run",)
        assert configuration.command == ("x",)
        assert configuration.working_directory == "/var/task"
        assert configuration.environment == (("A", "1"), ("B", "2=3"))
        assert len(contents(source, found)) == 2
        assert found.descriptor.digest == digest(found.content)
        assert resolve(source, found.descriptor.digest, "x86_64") == found


def test_dockers_own_media_types_are_read(server: Registry) -> None:
    made = image(*LAYERS, docker=True)
    assert resolve(source_of(server.put(made)), "latest", "x86_64").descriptor.digest == made.digest


def test_an_index_gives_the_image_for_the_architecture(server: Registry) -> None:
    arm, intel = image(*LAYERS, architecture="arm64"), image(*LAYERS)
    source = source_of(server.put(index({"arm64": arm, "amd64": intel})))
    assert resolve(source, "latest", "arm64").descriptor.digest == arm.digest
    assert resolve(source, "latest", "x86_64").descriptor.digest == intel.digest


def test_other_architectures_are_refused(server: Registry) -> None:
    arm = image(*LAYERS, architecture="arm64")
    for made in (arm, index({"arm64": arm})):
        with pytest.raises(ImageArchitectureMismatch):
            resolve(source_of(server.put(made)), "latest", "x86_64")


def test_an_index_that_leads_to_indexes_ends(server: Registry) -> None:
    made = image(*LAYERS)
    for _ in range(4):
        made = index({"amd64": made})
    with pytest.raises(ImageInvalid, match="again and again"):
        resolve(source_of(server.put(made)), "latest", "x86_64")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"no json", ImageUnsupported),
        (b"[]", ImageUnsupported),
        (b'{"schemaVersion": 1, "fsLayers": []}', ImageUnsupported),
        (b'{"schemaVersion": 2, "manifests": []}', ImageArchitectureMismatch),
        (b'{"schemaVersion": 2, "config": {"digest": "sha256:..", "size": 1}, "layers": []}', ImageUnsupported),
        (b"\xff" * 100, ImageUnsupported),
        (b" " * (4 * 1024 * 1024 + 1), ImageInvalid),
    ],
)
def test_documents_that_are_none_are_refused(content: bytes, error: type[ImageError], server: Registry) -> None:
    made = MadeImage(content, {digest(content): content})
    with pytest.raises(error):
        resolve(source_of(server.put(made)), "latest", "x86_64")


@pytest.mark.parametrize(
    "change", [{"size": -1}, {"size": 1 << 50}, {"digest": "sha512:00"}, {"mediaType": "text/html"}]
)
def test_layers_that_are_impossible_are_refused(change: dict[str, object], server: Registry) -> None:
    document = json.loads(image(*LAYERS).manifest)
    document["layers"][0] |= change
    content = json.dumps(document).encode()
    with pytest.raises((ImageInvalid, ImageUnsupported)):
        resolve(source_of(server.put(MadeImage(content, {digest(content): content}))), "latest", "x86_64")


def test_layers_that_the_configuration_does_not_name_are_refused(server: Registry) -> None:
    made = image(*LAYERS)
    document = json.loads(made.manifest)
    document["layers"] *= 2
    content = json.dumps(document).encode()
    with pytest.raises(ImageInvalid, match="does not name its layers"):
        resolve(source_of(server.put(MadeImage(content, made.blobs | {digest(content): content}))), "latest", "x86_64")


# Registries


def test_an_image_that_is_not_there_is_not_found(server: Registry) -> None:
    with pytest.raises(ImageNotFound):
        source_of(f"{server.address}/team/fn:absent").manifest("absent")


def test_a_registry_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(ImageUnavailable):
        source_of("127.0.0.1:1/team/fn").manifest("latest")


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_registry_that_wants_credentials_gets_them(auth: str, server: Registry) -> None:
    server.auth = auth
    name = server.put(image(*LAYERS))
    source = source_of(name, lambda _: ("user", "secret"))
    contents(source, resolve(source, "latest", "x86_64"))
    for credentials in (nobody, lambda _: ("user", "wrong")):
        with pytest.raises(ImageAccessDenied):
            source_of(name, credentials).manifest("latest")


def test_a_token_is_asked_for_once(server: Registry) -> None:
    server.auth = "bearer"
    source = source_of(server.put(image(*LAYERS)), lambda _: ("user", "secret"))
    contents(source, resolve(source, "latest", "x86_64"))
    assert len([path for path, _ in server.asked if path.startswith("/token")]) == 1


def test_credentials_do_not_follow_a_redirect(server: Registry) -> None:
    server.auth, server.misbehave = "basic", "redirect"
    source = source_of(server.put(image(*LAYERS)), lambda _: ("user", "secret"))
    contents(source, resolve(source, "latest", "x86_64"))
    followed = [shown for path, shown in server.asked if path.startswith("/elsewhere/")]
    assert followed
    assert not any(followed)


@pytest.mark.parametrize(
    ("misbehave", "error"),
    [
        ("loop", ImageUnavailable),
        ("leave", ImageUnavailable),
        ("truncate", (ImageInvalid, ImageUnavailable)),
        ("longer", ImageInvalid),
        ("other", ImageInvalid),
    ],
)
def test_a_registry_that_misbehaves_is_left(
    misbehave: str, error: type[ImageError] | tuple[type[ImageError], ...], server: Registry
) -> None:
    server.contents[digest(BLOB)] = BLOB
    server.misbehave = misbehave
    wanted = Descriptor(digest(BLOB), len(BLOB))
    with pytest.raises(error):
        list(verified(source_of(f"{server.address}/team/fn").blob(wanted), wanted))


def test_a_registry_that_drips_for_ever_is_left(server: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "REQUEST_SECONDS", 0.5)
    server.misbehave = "hang"
    wanted = Descriptor(digest(BLOB), len(BLOB))
    with pytest.raises(ImageUnavailable, match="in time"):
        list(source_of(f"{server.address}/team/fn").blob(wanted))


def test_what_is_not_read_to_its_end_is_closed(server: Registry) -> None:
    server.contents[digest(BLOB)] = BLOB
    pieces = source_of(f"{server.address}/team/fn").blob(Descriptor(digest(BLOB), len(BLOB)))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # sources give generators
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(isinstance(one, threading.Timer) for one in threading.enumerate()):
        time.sleep(0.01)
    assert not [one for one in threading.enumerate() if isinstance(one, threading.Timer)]


def test_docker_login_is_understood(tmp_path: Path) -> None:
    encoded = base64.b64encode(b"me:se:cret").decode()
    auths = {"registry.example": {"auth": encoded}, "https://index.docker.io/v1/": {"auth": encoded}, "odd": 3}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    assert docker_credentials("registry.example", environ) == ("me", "se:cret")
    assert docker_credentials("registry-1.docker.io", environ) == ("me", "se:cret")
    assert docker_credentials("other.example", environ) is None
    assert docker_credentials("odd", environ) is None
    (tmp_path / "config.json").write_text("no json")
    assert docker_credentials("registry.example", environ) is None


# Layouts and archives


def test_a_layout_with_several_images_wants_a_tag(tmp_path: Path) -> None:
    made = image(*LAYERS)
    made.write_layout(tmp_path / "layout", "one")
    index_file = tmp_path / "layout" / "index.json"
    document = json.loads(index_file.read_text())
    other = dict(document["manifests"][0], annotations={"org.opencontainers.image.ref.name": "two"})
    other["digest"] = "sha256:" + "0" * 64
    document["manifests"].append(other)
    index_file.write_text(json.dumps(document))
    source = LayoutSource(tmp_path / "layout")
    assert digest(source.manifest("one")) == made.digest
    for name in ("", "three"):
        with pytest.raises(ImageNotFound):
            source.manifest(name)


def test_a_layout_leads_nowhere_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(BLOB)
    made = image(*LAYERS)
    made.write_layout(tmp_path / "layout")
    blob = tmp_path / "layout" / "blobs" / "sha256" / digest(BLOB).removeprefix("sha256:")
    blob.symlink_to(secret)
    with pytest.raises(ImageInvalid, match="link"):
        list(LayoutSource(tmp_path / "layout").blob(Descriptor(digest(BLOB), len(BLOB))))


@pytest.mark.parametrize("content", ["", "[]", '{"manifests": 3}', '{"manifests": [3]}'])
def test_a_layout_that_is_none_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(content)
    with pytest.raises((ImageInvalid, ImageNotFound)):
        LayoutSource(tmp_path).manifest("latest")


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "image.tar"
    for content in (b"", b"no tar" * 200, archive(file("other")), archive(file("manifest.json", "[3]"))):
        place.write_bytes(content)
        with pytest.raises((ImageInvalid, ImageNotFound)):
            ArchiveSource(place).manifest("")
    with pytest.raises(ImageNotFound):
        ArchiveSource(tmp_path / "absent.tar").manifest("")
