"""Many callers at once, each on a connection of its own: raw sockets, because client libraries pool and retry."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import urlopen

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.conftest import Server

ANSWER_SECONDS = 120


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def document(self) -> Any:
        return json.loads(self.body)


def signed_invoke(server: Server, function: str, event: Any) -> bytes:
    keys = json.loads((server.data_dir / "credentials.json").read_text())
    body = json.dumps(event).encode()
    url = f"{server.url}/2015-03-31/functions/{function}/invocations"
    headers = {"Host": urlsplit(url).netloc, "Content-Length": str(len(body))}
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    credentials = Credentials(keys["access_key_id"], keys["secret_access_key"])
    SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
    lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST {urlsplit(url).path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def call(server: Server, function: str, event: Any, *, callers: int, times: int = 1) -> list[Answer]:
    """All connect first, then all send at once; each goes on until it has been answered so many times."""
    return asyncio.run(_call(server, signed_invoke(server, function, event), callers, times))


async def _call(server: Server, request: bytes, callers: int, times: int) -> list[Answer]:
    address = urlsplit(server.url)
    begin = asyncio.Event()
    connected = asyncio.Barrier(callers + 1)
    answers: list[Answer] = []

    async def caller() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        await connected.wait()
        await begin.wait()
        for _ in range(times):
            writer.write(request)
            answers.append(await _answer(reader))
        writer.close()

    async with asyncio.timeout(ANSWER_SECONDS), asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
        await connected.wait()
        begin.set()
    return answers


async def _answer(reader: asyncio.StreamReader) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    return Answer(int(first.split(" ")[1]), headers, await reader.readexactly(int(headers["content-length"])))


def counted(server: Server, metric: str, function: str) -> int:
    """Over all versions, as `/metrics` says."""
    with urlopen(f"{server.url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    found = [line for line in lines if line.startswith(f"{metric}{{") and f'"{function}"' in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in found)
