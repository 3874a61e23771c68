"""The slow service that the demo's functions wait for: a tiny HTTP server that answers when `wait_ms` have passed.

Run as a process of its own so that it does not share an interpreter with the load. Prints its port, ends when its
standard input closes. Knows nothing of Paddock.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MAX_CONNECTIONS = 256
MAX_WAIT_SECONDS = 5.0
_BODY = b'{"in_stock": true}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


def wait_seconds_of(request: bytes) -> float:
    """From the query of the request line; a request that asks for nothing is answered at once."""
    found = re.match(rb"[A-Z]+ [^ ]*[?&]wait_ms=(\d{1,6})", request)
    return min(int(found[1]) / 1000, MAX_WAIT_SECONDS) if found else 0.0


async def _serve() -> None:
    free = asyncio.Semaphore(MAX_CONNECTIONS)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with free:
            try:
                request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), MAX_WAIT_SECONDS)
                await asyncio.sleep(wait_seconds_of(request))
                writer.write(_ANSWER)
                await writer.drain()
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass
            finally:
                writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=MAX_CONNECTIONS)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def slow_downstream() -> Iterator[str]:
    """Run the service; gives its URL."""
    command = [sys.executable, "-m", "paddock.cli.demo.downstream"]
    # In a group of its own: Ctrl-C is for the demo, which closes the pipe when nobody waits any more.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/stock"
        finally:
            process.stdin.close()
            try:
                process.wait(MAX_WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    asyncio.run(_serve())
