"""The demo's functions, packed and run by the real clients."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from paddock.demo_functions import pricing, thumbnailer
from paddock.demo_functions.deployment_package import write_package
from paddock.runtimes import InstalledRuntime, RuntimeStore
from tests.runtimes.conftest import CACHE, Start
from tests.runtimes.scripted_runtime_api import RuntimeApi


@pytest.fixture(scope="session")
def thumbnailer_package(runtime_store: RuntimeStore) -> bytes:
    return thumbnailer.build(runtime_store, CACHE)


@pytest.fixture(scope="session")
def pricing_package(runtime_store: RuntimeStore, nodejs_runtime: InstalledRuntime) -> bytes:
    return pricing.build(runtime_store, CACHE)


def unpack(package: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        archive.extractall(tmp_path / "task")


def test_the_thumbnailer_makes_thumbnails_of_every_photograph(
    thumbnailer_package: bytes,
    python_runtime: InstalledRuntime,
    runtime_api: RuntimeApi,
    start: Start,
    tmp_path: Path,
) -> None:
    unpack(thumbnailer_package, tmp_path)
    start(python_runtime, {}, thumbnailer.HANDLER, max_concurrency=4)
    names = [Path(photo).stem for photo in thumbnailer.PHOTOS]
    ids = [runtime_api.dispatch({"photo": name, "width": 120, "wait_ms": 1}) for name in names]
    for invocation_id in ids:
        answer = runtime_api.answer(invocation_id)
        assert answer.kind == "response", answer
        image = base64.b64decode(answer.document["thumbnail"])
        assert image[8:12] == b"WEBP"
        assert hashlib.sha256(image).hexdigest() == answer.document["sha256"]
        assert answer.document["width"] == 120
        assert answer.document["environment"] == "2026/01/01/[1]0123456789abcdef"


def test_the_thumbnailer_refuses_what_it_does_not_know(
    thumbnailer_package: bytes,
    python_runtime: InstalledRuntime,
    runtime_api: RuntimeApi,
    start: Start,
    tmp_path: Path,
) -> None:
    unpack(thumbnailer_package, tmp_path)
    start(python_runtime, {}, thumbnailer.HANDLER, max_concurrency=1)
    assert "photo" in runtime_api.answer(runtime_api.dispatch({"photo": "unicorn"})).document["error"]
    assert "width" in runtime_api.answer(runtime_api.dispatch({"photo": "coffee", "width": 9000})).document["error"]


def test_pricing_adds_up_and_skips_weekends(
    pricing_package: bytes,
    nodejs_runtime: InstalledRuntime,
    runtime_api: RuntimeApi,
    start: Start,
    tmp_path: Path,
) -> None:
    unpack(pricing_package, tmp_path)
    start(nodejs_runtime, {}, pricing.HANDLER, max_concurrency=8)
    lines = [{"item": "print", "quantity": 2}, {"item": "postcard", "quantity": 3}]
    order = {"lines": lines, "country": "DE", "placed": "2026-03-13", "wait_ms": 1}
    answer = runtime_api.answer(runtime_api.dispatch(order)).document
    assert (answer["goods_cents"], answer["shipping_cents"], answer["total_cents"]) == (4250, 490, 4740)
    assert answer["delivery"] == "2026-03-17"
    assert "lines" in runtime_api.answer(runtime_api.dispatch({**order, "lines": []})).document["error"]


def test_a_package_of_the_same_files_has_the_same_bytes(tmp_path: Path) -> None:
    packages = []
    for number, directory in enumerate((tmp_path / "one", tmp_path / "two")):
        (directory / "library").mkdir(parents=True)
        for name in ("b.py", "a.py") if number else ("a.py", "b.py"):
            file = directory / "library" / name
            file.write_text(f"# {name}\n")
            os.utime(file, (number * 86400, number * 86400))
        (directory / "start").write_text("#!/bin/sh\n")
        (directory / "start").chmod(0o700 if number else 0o755)
        write_package(directory, directory.with_suffix(".zip"))
        packages.append(directory.with_suffix(".zip").read_bytes())
    assert packages[0] == packages[1]
    with zipfile.ZipFile(io.BytesIO(packages[0])) as archive:
        assert archive.namelist() == ["library/a.py", "library/b.py", "start"]
        assert archive.getinfo("start").external_attr >> 16 == 0o100755
