"""A Runtime API server that a test scripts: it keeps the polls it was given and hands out the events it is told to."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_SECONDS = 60.0
"""Of a test for a runtime on a loaded machine; a passing test waits for none of it."""


@dataclass(frozen=True)
class Answer:
    """What a runtime posted: `kind` is `response` or `error`, `error_type` what it said in the header."""

    kind: str
    document: Any
    error_type: str = ""


class RuntimeApi:
    """`most_polls` is the most `/next` requests that were open at once; `post_status` is what a post is answered."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.most_polls = 0
        self.post_status = 202
        self.init_errors: list[tuple[str, Any]] = []
        self._open_polls = 0
        self._events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._answers: defaultdict[str, list[Answer]] = defaultdict(list)
        self._changed = threading.Condition()
        self._next_id = 0

    def dispatch(self, event: object) -> str:
        return self.dispatch_bytes(json.dumps(event).encode())

    def dispatch_bytes(self, payload: bytes) -> str:
        with self._changed:
            self._next_id += 1
            invocation_id = f"00000000-0000-4000-8000-{self._next_id:012d}"
        self._events.put((invocation_id, payload))
        return invocation_id

    def wait_for_polls(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._open_polls >= count, WAIT_SECONDS), self._open_polls

    def wait_for_init_errors(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.init_errors) >= count, WAIT_SECONDS)

    @property
    def posts(self) -> list[Answer]:
        with self._changed:
            return [answer for answers in self._answers.values() for answer in answers]

    def answer(self, invocation_id: str) -> Answer:
        return self.answers(invocation_id, 1)[0]

    def answers(self, invocation_id: str, count: int) -> list[Answer]:
        """All that was posted for an invocation, once that is as many as `count`."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._answers[invocation_id]) >= count, WAIT_SECONDS)
            return list(self._answers[invocation_id])

    def take_event(self) -> tuple[str, bytes] | None:
        with self._changed:
            self._open_polls += 1
            self.most_polls = max(self.most_polls, self._open_polls)
            self._changed.notify_all()
        event = self._events.get()
        with self._changed:
            self._open_polls -= 1
        return event

    def take_post(self, path: str, error_type: str, body: bytes) -> None:
        *_, subject, kind = path.split("/")
        document = json.loads(body) if body else None
        with self._changed:
            if subject == "init":
                self.init_errors.append((error_type, document))
            else:
                self._answers[subject].append(Answer(kind, document, error_type))
            self._changed.notify_all()

    def close(self) -> None:
        for _ in range(self.most_polls):
            self._events.put(None)


@contextmanager
def scripted_runtime_api() -> Iterator[RuntimeApi]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            event = api.take_event()
            if event is None:
                self.close_connection = True
                return
            invocation_id, body = event
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", invocation_id)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 60) * 1000)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:f")
            self._finish(body)

        def do_POST(self) -> None:
            body = b"".join(self._chunks())
            api.take_post(self.path, self.headers.get("Lambda-Runtime-Function-Error-Type", ""), body)
            self.send_response(api.post_status)
            self._finish(b'{"status":"OK"}\n')

        def _chunks(self) -> Iterator[bytes]:
            """Of a body with a length, which is one chunk, or of one without (Go's client sends its answers so)."""
            if self.headers.get("Transfer-Encoding") != "chunked":
                yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
                return
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _finish(self, body: bytes) -> None:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Silent: a test's output is for its failures."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # all workers connect at once, and give up after a second

        def handle_error(self, request: object, client_address: object) -> None:
            """A runtime that a test kills breaks its connections; that is what the test is about."""

    server = Server(("127.0.0.1", 0), Handler)
    api = RuntimeApi(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.close()
        server.shutdown()
        server.server_close()
        thread.join()
