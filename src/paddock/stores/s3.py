"""Objects of any store that speaks S3, reached by boto3's own settings: `AWS_ENDPOINT_URL_S3`, profiles, credentials.

Those of the server's process, that is, and not the caller's. Blocking calls stay in threads of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from paddock.ports.objects import ObjectTooLarge, ObjectUnavailable

_AT_ONCE = 2
"""Packages are fetched whole into memory: not many at once."""
_PIECE_BYTES = 1024 * 1024
_CONNECT_SECONDS = 5
_READ_SECONDS = 30
"""Without a byte: a store that says nothing for so long will not."""
_ATTEMPTS = 3
_FORBIDDEN = 403
FETCH_SECONDS = 300.0
"""For the whole of one object; most callers give up earlier."""
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


class S3Objects:
    """`region` is where buckets are looked for when boto3's settings name none."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._client: Any = None
        self._making = threading.Lock()
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, bucket: str, key: str, version: str | None, max_bytes: int) -> bytes:
        given_up = threading.Event()
        async with self._room:
            try:
                async with asyncio.timeout(FETCH_SECONDS):
                    return await _in_thread(lambda: self._fetch(bucket, key, version, max_bytes, given_up))
            except TimeoutError as error:
                text = f"The object was not read in {FETCH_SECONDS:.0f} s"
                raise ObjectUnavailable("RequestTimeout", text) from error
            finally:
                given_up.set()

    def _fetch(self, bucket: str, key: str, version: str | None, max_bytes: int, given_up: threading.Event) -> bytes:
        # Imported here: few servers ever read a bucket, and boto3 takes its time.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        named = {"Bucket": bucket, "Key": key, **({} if version is None else {"VersionId": version})}
        try:
            answer = self._connected().get_object(**named)
            if answer["ContentLength"] > max_bytes:
                answer["Body"].close()
                raise ObjectTooLarge
            return _read(answer["Body"], max_bytes, given_up)
        except ClientError as refused:
            raise self._unavailable(refused.response) from refused
        except (BotoCoreError, OSError, ValueError) as failed:
            raise ObjectUnavailable(type(failed).__name__, f"{failed}") from failed

    def _unavailable(self, answer: Mapping[str, Any]) -> ObjectUnavailable:
        """As the store says it; who answers without an error document is no such store."""
        code, message = answer["Error"]["Code"], answer["Error"].get("Message", "")
        if code.isdecimal():
            message += (
                f". {self._connected().meta.endpoint_url} does not answer as S3 does: is it where you keep packages?"
            )
        return ObjectUnavailable(code, message, denied=answer["ResponseMetadata"]["HTTPStatusCode"] == _FORBIDDEN)

    def _connected(self) -> Any:
        with self._making:
            if self._client is None:
                self._client = _client(self._region)
            return self._client


async def _in_thread(fetch: Callable[[], bytes]) -> bytes:
    """In a thread that nobody waits for: a bucket that says nothing must not keep the server from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def settle(content: bytes, error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(content)
        else:
            done.set_exception(error)

    def run() -> None:
        content, error = b"", None
        try:
            content = fetch()
        except Exception as raised:  # noqa: BLE001  # whatever it is, the caller gets it
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop may be over
            loop.call_soon_threadsafe(settle, content, error)

    threading.Thread(target=run, name="s3", daemon=True).start()
    return await done


def _client(region: str) -> Any:
    import boto3  # noqa: PLC0415  # as above
    import botocore.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    found = botocore.session.get_session()
    session: Any = boto3.session.Session(botocore_session=found)
    settings: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retries": {"total_max_attempts": _ATTEMPTS},
        "max_pool_connections": _AT_ONCE,
    }
    region = session.region_name or region
    client = session.client("s3", region_name=region, config=Config(**settings))
    named = (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AMAZON)
    if named or "s3" in found.get_scoped_config():
        return client
    # Other stores than Amazon's seldom have a name for each bucket.
    return session.client("s3", region_name=region, config=Config(s3={"addressing_style": "path"}, **settings))


def _read(body: Any, max_bytes: int, given_up: threading.Event) -> bytes:
    """A store may send more than it announced. Into a buffer that becomes the package without a copy."""
    content = io.BytesIO()
    try:
        while piece := body.read(_PIECE_BYTES):
            content.write(piece)
            if content.tell() > max_bytes:
                raise ObjectTooLarge
            if given_up.is_set():
                raise ObjectUnavailable("RequestTimeout", "Nobody waits for the object any more")
    finally:
        body.close()
    return content.getvalue()
