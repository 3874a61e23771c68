"""Keeps one connection to the agent of each instance in the routes, and tries again when it breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Set as AbstractSet

from paddock.model.ids import InstanceId
from paddock.router.link import AgentLink, LinkOwner
from paddock.wire.agent import ServerHello
from paddock.wire.routes import InstanceRoute

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 2.0
"""An agent that is back is found within the lease's three seconds."""
CONNECT_SECONDS = 5.0
"""For a connection on this machine to be made, which takes no time or fails. No settings, these: what is felt outside
is the lease, which is one.
"""
TOLD_FAILURES = 6
"""About three seconds, the lease. The route of an instance that was to end is gone by then, and its end is no news."""


class Connections:
    """Owns one task per instance. Routes may be set before `run` and while it runs."""

    def __init__(self, owner: LinkOwner, server_id: str) -> None:
        self._owner = owner
        self._server_id = server_id
        self._routes: dict[InstanceId, InstanceRoute] = {}
        self._keepers: dict[InstanceId, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until cancelled; then all connections are closed."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for route in self._routes.values():
                    self._start(group, route)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            self._keepers.clear()

    def add(self, route: InstanceRoute) -> None:
        instance_id = InstanceId(route.instance_id)
        if self._routes.get(instance_id) == route:
            return
        self.remove(instance_id)
        self._routes[instance_id] = route
        if self._group is not None:
            self._start(self._group, route)

    def remove(self, instance_id: InstanceId) -> None:
        self._routes.pop(instance_id, None)
        keeper = self._keepers.pop(instance_id, None)
        if keeper is not None:
            keeper.cancel()

    def keep_only(self, instance_ids: AbstractSet[InstanceId]) -> None:
        for instance_id in [each for each in self._routes if each not in instance_ids]:
            self.remove(instance_id)

    @property
    def wanted(self) -> int:
        """Instances in the routes, reachable or not."""
        return len(self._routes)

    def zone(self, instance_id: InstanceId) -> str:
        """Empty while the instance is not known."""
        route = self._routes.get(instance_id)
        return "" if route is None else route.zone

    def _start(self, group: asyncio.TaskGroup, route: InstanceRoute) -> None:
        name = f"agent of {route.instance_id}"
        self._keepers[InstanceId(route.instance_id)] = group.create_task(self._keep(route), name=name)

    async def _keep(self, route: InstanceRoute) -> None:
        delay = FIRST_RETRY_SECONDS
        failures, was_there = 0, False
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    link = await self._connect(route)
            except (OSError, TimeoutError) as error:
                log.debug("the agent of %s cannot be reached: %s", route.instance_id, error)
                failures += 1
                if was_there and failures == TOLD_FAILURES:
                    log.info("the agent of %s can no longer be reached: %s", route.instance_id, error)
            else:
                if was_there:
                    log.info("the connection to the agent of %s ended and is there again", route.instance_id)
                failures, was_there = 0, True
                await _until_closed(link)
                log.debug("the connection to the agent of %s ended", route.instance_id)
                if link.greeted:
                    delay = FIRST_RETRY_SECONDS
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_RETRY_SECONDS)

    async def _connect(self, route: InstanceRoute) -> AgentLink:
        loop = asyncio.get_running_loop()
        hello = ServerHello(role="router", token=route.token, server_id=self._server_id)
        kind, _, rest = route.address.partition(":")
        link = AgentLink(hello, self._owner)
        if kind == "unix":
            await loop.create_unix_connection(lambda: link, rest)
        elif kind == "tcp":
            address, _, port = rest.rpartition(":")
            await loop.create_connection(lambda: link, address, int(port))
        else:
            raise OSError(f"unknown kind of address {kind!r}")
        return link


async def _until_closed(link: AgentLink) -> None:
    try:
        await link.closed
    finally:
        link.close()
