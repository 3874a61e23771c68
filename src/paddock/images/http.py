"""HTTP as registries need it: bounded in time and redirects, credentials for the host they are meant for alone.

Standard library only, so that proxies and certificates are those that other programs of this machine use.
"""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast
from urllib.parse import urlsplit

from paddock.images.errors import ImageUnavailable
from paddock.images.limits import CONNECT_SECONDS, MAX_REDIRECTS, PIECE_BYTES
from paddock.images.reference import is_loopback


class HttpRefused(Exception):
    """An answer with a status of 400 or more."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers


class _Cutoff:
    """Ends the connections of one request when its time is over, however slowly bytes still come."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def add(self, connected: socket.socket) -> None:
        self._sockets.append(connected)
        if self.passed:
            self._cut()

    def cancel(self) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.passed = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS
    max_repeats = 2

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """To an open connection only within this machine: whoever answers from elsewhere has no say over what is asked
        here. Authorization is not passed on (`unredirected`).
        """
        target = urlsplit(newurl)
        here = is_loopback(target.netloc) and is_loopback(urlsplit(req.full_url).netloc) and req.type == "http"
        if target.scheme not in ("http", "https") or (target.scheme == "http" and not here):
            raise ImageUnavailable("The registry redirects to where connections are not encrypted.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class HttpClient:
    """For one registry."""

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], authorization: str | None, seconds: float) -> Iterator[Answer]:
        """Blocks for at most `seconds` altogether, reading included. Raises `HttpRefused`, `ImageUnavailable`."""
        cutoff = _Cutoff(seconds)
        opener = urllib.request.OpenerDirector()
        for handler in (
            # As container engines do it: no proxy is between this machine and itself.
            urllib.request.ProxyHandler({} if is_loopback(urlsplit(url).netloc) else None),
            _Plain(cutoff),
            _Encrypted(cutoff),
            _Redirects(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
        ):
            opener.add_handler(handler)
        request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  # the opener knows two schemes
        if authorization is not None:
            request.add_unredirected_header("Authorization", authorization)
        try:
            with opener.open(request, timeout=CONNECT_SECONDS) as response:
                yield Answer(cast("http.client.HTTPResponse", response), cutoff)
        except urllib.error.HTTPError as error:
            with error:
                raise HttpRefused(error.code, dict(error.headers.items())) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unavailable(url, cutoff, error) from error
        finally:
            cutoff.cancel()


class Answer:
    def __init__(self, response: http.client.HTTPResponse, cutoff: _Cutoff) -> None:
        self._response = response
        self._cutoff = cutoff
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def pieces(self) -> Generator[bytes, None, None]:
        while piece := self._response.read1(PIECE_BYTES):
            yield piece
        if self._cutoff.passed:
            raise TimeoutError

    def whole(self, most_bytes: int) -> bytes:
        """Cut off after one byte more than `most_bytes`, so that the caller sees it."""
        pieces, size = [], 0
        for piece in self.pieces():
            pieces.append(piece)
            size += len(piece)
            if size > most_bytes:
                break
        return b"".join(pieces)[: most_bytes + 1]


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, cutoff: _Cutoff) -> None:
        super().__init__()
        self._cutoff = cutoff

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        cutoff = self._cutoff

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                cutoff.add(self.sock)

        return self.do_open(Connection, req)


class _Encrypted(urllib.request.HTTPSHandler):
    def __init__(self, cutoff: _Cutoff) -> None:
        super().__init__()
        self._cutoff = cutoff

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        cutoff = self._cutoff

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                cutoff.add(self.sock)

        return self.do_open(Connection, req)


def _unavailable(url: str, cutoff: _Cutoff, error: Exception) -> ImageUnavailable:
    host = urlsplit(url).netloc.rpartition("@")[2]
    if cutoff.passed or isinstance(error, TimeoutError):
        return ImageUnavailable(f"{host} does not answer in time.")
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    return ImageUnavailable(f"{host} cannot be asked: {reason}.")
