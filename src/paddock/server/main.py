"""One server: the AWS front, the control plane and the router on one event loop, put together and run until told to
stop.

Nothing is decided here. What a signal ends, and in which order, is on this page.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import uvloop

from paddock.awsapi.http import Address, ListenError, serve
from paddock.awsapi.turns import Turns
from paddock.isolation.ladder import select
from paddock.isolation.view import IsolationUnavailable, Rung
from paddock.model.errors import SettingsError, StartError
from paddock.ports import collector
from paddock.ports.clock import RandomIds, SystemClock
from paddock.server import data_dir as data_directory
from paddock.server.composition import Composition, Walls, composed
from paddock.server.data_dir import KeyPair
from paddock.server.instance_network import found_networks
from paddock.server.routers import further_routers
from paddock.server.settings import Settings

NOFILE_WANTED = 65536
"""Descriptors: two per agent, one per client connection, some files."""


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises `StartError` with one line that says what to do."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    _raise_descriptor_limit()
    data_directory.prepare(settings.data_dir)
    with data_directory.locked(settings.data_dir):
        walls = Walls(_isolation(settings), found_networks(settings, _say))
        try:
            uvloop.run(_serve(settings, walls))
        except (BaseExceptionGroup, ListenError, OSError) as error:
            # Not `except*`: what that raises is a group again, and a traceback to the operator.
            _raise_start_error(settings, _first(error))
            raise
        finally:
            data_directory.retract(settings.data_dir)


def _isolation(settings: Settings) -> str:
    """What agents will find, in a line. Less than is demanded is said at once: otherwise every instance would fail to
    start, one after the other.
    """
    minimum = None if settings.isolation_min is None else Rung[settings.isolation_min.upper()]
    try:
        with tempfile.TemporaryDirectory(prefix="isolation-", dir=settings.data_dir) as scratch:
            return select(minimum, Path(scratch)).describe()
    except IsolationUnavailable as unavailable:
        raise StartError(str(unavailable)) from None
    except OSError as error:
        _raise_start_error(settings, error)
        raise


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _raise_start_error(settings: Settings, error: BaseException) -> None:
    """Raises `StartError` or `SettingsError` for what the operator can mend; nothing for a fault of ours."""
    if isinstance(error, StartError | SettingsError):
        raise error
    if isinstance(error, ListenError):
        raise StartError(str(error)) from error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        raise StartError(f"the disk of {settings.data_dir} is full: free some space and start again") from error


async def _serve(settings: Settings, walls: Walls) -> None:
    clock, ids = SystemClock(), RandomIds()
    data_directory.belongs_to(settings.data_dir, settings.region, settings.account_id)
    keys = data_directory.key_pair(settings.data_dir, ids)
    stop = _stop_on_signals()
    async with composed(settings, keys, walls, clock, ids, _say) as parts:
        async with _listening(settings, parts, keys, clock) as url:
            running = data_directory.RunningServer(url, settings.region, os.getpid(), settings.auth)
            data_directory.announce(settings.data_dir, running)
            collector.settle()
            _say(f"ready {url}")
            await stop.wait()
        data_directory.retract(settings.data_dir)
    _say(f"kept functions, code, logs and settings in {settings.data_dir}; `paddock up` goes on from there")


@asynccontextmanager
async def _listening(settings: Settings, parts: Composition, keys: KeyPair, clock: SystemClock) -> AsyncIterator[str]:
    front = parts.front
    serve_at = partial(
        serve,
        Turns(front.handle).handle,
        clock=clock,
        refuse=front.refuse,
        body_limit=front.body_limit,
        grace_seconds=settings.close_seconds,
    )
    # Who listened at once would refuse callers for want of slots that are there.
    await parts.control_plane.taken_back()
    await parts.feed.local.reach_all()
    async with front.running(), AsyncExitStack() as stack:
        address = Address(settings.host, settings.port, reuse_port=settings.routers > 1)
        server = await stack.enter_async_context(serve_at(address))
        parts.late.url = server.url
        if settings.routers > 1:
            await stack.enter_async_context(further_routers(settings, parts, keys, server.port, serve_at))
        yield server.url


def _stop_on_signals() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def received(number: signal.Signals) -> None:
        if stop.is_set():
            _say("stopped in haste; instances that still run are taken back at the next start")
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, received, number)
    return stop


def _raise_descriptor_limit() -> None:
    import resource  # noqa: PLC0415  # POSIX only, like the process that needs it

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = NOFILE_WANTED if hard == resource.RLIM_INFINITY else min(NOFILE_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say(text: str) -> None:
    """To the operator, on stdout, whole lines at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
