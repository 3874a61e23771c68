"""Against Debian's `docker-registry`, with images that Debian's `skopeo` has pushed and written."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from paddock.images.archive import ArchiveSource
from paddock.images.budget import Budget
from paddock.images.compression import decompressed
from paddock.images.credential_programs import BasicCredentials
from paddock.images.errors import ImageAccessDenied, ImageArchitectureMismatch, ImageNotFound
from paddock.images.layers import unpack_layer
from paddock.images.layout import LayoutSource
from paddock.images.pull import ResolvedImage, resolve
from paddock.images.reference import RegistryReference, parse_reference
from paddock.images.registry import RegistrySource
from paddock.images.sources import ImageSource, verified
from paddock.images.tree import assemble
from tests.images.building import MadeImage, archive, directory, file, hard_link, image, link, whiteout

pytestmark = pytest.mark.toolchain

MADE = image(
    archive(directory("d"), file("d/low", "low"), file("gone", "x"), link("l", "d/low"), file("run", "x", mode=0o755)),
    archive(whiteout("gone"), file("d/high", "high"), hard_link("d/again", "d/high"), file("n" * 150, "long")),
    program={"Entrypoint": ["/run"], "Env": ["A=1"]},
)
LISTED = {"d", "d/low", "d/high", "d/again", "l", "run", "n" * 150}
PASSWORD_FILE = "user:$2b$04$sS3kKnTZkhg58IUMpnnLM.gBidHjHsv1aywuJVdVmflMXWIXH24uy\n"
"""Of `secret`."""


@dataclass(frozen=True)
class RunningRegistry:
    address: str

    def source(self, name: str, credentials: BasicCredentials | None = ("user", "secret")) -> RegistrySource:
        reference = parse_reference(f"{self.address}/{name}")
        assert isinstance(reference, RegistryReference)
        return RegistrySource(reference, lambda _: credentials)

    def push(self, source: str, name: str, *options: str) -> None:
        target = f"docker://{self.address}/{name}"
        skopeo("copy", "--dest-tls-verify=false", "--dest-creds=user:secret", *options, source, target)


def skopeo(*arguments: str) -> None:
    command = ["skopeo", "--insecure-policy", *arguments]
    subprocess.run(command, check=True, timeout=120, capture_output=True)


@pytest.fixture(scope="module")
def programs() -> None:
    missing = [name for name in ("skopeo", "docker-registry") if shutil.which(name) is None]
    if missing and os.environ.get("CI") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False, timeout=300)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(install, check=False, timeout=600)
        missing = [name for name in missing if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: apt-get install {' '.join(missing)}")


@pytest.fixture(scope="module")
def running(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    place = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (place / "passwords").write_text(PASSWORD_FILE)
    settings = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(place / "data")}},
        "http": {"addr": address},
        "auth": {"htpasswd": {"realm": "here", "path": str(place / "passwords")}},
    }
    (place / "config.yml").write_text(json.dumps(settings))
    with (place / "log").open("w") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(place / "config.yml")], stdout=log, stderr=log)
        try:
            wait_until_up(address)
            yield RunningRegistry(address)
        finally:
            process.terminate()
            process.wait(30)


def wait_until_up(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the registry does not come up")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> str:
    return MADE.write_layout(tmp_path_factory.mktemp("image") / "layout")


def tree_of(source: ImageSource, found: ResolvedImage, place: Path) -> set[str]:
    unpacked = []
    for number, layer in enumerate(found.manifest.layers):
        target = place / str(number)
        target.mkdir(parents=True)
        pieces = decompressed(verified(source.blob(layer), layer))
        budget = Budget(1 << 30, 1000)
        unpacked.append((target, unpack_layer(pieces, target, found.configuration.diff_ids[number], budget)))
    root = place / "root"
    root.mkdir()
    assemble(unpacked, root)
    listed = {str(path.relative_to(root)) for path in root.rglob("*")}
    return {name for name in listed if not name.startswith("etc")}


@pytest.mark.parametrize(
    "options",
    [(), ("--format=v2s2",), ("--format=oci", "--dest-compress-format=zstd"), ("--dest-compress-format=gzip",)],
)
def test_what_another_tool_pushed_is_read(
    options: tuple[str, ...], running: RunningRegistry, layout: str, tmp_path: Path
) -> None:
    running.push(layout, "team/fn:v1", *options)
    source = running.source("team/fn:v1")
    found = resolve(source, "v1", "x86_64")
    assert tree_of(source, found, tmp_path) == LISTED
    assert found.configuration.environment == (("A", "1"),)
    assert resolve(source, found.descriptor.digest, "x86_64").descriptor == found.descriptor


def test_what_is_not_there_and_who_is_not_known(running: RunningRegistry, layout: str) -> None:
    running.push(layout, "team/fn:v2")
    for name in ("absent", "sha256:" + "0" * 64):
        with pytest.raises(ImageNotFound):
            running.source("team/fn").manifest(name)
    with pytest.raises(ImageNotFound):
        running.source("team/absent").manifest("latest")
    for credentials in (None, ("user", "wrong")):
        with pytest.raises(ImageAccessDenied):
            running.source("team/fn", credentials).manifest("v2")


def test_other_processors_are_told_apart(running: RunningRegistry, tmp_path: Path) -> None:
    arm: MadeImage = image(archive(file("a")), architecture="arm64")
    running.push(arm.write_layout(tmp_path / "layout"), "team/arm:v1")
    with pytest.raises(ImageArchitectureMismatch):
        resolve(running.source("team/arm"), "v1", "x86_64")
    assert resolve(running.source("team/arm"), "v1", "arm64").descriptor.size_bytes


def test_layouts_and_archives_of_another_tool_are_read(programs: None, layout: str, tmp_path: Path) -> None:
    skopeo("copy", layout, f"oci:{tmp_path}/layout:v1")
    skopeo("copy", layout, f"docker-archive:{tmp_path}/image.tar:team/fn:v1")
    sources: tuple[ImageSource, ...] = (LayoutSource(tmp_path / "layout"), ArchiveSource(tmp_path / "image.tar"))
    for number, source in enumerate(sources):
        found = resolve(source, "v1", "x86_64")
        assert tree_of(source, found, tmp_path / str(number)) == LISTED
        assert found.configuration.entry_point == ("/run",)
