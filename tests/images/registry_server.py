"""A small registry of the distribution API, with tokens, redirects and bad habits to order."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.images.building import MadeImage

TOKEN = "a-token-of-this-registry"


@dataclass
class Registry:
    """`auth` is what a reader must show: "none", "basic" or "bearer". `misbehave` is done for blobs."""

    address: str = ""
    auth: str = "none"
    credentials: tuple[str, str] = ("user", "secret")
    misbehave: str = ""
    contents: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def put(self, made: MadeImage, tag: str = "latest") -> str:
        self.contents |= made.blobs
        self.tags[tag] = made.digest
        return f"{self.address}/team/fn:{tag}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: Registry

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it so
        pass

    def do_GET(self) -> None:
        registry = self.registry
        registry.asked.append((self.path, self.headers.get("Authorization")))
        if self.path.startswith("/token"):
            self._token()
        elif not self._is_let_in():
            self._refuse()
        elif "/manifests/" in self.path:
            name = self.path.rpartition("/")[2]
            self._send(registry.contents.get(registry.tags.get(name, name)))
        elif self.path.startswith("/elsewhere/"):
            self._send(registry.contents.get(self.path.rpartition("/")[2]))
        elif "/blobs/" in self.path:
            self._blob(self.path.rpartition("/")[2])
        else:
            self._send(None)

    def _is_let_in(self) -> bool:
        registry, shown = self.registry, self.headers.get("Authorization")
        if registry.auth == "none" or self.path.startswith("/elsewhere/"):
            return True
        return shown == (f"Bearer {TOKEN}" if registry.auth == "bearer" else self._expected_basic())

    def _expected_basic(self) -> str:
        return "Basic " + base64.b64encode(":".join(self.registry.credentials).encode()).decode()

    def _refuse(self) -> None:
        realm = f'Bearer realm="http://{self.registry.address}/token",service="here",scope="repository:team/fn:pull"'
        self.send_response(401)
        self.send_header("WWW-Authenticate", realm if self.registry.auth == "bearer" else 'Basic realm="here"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _token(self) -> None:
        is_known = self.headers.get("Authorization") == self._expected_basic()
        self._send(json.dumps({"token": TOKEN}).encode() if is_known else None)

    def _blob(self, name: str) -> None:
        content = self.registry.contents.get(name)
        match self.registry.misbehave:
            case "redirect":
                self._redirect(f"/elsewhere/{name}")
            case "loop":
                self._redirect(self.path)
            case "leave":
                self._redirect("http://registry.example/blob")
            case "truncate" if content:
                self._send(content, cut=len(content) // 2)
            case "longer" if content:
                self._send(content + b"more")
            case "other" if content:
                self._send(bytes(len(content)))
            case "hang":
                self.send_response(200)
                self.send_header("Content-Length", "1000000000")
                self.end_headers()
                while not self.registry.released.wait(0.05):
                    self.wfile.write(b"x")
                    self.wfile.flush()
            case _:
                self._send(content)

    def _redirect(self, target: str) -> None:
        self.send_response(307)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes | None, cut: int | None = None) -> None:
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write((content or b"")[:cut])
        if cut is not None:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that goes away is what some tests are about."""


@contextmanager
def registry_server(**settings: Any) -> Iterator[Registry]:
    registry = Registry(**settings)
    handler = type("Handler", (_Handler,), {"registry": registry})
    with _Server(("127.0.0.1", 0), handler) as server:
        registry.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield registry
        finally:
            registry.released.set()
            server.shutdown()
            thread.join()
