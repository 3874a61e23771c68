import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from paddock.ports.objects import ObjectTooLarge, ObjectUnavailable
from paddock.stores.s3 import S3Objects
from tests.stores.bucket_server import Buckets, bucket_server

MIB = 1024 * 1024


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Buckets]:
    with bucket_server() as running:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in running.environ.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def objects() -> S3Objects:
    return S3Objects("us-east-1")


async def refusal(objects: S3Objects, bucket: str, key: str, version: str | None = None) -> ObjectUnavailable:
    with pytest.raises(ObjectUnavailable) as raised:
        await objects.fetch(bucket, key, version, MIB)
    return raised.value


async def test_an_object_is_fetched_whole_from_the_endpoint_of_the_environment(
    buckets: Buckets, objects: S3Objects
) -> None:
    content = bytes(range(256)) * 20_000
    buckets.objects["code", "deep/er/app.zip"] = content

    assert await objects.fetch("code", "deep/er/app.zip", None, 10 * MIB) == content
    assert buckets.asked == ["GET /code/deep/er/app.zip"]


async def test_a_version_of_an_object_can_be_asked_for(buckets: Buckets, objects: S3Objects) -> None:
    buckets.objects["code", "app.zip"] = b"new"
    buckets.versions["code", "app.zip", "v1"] = b"old"

    assert await objects.fetch("code", "app.zip", "v1", MIB) == b"old"
    assert (await refusal(objects, "code", "app.zip", "v9")).code == "NoSuchVersion"


async def test_what_is_not_there_or_not_for_us_is_said_in_the_words_of_the_store(
    buckets: Buckets, objects: S3Objects
) -> None:
    buckets.objects["code", "app.zip"] = buckets.objects["secret", "app.zip"] = b"x"
    buckets.denied.add("secret")

    no_key = await refusal(objects, "code", "other.zip")
    assert (no_key.code, no_key.message, no_key.denied) == ("NoSuchKey", "The specified key does not exist.", False)
    assert (await refusal(objects, "nobody", "app.zip")).code == "NoSuchBucket"
    denied = await refusal(objects, "secret", "app.zip")
    assert (denied.code, denied.message, denied.denied) == ("AccessDenied", "Access Denied", True)


async def test_no_more_is_read_than_is_allowed(buckets: Buckets, objects: S3Objects) -> None:
    buckets.objects["code", "app.zip"] = b"x" * (2 * MIB)

    with pytest.raises(ObjectTooLarge):
        await objects.fetch("code", "app.zip", None, MIB)
    assert len(await objects.fetch("code", "app.zip", None, 2 * MIB)) == 2 * MIB


async def test_an_object_that_ends_early_is_not_taken(buckets: Buckets, objects: S3Objects) -> None:
    buckets.objects["code", "app.zip"] = b"half"
    buckets.announced["app.zip"] = 8

    assert (await refusal(objects, "code", "app.zip")).code == "IncompleteReadError"


def test_a_process_ends_although_a_bucket_says_nothing(buckets: Buckets) -> None:
    program = textwrap.dedent("""
        import asyncio
        from paddock.stores.s3 import S3Objects

        async def main():
            async with asyncio.timeout(1):
                await S3Objects("us-east-1").fetch("code", "app.zip", None, 1000)

        try:
            asyncio.run(main())
        except TimeoutError:
            print("given up")
    """)
    buckets.objects["code", "app.zip"] = b"x"
    with buckets.silent():
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=25, check=False)

    assert ended.stdout == "given up\n", ended.stderr


async def test_an_endpoint_that_nobody_listens_on_is_named(
    buckets: Buckets, objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")

    found = await refusal(objects, "code", "app.zip")

    assert found.code == "EndpointConnectionError"
    assert "http://127.0.0.1:9" in found.message


async def test_an_endpoint_that_is_no_such_store_is_named(buckets: Buckets, objects: S3Objects) -> None:
    buckets.objects["code", "app.zip"] = b"x"
    buckets.plain = True

    found = await refusal(objects, "code", "other.zip")

    assert (found.code, found.denied) == ("404", False)
    assert f"{buckets.url} does not answer as S3 does" in found.message


async def test_a_profile_that_does_not_exist_is_said(
    buckets: Buckets, objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    assert (await refusal(objects, "code", "app.zip")).code == "ProfileNotFound"


async def test_without_credentials_nothing_is_asked(
    buckets: Buckets, objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    assert (await refusal(objects, "code", "app.zip")).code == "NoCredentialsError"
    assert buckets.asked == []
