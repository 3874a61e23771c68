"""A router in a process of its own: shares the server's port, answers invokes itself, hands all else to the server.

Told everything on standard input, because a key must not stand in a command line. Ends with its standard input, so that
no router outlives the server that started it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import uvloop

from paddock.awsapi.access import Access, AuthMode
from paddock.awsapi.front import INVOKE_END, INVOKE_START, STREAM_END, STREAM_START, Front, InvokeHandlers
from paddock.awsapi.http import Address, serve
from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.operations import Operations
from paddock.awsapi.pipeline import Pipeline
from paddock.awsapi.services import Services
from paddock.awsapi.sigv4 import Credential
from paddock.awsapi.turns import Turns
from paddock.model.arns import Place
from paddock.model.ids import AccountId, Region
from paddock.ports import collector
from paddock.ports.clock import Clock, IdSource, RandomIds, SystemClock
from paddock.ports.invoker import InvokeRequest
from paddock.router.following import follow
from paddock.router.forwarding import Forwarder
from paddock.router.on_demand import OnDemandTerms
from paddock.router.router import Router
from paddock.router.settings import DEFAULT_ROUTER_SETTINGS, RouterSettings

ROUTER_ID_DIGITS = 12
_OWN_KINDS = frozenset({b"RequestResponse", b"DryRun"})
_STARTS = (INVOKE_START, STREAM_START)
"""A function behind a function URL may have paths of its own that only end as those of invokes do."""
_ENDS = (INVOKE_END, STREAM_END, f"{INVOKE_END}/", f"{STREAM_END}/")


class RouterOrders(msgspec.Struct, frozen=True):
    """`keys`: access key ids and their secrets. `feed_path` and `server_path` are unix sockets of the server.
    `close_seconds`: what answers under way get at the end.
    """

    host: str
    port: int
    region: str
    account_id: str
    auth: AuthMode
    keys: dict[str, str]
    feed_path: str
    server_path: str
    server_id: str
    settings: RouterSettings = DEFAULT_ROUTER_SETTINGS
    close_seconds: float = 5.0


class ElsewhereQueue:
    """Asynchronous invokes are the server's: it has the store."""

    async def put(self, request: InvokeRequest) -> None:
        raise NotImplementedError


def answers_itself(request: Request) -> bool:
    """Is it an invoke that needs no more than routes and agents?"""
    path = request.path
    if request.method != "POST" or not (path.startswith(_STARTS) and path.endswith(_ENDS)):
        return False
    return request.headers.get(b"x-amz-invocation-type", b"RequestResponse") in _OWN_KINDS


@asynccontextmanager
async def routing(orders: RouterOrders, clock: Clock, ids: IdSource) -> AsyncIterator[Router]:
    """A router that listens, while the context is open."""
    place = Place(Region(orders.region), AccountId(orders.account_id))
    credentials = {key: Credential(secret, place.account_id) for key, secret in orders.keys.items()}
    access = Access(orders.auth, credentials, place, clock)
    pipeline = Pipeline(Services(), Operations(), access, clock)
    forwarder = Forwarder(orders.server_path)
    router = Router(
        place,
        clock=clock,
        ids=ids,
        queue=ElsewhereQueue(),
        error_reply=pipeline.invoke_error,
        server_id=orders.server_id,
        on_demand=OnDemandTerms(elsewhere=forwarder.handle),
        settings=orders.settings,
    )
    invokes = InvokeHandlers(router.front.invoke, router.front.invoke_with_response_stream)
    front = Front(pipeline, access, invokes, ids)

    def handle(request: Request, responder: Responder) -> None:
        (front if answers_itself(request) else forwarder).handle(request, responder)

    routed = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        running = (
            group.create_task(router.run()),
            group.create_task(forwarder.run()),
            group.create_task(follow(orders.feed_path, router, ids.hex(ROUTER_ID_DIGITS), routed)),
        )
        # Who listened now would say of every function that there is none, and then that nobody has a slot for it.
        await routed.wait()
        await router.reach_all()
        address = Address(orders.host, orders.port, reuse_port=True)
        async with serve(
            Turns(handle).handle,
            address,
            clock=clock,
            refuse=front.refuse,
            body_limit=front.body_limit,
            grace_seconds=orders.close_seconds,
        ):
            yield router
        for task in running:
            task.cancel()


async def run(orders: RouterOrders) -> None:
    """Until standard input ends, also while the routes have not come yet."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(_work(orders))
        await _standard_input_ends()
        working.cancel()


async def _standard_input_ends() -> None:
    """On the loop: a thread that reads would keep a process from ending that cannot go on."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    await reader.read()


async def _work(orders: RouterOrders) -> None:
    async with routing(orders, SystemClock(), RandomIds()):
        collector.settle()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=RouterOrders)
    uvloop.run(run(orders))


if __name__ == "__main__":
    main()
