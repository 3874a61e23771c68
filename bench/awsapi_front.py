"""What the AWS front costs on the way of an invoke, step by step, without sockets: `python -m bench.awsapi_front`.

Bytes of one signed request are fed to a connection whose transport throws the answer away. The floor is the same parser
with nothing around it but the wish to answer. Medians of several rounds, taken in turn so that noise meets all alike.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable

import httptools
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from paddock.awsapi.access import Access
from paddock.awsapi.connection import Connection
from paddock.awsapi.front import Front, InvokeHandlers
from paddock.awsapi.http import same_limit
from paddock.awsapi.limits import HttpLimits
from paddock.awsapi.listening import Listening, refuse_plainly
from paddock.awsapi.messages import Handler, Request, Responder
from paddock.awsapi.operations import Operations
from paddock.awsapi.pipeline import Pipeline
from paddock.awsapi.services import Services
from paddock.awsapi.sigv4 import Credential
from paddock.model.arns import Place
from paddock.model.ids import AccountId, Region
from paddock.ports.clock import RandomIds, SystemClock

ROUNDS = 9
REQUESTS_PER_ROUND = 4000
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "not-a-secret"
PLACE = Place(Region("us-east-1"), AccountId("000000000000"))
HOST = "127.0.0.1:4600"
USER_AGENT = (
    "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11.2 cfg/retry-mode#legacy"
)


class Discard(asyncio.Transport):
    """Takes what is written and forgets it."""

    def write(self, data: object) -> None:
        pass

    def is_closing(self) -> bool:
        return False


class BareEcho:
    """The floor: the parser's callbacks, and the body sent back under the shortest head."""

    def __init__(self, transport: Discard) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        pass

    def on_header(self, name: bytes, value: bytes) -> None:
        pass

    def on_body(self, body: bytes) -> None:
        self._body = body

    def on_message_complete(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(self._body), self._body))


def signed_request(body: bytes, function: str = "hello") -> bytes:
    """As boto3 sends an Invoke."""
    path = f"/2015-03-31/functions/{function}/invocations"
    url = f"http://{HOST}{path}"
    request = AWSRequest("POST", url, data=body)
    SigV4Auth(Credentials(KEY_ID, SECRET), "lambda", PLACE.region).add_auth(request)
    headers = {
        "Host": HOST,
        "Accept-Encoding": "identity",
        "User-Agent": USER_AGENT,
        **{name: str(value) for name, value in request.headers.items()},
        "amz-sdk-invocation-id": "2a3b4c5d-0000-4000-8000-1234567890ab",
        "amz-sdk-request": "attempt=1",
        "Content-Length": str(len(body)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def answer(request: Request, responder: Responder) -> None:
    responder.send(200, (("Content-Type", "application/json"),), request.body)


def answer_invoke(
    request: Request, responder: Responder, request_id: str, _function: str, _qualifier: str | None
) -> None:
    headers = (("Content-Type", "application/json"), ("x-amzn-RequestId", request_id), ("X-Amz-Executed-Version", "1"))
    responder.send(200, headers, request.body)


def connected(handler: Handler) -> Connection:
    listening = Listening(handler, refuse_plainly, same_limit, HttpLimits(), SystemClock())
    connection = Connection(listening)
    connection.connection_made(Discard())
    return connection


def subjects(body: bytes) -> dict[str, Callable[[], object]]:
    clock = SystemClock()
    access = Access("sigv4", {KEY_ID: Credential(SECRET, PLACE.account_id)}, PLACE, clock)
    unsigned = Access("none", {}, PLACE, clock)
    data = signed_request(body)
    captured: list[Request] = []
    connected(lambda request, responder: captured.append(request)).data_received(data)

    def front(access: Access) -> Connection:
        pipeline = Pipeline(Services(), Operations(), access, clock)
        return connected(Front(pipeline, access, InvokeHandlers(answer_invoke, answer_invoke), RandomIds()).handle)

    bare, parsed, open_front, signed_front = BareEcho(Discard()), connected(answer), front(unsigned), front(access)
    return {
        "bare httptools echo": lambda: bare.data_received(data),
        "HTTP: parse, limits, answer": lambda: parsed.data_received(data),
        "SigV4 alone": lambda: access.identify(captured[0]),
        "front, signatures unchecked": lambda: open_front.data_received(data),
        "front, complete": lambda: signed_front.data_received(data),
    }


def measure(body: bytes) -> dict[str, list[float]]:
    """Microseconds per request, one figure per round."""
    there = subjects(body)
    rounds: dict[str, list[float]] = {name: [] for name in there}
    for _ in range(ROUNDS):
        for name, run in there.items():
            began = time.process_time()
            for _ in range(REQUESTS_PER_ROUND):
                run()
            rounds[name].append((time.process_time() - began) / REQUESTS_PER_ROUND * 1e6)
    return rounds


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> None:
    for size in (100, 10_000):
        rounds = measure(b'"' + b"x" * (size - 2) + b'"')
        floor = statistics.median(rounds["bare httptools echo"])
        say(f"\n{size} byte event, Python {sys.version.split()[0]}, median of {ROUNDS} rounds")
        say(f"{'':32}{'us':>8}{'spread':>16}{'of the floor':>14}")
        for name, times in rounds.items():
            spread = f"{min(times):.1f}-{max(times):.1f}"
            say(f"{name:32}{statistics.median(times):8.1f}{spread:>16}{statistics.median(times) / floor:13.1f}x")


if __name__ == "__main__":
    main()
