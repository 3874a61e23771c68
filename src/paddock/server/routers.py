"""Further routers beside the server's own: processes that share its port, and the sockets by which they reach it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from paddock.awsapi.http import Address, Server
from paddock.router.process import RouterOrders
from paddock.router.siblings import sibling_routers
from paddock.server.composition import Composition
from paddock.server.data_dir import KeyPair
from paddock.server.settings import Settings

ServeAt = Callable[[Address], AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def further_routers(
    settings: Settings, parts: Composition, keys: KeyPair, port: int, serve_at: ServeAt
) -> AsyncIterator[None]:
    """All ready once the context is open. The sockets lie where paths are short: the kernel allows 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="paddock-") as directory:
        orders = router_orders(settings, keys, port, parts.feed.local.server_id, Path(directory))
        async with (
            parts.feed.listening(Path(orders.feed_path)),
            serve_at(Address(unix_path=Path(orders.server_path))),
            sibling_routers(settings.routers - 1, orders),
        ):
            yield


def router_orders(settings: Settings, keys: KeyPair, port: int, server_id: str, sockets: Path) -> RouterOrders:
    """All that a further router is told."""
    return RouterOrders(
        host=settings.host,
        port=port,
        region=settings.region,
        account_id=settings.account_id,
        auth=settings.auth,
        keys={keys.access_key_id: keys.secret_access_key},
        feed_path=str(sockets / "routes.sock"),
        server_path=str(sockets / "server.sock"),
        server_id=server_id,
        settings=settings.router(),
        close_seconds=settings.close_seconds,
    )
