"""As much of S3 as GetObject needs, on a port of this machine: signed requests, path style, AWS's error documents."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ACCESS_KEY = "AKIDBUCKETS"


@dataclass
class Buckets:
    """`objects` by bucket and key; versions of one by bucket, key and version id. `asked` are the paths."""

    url: str = ""
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    announced: dict[str, int] = field(default_factory=dict)
    """Keys whose Content-Length is a lie."""
    answers: threading.Event = field(default_factory=threading.Event)
    """Not set: requests wait."""
    plain: bool = False
    """Errors are no documents of S3's, but plain text."""

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    @contextmanager
    def silent(self) -> Iterator[None]:
        self.answers.clear()
        try:
            yield
        finally:
            self.answers.set()

    def found(self, method: str, path: str, authorization: str) -> tuple[int, bytes]:
        """Status, and the object or an error document."""
        self.asked.append(f"{method} {path}")
        self.answers.wait(60)
        parts = urlsplit(path)
        _, bucket, key = unquote(parts.path).split("/", 2)
        version = parse_qs(parts.query).get("versionId", [""])[0]
        if f"Credential={ACCESS_KEY}/" not in authorization or bucket in self.denied:
            return 403, _error("AccessDenied", "Access Denied")
        if bucket not in {name for name, *_ in (*self.objects, *self.versions)}:
            return 404, _error("NoSuchBucket", "The specified bucket does not exist")
        found = self.versions.get((bucket, key, version)) if version else self.objects.get((bucket, key))
        if found is None:
            code = ("NoSuchVersion", "The specified version does not exist.") if version else None
            return 404, _error(*(code or ("NoSuchKey", "The specified key does not exist.")))
        return 200, found


def _error(code: str, message: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@contextmanager
def bucket_server() -> Iterator[Buckets]:
    buckets = Buckets()
    buckets.answers.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = buckets.found("GET", self.path, self.headers.get("Authorization", ""))
            if buckets.plain and status != 200:
                body = b"no"
            length = next((size for key, size in buckets.announced.items() if key in self.path), len(body))
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("Content-Type", "application/octet-stream" if status == 200 else "application/xml")
            if length != len(body):
                self.send_header("Connection", "close")
            with suppress(ConnectionError):  # whoever asked may have given up
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    buckets.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield buckets
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
