import io
import stat
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.controlplane import packages
from paddock.controlplane.packages import check_package
from paddock.model.errors import ApiError
from paddock.ports.objects import ObjectTooLarge, ObjectUnavailable
from tests.controlplane.harness import ROLE, Harness, zipped

CANNOT = "Could not unzip uploaded file"


def with_link(name: str, target: str, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "pass")
        link = zipfile.ZipInfo(name)
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, target, compression)
    return buffer.getvalue()


def with_damaged_link(compression: int) -> bytes:
    """Its entry is as it was, what is compressed in it is not."""
    package = with_link("link", "a" * 200, compression)
    data_at = package.rindex(b"PK\x03\x04") + 30 + len("link")
    end = package.index(b"PK\x01\x02")
    return package[:data_at] + b"\xff" * (end - data_at) + package[end:]


@pytest.mark.parametrize(
    ("package", "text"),
    [
        (b"", CANNOT),
        (b"#!/bin/sh\n", CANNOT),
        (b"PK\x03\x04" + b"\0" * 60, CANNOT),
        (zipped()[:-10], CANNOT),
        (with_damaged_link(zipfile.ZIP_DEFLATED), CANNOT),
        (with_damaged_link(zipfile.ZIP_BZIP2), CANNOT),
        (with_damaged_link(zipfile.ZIP_LZMA), CANNOT),
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


def from_bucket(harness: Harness, **more: str) -> dict[str, Any]:
    code = {"S3Bucket": "code", "S3Key": "app.zip", **more}
    return dict(
        harness.client.create_function(
            FunctionName="stored", Runtime="python3.13", Handler="app.handler", Role=ROLE, Code=code
        )
    )


def test_a_package_may_come_from_a_bucket(harness: Harness) -> None:
    harness.buckets.objects["code", "app.zip"] = zipped()

    created = from_bucket(harness, S3ObjectVersion="v7")

    assert created["CodeSize"] == len(zipped())
    assert created["CodeSha256"] == harness.code.name_of(zipped())
    assert harness.buckets.versions == ["v7"]


def test_a_layer_may_come_from_a_bucket(harness: Harness) -> None:
    harness.buckets.objects["code", "layer.zip"] = zipped({"python/shared.py": ""})

    content = {"S3Bucket": "code", "S3Key": "layer.zip"}
    published = harness.client.publish_layer_version(LayerName="shared", Content=content)

    assert published["Content"]["CodeSha256"] == harness.code.name_of(zipped({"python/shared.py": ""}))


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (
            ObjectUnavailable("NoSuchKey", "The specified key does not exist."),
            "InvalidParameterValueException",
            (
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
                "S3 Error Message: The specified key does not exist."
            ),
        ),
        (
            ObjectUnavailable("AccessDenied", "Access Denied", denied=True),
            "AccessDeniedException",
            (
                "Your access has been denied by S3, please make sure your request credentials have permission to "
                "GetObject for code/app.zip. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"
            ),
        ),
        (
            ObjectTooLarge(),
            "InvalidParameterValueException",
            "Unzipped size must be smaller than 262144000 bytes",
        ),
    ],
)
def test_what_a_bucket_does_not_give_is_said_in_the_words_of_aws(
    harness: Harness, failure: Exception, code: str, text: str
) -> None:
    harness.buckets.failures["code", "app.zip"] = failure
    with pytest.raises(ClientError) as raised:
        from_bucket(harness)
    error = raised.value.response["Error"]
    assert (error["Code"], error["Message"]) == (code, text)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"ZipFile": zipped()}, "Please do not provide other FunctionCode parameters when providing a ZipFile."),
        ({"S3Key": None}, "Please provide both S3Bucket and S3Key."),
        ({"S3ObjectStorageMode": "REFERENCE"}, "packages are copied"),
        ({"SourceKMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}, "SourceKMSKeyArn is not supported"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(harness: Harness, more: dict[str, Any], text: str) -> None:
    code = {name: value for name, value in {"S3Bucket": "code", "S3Key": "app.zip", **more}.items() if value}
    with pytest.raises(ClientError, match=text) as raised:
        harness.client.create_function(
            FunctionName="stored", Runtime="python3.13", Handler="app.handler", Role=ROLE, Code=code
        )
    assert raised.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_a_dry_run_fetches_and_checks_but_changes_nothing(harness: Harness) -> None:
    harness.buckets.objects["code", "app.zip"] = zipped()
    harness.create_provider()
    harness.create_function()
    before = harness.client.get_function_configuration(FunctionName="thumbnail")
    harness.buckets.objects["code", "new.zip"] = zipped({"app.py": "# new"})

    tried = harness.client.update_function_code(FunctionName="thumbnail", S3Bucket="code", S3Key="new.zip", DryRun=True)

    assert tried["CodeSha256"] == harness.code.name_of(zipped({"app.py": "# new"}))
    after = harness.client.get_function_configuration(FunctionName="thumbnail")
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])
    with pytest.raises(ClientError, match="NoSuchKey"):
        harness.client.update_function_code(FunctionName="thumbnail", S3Bucket="code", S3Key="none.zip", DryRun=True)


def test_how_much_comes_out_of_a_package_is_counted() -> None:
    assert check_package(zipped({"a": "x" * 100, "b/": "", "b/c": "y" * 11})) == 111
