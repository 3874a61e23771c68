from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from paddock.images.archive import ArchiveSource
from paddock.images.credentials import credentials_for
from paddock.images.errors import ImageError, ImageInvalid, ImageReferenceInvalid
from paddock.images.layout import LayoutSource
from paddock.images.opening import ImageSources
from paddock.images.registry import RegistrySource
from tests.images.building import archive, file, image

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def test_a_name_leads_to_its_kind_of_source(tmp_path: Path) -> None:
    sources = ImageSources(tmp_path)
    (tmp_path / "layout").mkdir()
    (tmp_path / "image.tar").touch()
    for name, kind in (
        (f"{ECR}/fn:1", RegistrySource),
        (f"oci:{tmp_path}/layout:1", LayoutSource),
        (f"docker-archive:{tmp_path}/image.tar", ArchiveSource),
        (f"docker-archive:{tmp_path}/absent.tar", ArchiveSource),
    ):
        assert isinstance(sources.open(name)[0], kind)


def test_without_a_directory_nothing_of_this_machine_is_read(tmp_path: Path) -> None:
    uri = image(archive(file("a"))).write_layout(tmp_path / "layout")
    with pytest.raises(ImageReferenceInvalid, match="images_dir"):
        ImageSources().open(uri)


def test_only_what_lies_below_the_directory_is_read(tmp_path: Path) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    allowed.mkdir()
    image(archive(file("a"))).write_layout(outside)
    (allowed / "link").symlink_to(outside)
    for path in (outside, allowed / "link", tmp_path, Path("/")):
        with pytest.raises(ImageReferenceInvalid):
            ImageSources(allowed).open(f"oci:{path}")
    with pytest.raises(ImageReferenceInvalid):
        ImageSources(allowed).open(f"oci:{allowed}/../outside")


def test_pipes_and_directories_in_the_place_of_files_keep_nobody_waiting(tmp_path: Path) -> None:
    sources = ImageSources(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for name in ("docker-archive:{}/pipe", "docker-archive:{}", "oci:{}/pipe"):
        with pytest.raises(ImageReferenceInvalid):
            sources.open(name.format(tmp_path))
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(ImageInvalid):
        LayoutSource(tmp_path).manifest("latest")
    made = image(archive(file("a")))
    made.write_layout(tmp_path / "layout")
    blob = tmp_path / "layout" / "blobs" / "sha256" / made.digest.removeprefix("sha256:")
    blob.unlink()
    os.mkfifo(blob)
    with pytest.raises(ImageError):
        LayoutSource(tmp_path / "layout").manifest("latest")


# Credentials


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """Amazon ECR's API, as far as tokens go; the list holds the regions it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
            pass

        def do_POST(self) -> None:
            assert self.headers["X-Amz-Target"].endswith("GetAuthorizationToken")
            asked.append(self.headers["Authorization"].split("/")[2])
            token = base64.b64encode(b"AWS:a-password").decode()
            body = json.dumps({"authorizationData": [{"authorizationToken": token}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        yield asked
        server.shutdown()
        thread.join()


def test_ecr_is_asked_for_a_token_of_the_registrys_region(ecr: list[str]) -> None:
    assert credentials_for(ECR) == ("AWS", "a-password")
    assert ecr == ["eu-west-1"]


def test_a_name_that_looks_like_ecr_gets_no_token_of_ours(ecr: list[str]) -> None:
    for registry in (f"{ECR}.example.com", f"x{ECR}", "ecr.eu-west-1.amazonaws.com.example.com", "public.ecr.aws"):
        assert credentials_for(registry) is None
    assert not ecr


def test_without_aws_credentials_there_are_none_for_ecr(monkeypatch: pytest.MonkeyPatch, ecr: list[str]) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert credentials_for(ECR) is None
