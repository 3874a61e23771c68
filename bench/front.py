"""The front, the signature check and the router in one process, as the server has them, before any agent.

`python -m bench.front SOCKET SLOTS CHECK`: the agent's socket, how many slots its one environment has, and whether
signatures are checked (1) or not (0).
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

from bench.requests import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from paddock.awsapi.access import Access
from paddock.awsapi.front import Front, InvokeHandlers
from paddock.awsapi.http import Address, serve
from paddock.awsapi.operations import Operations
from paddock.awsapi.pipeline import Pipeline
from paddock.awsapi.services import Services
from paddock.awsapi.sigv4 import Credential
from paddock.model.arns import Place
from paddock.model.ids import AccountId, Region
from paddock.ports.clock import RandomIds, SystemClock
from paddock.ports.invoker import InvokeRequest
from paddock.router.router import Router
from paddock.wire.routes import EnvironmentRoute, FunctionRoute, InstanceRoute, RoutesReplaced, VersionRoute

ACCOUNT = AccountId("000000000000")
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
LATEST_PUBLISHED = "$LATEST.PUBLISHED"
INSTANCE, ENVIRONMENT = "i-bench", "e-bench"


class NoQueue:
    async def put(self, request: InvokeRequest) -> None:
        raise NotImplementedError


def routes(socket: str | None, slots: int) -> RoutesReplaced:
    """To one environment on one instance; without its socket whoever asks makes the connection."""
    version = VersionRoute(LATEST_PUBLISHED, "r1", 30)
    return RoutesReplaced(
        (FunctionRoute("f", ARN, LATEST_PUBLISHED, (version,)),),
        () if socket is None else (InstanceRoute(INSTANCE, f"unix:{socket}", "token", "a"),),
        (EnvironmentRoute(ENVIRONMENT, INSTANCE, "f", LATEST_PUBLISHED, "r1", slots),),
    )


def composed(*, check: bool) -> tuple[Router, Front]:
    ids, clock, place = RandomIds(), SystemClock(), Place(Region("us-east-1"), ACCOUNT)
    credentials = {ACCESS_KEY_ID: Credential(SECRET_ACCESS_KEY, ACCOUNT)}
    access = Access("sigv4" if check else "none", credentials, place, clock)
    pipeline = Pipeline(Services(), Operations(), access, clock)
    router = Router(place, clock=clock, ids=ids, queue=NoQueue(), error_reply=pipeline.invoke_error, server_id="bench")
    invokes = InvokeHandlers(router.front.invoke, router.front.invoke_with_response_stream)
    return router, Front(pipeline, access, invokes, ids)


async def run(socket: str, slots: int, *, check: bool) -> None:
    router, front = composed(check=check)
    router.apply(routes(socket, slots))
    async with asyncio.TaskGroup() as group:
        group.create_task(router.run())
        async with (
            front.running(),
            serve(front.handle, Address(), clock=SystemClock(), body_limit=front.body_limit) as server,
        ):
            while not router.reachable_instances:  # noqa: ASYNC110 - the router has no event for it
                await asyncio.sleep(0.01)
            print(json.dumps({"port": server.port}), flush=True)
            await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(sys.argv[1], int(sys.argv[2]), check=sys.argv[3] == "1"))
