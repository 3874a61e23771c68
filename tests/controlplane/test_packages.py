import io
import stat
import zipfile

import pytest

from paddock.controlplane import packages
from paddock.controlplane.packages import check_package
from paddock.model.errors import ApiError
from tests.controlplane.harness import Harness, zipped

CANNOT = "Could not unzip uploaded file"


def with_link(name: str, target: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "pass")
        link = zipfile.ZipInfo(name)
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, target)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("package", "text"),
    [
        (b"", CANNOT),
        (b"#!/bin/sh\n", CANNOT),
        (b"PK\x03\x04" + b"\0" * 60, CANNOT),
        (zipped()[:-10], CANNOT),
        (zipped({"../app.py": ""}), "leaves the package"),
        (zipped({"a/../../app.py": ""}), "leaves the package"),
        (zipped({"/etc/passwd": ""}), "leaves the package"),
        (zipped({"..\\app.py": ""}), "leaves the package"),
        (with_link("link", "/etc/passwd"), "points outside"),
        (with_link("a/link", "../../etc"), "points outside"),
        (with_link("link", "../x"), "points outside"),
        (zipped({"only/": ""}), "non-empty zip"),
    ],
)
def test_what_cannot_be_unpacked_safely_is_refused(package: bytes, text: str) -> None:
    with pytest.raises(ApiError, match=text) as raised:
        check_package(package)
    assert raised.value.code == "InvalidParameterValueException"


@pytest.mark.parametrize(
    "package",
    [
        zipped(),
        zipped({"a..b/..c.py": "x"}),
        with_link("lib/current", "v1.2"),
        with_link("a/b/link", "../../app.py"),
    ],
)
def test_what_can_be_unpacked_is_taken(package: bytes) -> None:
    check_package(package)


def test_a_package_may_not_be_too_large_unzipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_UNZIPPED_BYTES", 100)
    with pytest.raises(ApiError, match="Unzipped size must be smaller than 100 bytes"):
        check_package(zipped({"a": b"x" * 60, "b": b"x" * 60}))


def test_a_package_may_not_be_too_large_zipped(ready: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_ZIPPED_BYTES", 30)
    with pytest.raises(
        Exception, match="Request must be smaller than 40 bytes for the UpdateFunctionCode operation"
    ) as raised:
        ready.client.update_function_code(FunctionName="thumbnail", ZipFile=zipped())
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413  # type: ignore[attr-defined]
