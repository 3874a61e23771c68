"""A whole AWS front on a free port, in a thread of its own, for clients that block: boto3 above all."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import uvloop
from botocore.config import Config

from paddock.awsapi.access import Access, AuthMode
from paddock.awsapi.calls import Calls
from paddock.awsapi.front import Front, InvokeHandlers
from paddock.awsapi.http import Address, serve
from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.operations import Operations
from paddock.awsapi.pipeline import Pipeline
from paddock.awsapi.plain import PlainRoute
from paddock.awsapi.services import Services
from paddock.model.arns import Place
from paddock.model.ids import Region
from paddock.ports.clock import RandomIds, SystemClock
from tests.awsapi.signing import ACCOUNT, CREDENTIALS, KEY_ID, SECRET

PLACE = Place(Region("us-east-1"), ACCOUNT)
SERVICES = Services()


@dataclass
class Invoked:
    """What an invoke handler was given, in order; it answers with what it was asked."""

    calls: list[tuple[str, str | None, bytes]] = field(default_factory=list)

    def __call__(
        self, request: Request, responder: Responder, request_id: str, function: str, qualifier: str | None
    ) -> None:
        self.calls.append((function, qualifier, request.body))
        responder.send(200, (("x-amzn-RequestId", request_id), ("X-Amz-Executed-Version", "1")), request.body)


def front_of(
    operations: Operations | None = None,
    *,
    auth: AuthMode = "sigv4",
    invoked: Callable[..., None] | None = None,
    plain_routes: Iterable[PlainRoute] = (),
    calls: Calls | None = None,
) -> Front:
    clock = SystemClock()
    access = Access(auth, CREDENTIALS, PLACE, clock)
    pipeline = Pipeline(SERVICES, operations or Operations(), access, clock)
    handler = invoked or Invoked()
    return Front(pipeline, access, InvokeHandlers(handler, handler), RandomIds(), plain_routes, calls)


@contextmanager
def served(front: Front) -> Iterator[str]:
    """The URL of `front`, served until the context ends."""
    started: queue.Queue[tuple[str, Callable[[], object]]] = queue.Queue(1)

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        serving = serve(
            front.handle,
            Address(),
            clock=SystemClock(),
            refuse=front.refuse,
            body_limit=front.body_limit,
            grace_seconds=0.0,
        )
        async with front.running(), serving as server:
            started.put((server.url, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work())

    thread = threading.Thread(target=run)
    thread.start()
    url, stop = started.get(timeout=10)
    try:
        yield url
    finally:
        stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


def client(service: str, url: str, *, secret: str = SECRET, region: str = "us-east-1", **config: Any) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}, read_timeout=10, **config),
    )
