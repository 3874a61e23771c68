"""A package for whoever has a link to it, piece by piece: it may have 250 MB, and its reader may be slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from paddock.awsapi.messages import Responder, ResponseStream
from paddock.ports.code import CodeMissingError

DOWNLOAD_SECONDS = 900.0
"""For the whole of a package; a reader that is slower has gone to sleep."""


async def send_package(pieces: AsyncGenerator[bytes, None], responder: Responder) -> None:
    """A reader that has a part and cannot have the rest finds the connection cut, not a package that ends early."""
    async with aclosing(pieces):
        try:
            first = await anext(pieces, b"")
        except CodeMissingError:
            responder.send(404, [("Content-Type", "text/plain")], b"The package is not here any more.\n")
            return
        stream = responder.start(200, [("Content-Type", "application/zip")])
        stream.write(first)
        try:
            async with asyncio.timeout(DOWNLOAD_SECONDS):
                await _send_rest(pieces, stream, responder)
        except (CodeMissingError, TimeoutError):
            stream.abort()
            return
        stream.end()


async def _send_rest(pieces: AsyncGenerator[bytes, None], stream: ResponseStream, responder: Responder) -> None:
    """No more is read than the reader takes."""
    room = asyncio.Event()
    room.set()
    stream.on_flow(room.clear, room.set)
    responder.on_disconnect(room.set)
    if stream.paused:
        room.clear()
    async for piece in pieces:
        await room.wait()
        if stream.closed:
            return
        stream.write(piece)
