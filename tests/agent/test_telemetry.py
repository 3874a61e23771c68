"""What extensions are told, by listeners as they open them."""

import asyncio
import base64
import hashlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from typing import Any

import pytest

from paddock.agent.limits import SUBSCRIPTIONS
from paddock.agent.log_collector import LogCollector
from paddock.agent.log_shipping import LogShipper
from paddock.agent.platform_events import PlatformEvents
from paddock.agent.telemetry import Source
from paddock.agent.telemetry_delivery import Listeners
from paddock.agent.telemetry_records import Outcome
from paddock.agent.telemetry_routes import put_subscription, subscription_api
from paddock.agent.telemetry_setup import environment_telemetry
from paddock.agent.text_events import TextEvents
from paddock.agent.timebase import Timebase
from paddock.core.environment.telemetry import Category, TelemetryApi
from paddock.isolation.loopback import LOOPBACK, own_loopback
from paddock.isolation.peers import Peers
from paddock.ports.clock import SystemClock
from paddock.wire.agent import EnvironmentSpec
from tests.agent.instances import eventually
from tests.agent.listeners import Listener, http_listener, tcp_listener
from tests.agent.server_side import environment_spec

ALL = ("platform", "function", "extension")
SOON_MS = 25
ON_THE_LOOPBACK = Listeners()
PATIENCE_SECONDS = 30.0


class Environment:
    """The parts of an environment that have to do with telemetry."""

    def __init__(self, spec: EnvironmentSpec, listeners: Listeners = ON_THE_LOOPBACK) -> None:
        self.timebase = Timebase(SystemClock())
        self.logged: list[bytes] = []
        self.events: PlatformEvents | TextEvents
        if spec.initialization_type == "lambda-managed-instances":
            self.events = PlatformEvents(spec, self.timebase, self._log)
        else:
            self.events = TextEvents(spec, self.timebase, self._log, lambda: 0)
        stream = LogShipper(self.timebase).open_stream("group", "stream")
        self.collector = LogCollector(
            stream, self.timebase, max_concurrency=2, request_of=lambda _: "", connection_closed=lambda: None
        )
        self.hub = environment_telemetry(spec, self.timebase, listeners, self.events, self.collector)

    def _log(self, _at_ms: int, line: bytes, _request_id: str) -> None:
        self.logged.append(line)

    @property
    def now(self) -> float:
        return self.timebase.monotonic()

    def put(
        self, request: object, name: str = "watcher", api: TelemetryApi = TelemetryApi.TELEMETRY
    ) -> tuple[int, Any]:
        head, _, body = put_subscription(self.hub, api, name, json.dumps(request).encode()).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def subscribe(self, destination: object, *, name: str = "watcher", **more: Any) -> None:
        request: dict[str, object] = {
            "schemaVersion": "2025-01-29",
            "types": ALL,
            "destination": destination,
            "buffering": {"timeoutMs": SOON_MS},
        }
        api = more.pop("api", TelemetryApi.TELEMETRY)
        assert self.put(request | more, name, api) == (200, "OK")

    def invoked(self, request_id: str, status: str = "success", error_type: str = "") -> None:
        at_ms = self.timebase.epoch_ms(self.now)
        self.events.start(at_ms, request_id, "arn:f:1", "")
        self.events.report(at_ms, request_id, 0.0123456, status, error_type, "")

    def wrote(self, *lines: bytes, category: Category = Category.FUNCTION) -> None:
        self.collector.lines(list(lines), 0, category)


@asynccontextmanager
async def environment(listeners: Listeners = ON_THE_LOOPBACK, **spec: Any) -> AsyncIterator[Environment]:
    made = Environment(environment_spec(**spec), listeners)
    async with asyncio.TaskGroup() as group:
        group.create_task(made.hub.run())
        try:
            yield made
        finally:
            made.hub.close()


def to(listener: Listener, path: str = "") -> dict[str, str]:
    return {"protocol": "HTTP", "URI": listener.uri(path)}


def kinds(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": "2022-12-13"},
        {"types": []},
        {"buffering": {"maxItems": 999}},
        {"buffering": {"maxBytes": 1_048_577}},
        {"buffering": {"timeoutMs": 24}},
        {"destination": {"protocol": "HTTP", "URI": "http://localhost:80"}},
    ],
)
async def test_a_subscription_that_is_not_valid_is_refused_as_aws_does(change: dict[str, object]) -> None:
    request = {"schemaVersion": "2025-01-29", "types": ["platform"], "destination": {"protocol": "TCP", "port": 1}}
    async with environment() as played:
        status, error = played.put(request | change)
        assert (status, error["errorType"]) == (400, "ValidationError")
        assert error["errorMessage"]
        assert played.logged == []


@pytest.mark.parametrize(("api", "managed"), [(TelemetryApi.TELEMETRY, True), (TelemetryApi.LOGS, False)])
async def test_a_subscription_after_init_is_refused(api: TelemetryApi, managed: bool) -> None:
    async with environment(initialization_type="lambda-managed-instances" if managed else "on-demand") as played:
        played.hub.close_subscriptions()
        status, error = played.put({}, api=api)
        assert (status, error["errorType"]) == (403, f"{api.value}.SubscriptionClosed")


async def test_a_late_subscriber_hears_of_the_init_from_its_start() -> None:
    async with http_listener() as listener, environment() as played:
        played.events.init_start(played.now, "provided", "arn:runtime")
        played.wrote(b"before anybody listened")
        played.subscribe(to(listener))
        await listener.has(lambda: len(listener.events()) == 3)
        assert kinds(listener.events()) == ["platform.initStart", "function", "platform.telemetrySubscription"]
        assert listener.records("platform.telemetrySubscription") == [
            {"name": "watcher", "state": "Subscribed", "types": list(ALL)}
        ]
        assert json.loads(played.logged[-1])["type"] == "platform.telemetrySubscription"


async def test_an_invocation_is_a_start_and_a_report_whatever_is_logged() -> None:
    async with http_listener() as listener, environment(system_log_level="WARN") as played:
        played.subscribe(to(listener), types=["platform"])
        played.hub.close_subscriptions()
        played.invoked("r-1")
        played.wrote(b"not asked for")
        played.invoked("r-2", "timeout", "Sandbox.Timedout")
        await listener.has(lambda: len(listener.records("platform.report")) == 2)
        assert kinds(listener.events())[1:] == ["platform.start", "platform.report"] * 2
        assert listener.records("platform.report") == [
            {"requestId": "r-1", "metrics": {"durationMs": 12.346}, "status": "success"},
            {
                "requestId": "r-2",
                "metrics": {"durationMs": 12.346},
                "status": "timeout",
                "errorType": "Sandbox.Timedout",
            },
        ]
        assert [json.loads(line)["type"] for line in played.logged] == ["platform.report"]


async def test_a_delivery_goes_to_the_whole_uri_and_names_itself() -> None:
    async with http_listener() as listener, environment() as played:
        played.subscribe(to(listener, "/in/here?key=1"))
        await listener.has(lambda: listener.requests)
        request = listener.requests[0]
        assert request.line == "POST /in/here?key=1 HTTP/1.1"
        assert request.headers["host"] == f"sandbox.localdomain:{listener.port}"
        assert request.headers["content-type"] == "application/json"
        assert base64.b64decode(request.headers["sequence-id"]) == hashlib.sha256(request.body).digest()


async def test_lines_are_objects_or_text_and_say_whose_they_are() -> None:
    async with http_listener() as listener, environment() as played:
        played.subscribe(to(listener), types=["function", "extension"])
        played.wrote(b'{"level":"INFO","message":"m"}', b"plain text")
        played.wrote(b"from beside", category=Category.EXTENSION)
        await listener.has(lambda: len(listener.events()) == 3)
        assert listener.records("function") == [{"level": "INFO", "message": "m"}, "plain text"]
        assert listener.records("extension") == ["from beside"]


async def test_a_tcp_destination_is_connected_with_the_subscription() -> None:
    async with tcp_listener() as listener, environment() as played:
        destination = {"protocol": "TCP", "port": listener.port}
        played.subscribe(destination, types=["function"], buffering={"timeoutMs": 30_000})
        await listener.has(lambda: listener.connections == 1)
        assert listener.lines == []


async def test_a_tcp_destination_that_nobody_listens_to_yet_is_connected_with_the_first_batch() -> None:
    with closing(socket.socket()) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        async with environment() as played:
            played.subscribe({"protocol": "TCP", "port": port}, types=["function"])
            (subscriber,) = played.hub._subscribers.values()
            await eventually(lambda: subscriber.task is not None)
            reserved.listen()
            reserved.setblocking(False)
            played.wrote(b"now")
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(PATIENCE_SECONDS):
                connection, _ = await loop.sock_accept(reserved)
                with closing(connection):
                    assert b'"record":"now"' in await loop.sock_recv(connection, 4096)


async def test_over_tcp_each_event_is_a_line() -> None:
    async with tcp_listener() as listener, environment() as played:
        played.subscribe({"protocol": "TCP", "port": listener.port})
        played.invoked("r-1")
        await listener.has(lambda: len(listener.lines) == 3)
        played.wrote(b"more")
        await listener.has(lambda: len(listener.lines) == 4)
        assert all(line.endswith(b"}\n") for line in listener.lines)
        assert kinds([json.loads(line) for line in listener.lines])[-2:] == ["platform.report", "function"]
        assert listener.connections == 1


async def test_a_slow_subscriber_is_told_what_it_missed_and_holds_up_nobody() -> None:
    line, count = b"x" * 100_000, 20
    async with http_listener(answering=False) as slow, http_listener() as quick, environment() as played:
        played.subscribe(to(slow), name="slow")
        played.subscribe(to(quick), name="quick")
        await slow.has(lambda: slow.connections)
        for _ in range(count):
            played.wrote(line)
            await quick.has(lambda: quick.records("function"))
            quick.requests.clear()
        slow.may_answer.set()
        await slow.has(lambda: slow.records("platform.logsDropped"))
        await slow.has(
            lambda: sum(told["droppedRecords"] for told in slow.records("platform.logsDropped")) > count // 2
        )
        told = slow.records("platform.logsDropped")[0]
        assert told["droppedBytes"] >= told["droppedRecords"] * len(line)
        assert len(slow.records("function")) < count // 2


async def test_a_delivery_that_was_refused_is_tried_again_as_it_was() -> None:
    async with http_listener(500, 503) as listener, environment() as played:
        played.subscribe(to(listener))
        await listener.has(lambda: len(listener.requests) == 3)
        assert len({request.headers["sequence-id"] for request in listener.requests}) == 1


async def test_a_delivery_that_nobody_takes_is_given_up_and_counted() -> None:
    async with http_listener(500, 500, 500) as listener, environment() as played:
        played.subscribe(to(listener))
        await listener.has(lambda: len(listener.requests) == 3)
        lost = listener.requests[0].body
        played.wrote(b"the next")
        await listener.has(lambda: listener.records("platform.logsDropped"))
        (told,) = listener.records("platform.logsDropped")
        assert told["droppedRecords"] == len(json.loads(lost))
        assert listener.records("function") == ["the next"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\xff" * 50 + b"\r\n\r\n",
        b"HTTP/1.1 2 OK\r\n\r\n",
        b"HTTP/1.1 404 No\r\n\r\n",
        b"x" * 300_000,
    ],
    ids=["nothing", "no status", "bytes", "short status", "not found", "endless"],
)
async def test_whatever_a_subscriber_answers_it_is_tried_and_given_up_and_others_go_on(answer: bytes) -> None:
    attempts = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        with suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with http_listener() as listener, environment() as played:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        odd = f"http://sandbox.localdomain:{server.sockets[0].getsockname()[1]}"
        played.subscribe({"protocol": "HTTP", "URI": odd}, name="odd")
        played.subscribe(to(listener), name="even")
        await played.hub.flush(PATIENCE_SECONDS)
        assert attempts == 3
        assert listener.records("platform.telemetrySubscription")
        server.close()


async def test_what_waits_is_delivered_before_a_shutdown() -> None:
    async with http_listener() as listener, environment() as played:
        played.subscribe(to(listener), buffering={"timeoutMs": 30_000})
        played.invoked("r-1")
        await played.hub.flush(PATIENCE_SECONDS)
        assert kinds(listener.events()) == ["platform.telemetrySubscription", "platform.start", "platform.report"]
        played.wrote(b"last words")
        await listener.has(lambda: listener.records("function"))


async def test_a_subscriber_that_hangs_does_not_hang_the_shutdown() -> None:
    async with http_listener(answering=False) as listener, environment() as played:
        played.subscribe(to(listener), buffering={"timeoutMs": 30_000})
        async with asyncio.timeout(PATIENCE_SECONDS):
            await played.hub.flush(0.05)
        assert listener.requests == []


async def test_a_second_subscription_takes_the_place_of_the_first() -> None:
    async with http_listener() as first, http_listener() as second, environment() as played:
        played.events.init_start(played.now, "provided", "arn:runtime")
        played.subscribe(to(first))
        await first.has(lambda: first.records("platform.initStart"))
        played.subscribe(to(first))
        played.subscribe(to(second))
        played.wrote(b"for the second")
        await second.has(lambda: second.records("function"))
        assert second.records("platform.initStart")
        assert len(first.records("platform.telemetrySubscription")) == 1
        assert first.records("function") == []


async def test_a_subscription_that_was_replaced_ends_in_the_middle_of_a_delivery() -> None:
    async with http_listener(answering=False) as hanging, http_listener() as second, environment() as played:
        played.subscribe(to(hanging))
        await hanging.has(lambda: hanging.connections == 1)
        (replaced,) = played.hub._subscribers.values()
        played.subscribe(to(second))
        await eventually(lambda: replaced.task is not None and replaced.task.done())
        await second.has(lambda: len(second.records("platform.telemetrySubscription")) == 2)


async def test_an_extension_can_subscribe_only_so_often() -> None:
    async with http_listener() as listener, environment() as played:
        for number in range(SUBSCRIPTIONS):
            played.subscribe(to(listener, f"/{number}"))
        request = {"schemaVersion": "2025-01-29", "types": ALL, "destination": to(listener, "/more")}
        status, error = played.put(request)
        assert (status, error["errorType"]) == (400, "ValidationError")
        assert played.put(request, "another") == (200, "OK")
        last = f"POST /{SUBSCRIPTIONS - 1} HTTP/1.1"
        await listener.has(lambda: any(request.line == last for request in listener.requests))


async def test_when_nobody_listens_nothing_is_kept() -> None:
    async with environment() as played:
        sources: list[Source] = [played.events, played.collector]
        assert [source.telemetry for source in sources] == [played.hub, played.hub]
        played.hub.close_subscriptions()
        assert [source.telemetry for source in sources] == [None, None]


async def test_a_flood_during_init_is_kept_within_bounds_and_admitted() -> None:
    async with http_listener() as listener, environment() as played:
        for _ in range(30):
            played.wrote(b"x" * 100_000)
        played.subscribe(to(listener), buffering={"timeoutMs": SOON_MS, "maxBytes": 1_048_576})
        await listener.has(lambda: listener.records("platform.telemetrySubscription"))
        dropped = sum(told["droppedRecords"] for told in listener.records("platform.logsDropped"))
        assert dropped + len(listener.records("function")) == 30
        assert dropped > 10


async def test_default_lambda_is_told_in_the_schema_that_was_asked_for() -> None:
    classic: dict[str, Any] = {"initialization_type": "on-demand", "log_format": "Text", "version": "7"}
    async with http_listener() as logs, http_listener() as telemetry, environment(**classic) as played:
        played.events.init_start(played.now, "python3.13", "arn:runtime")
        played.subscribe(to(logs) | {"method": "PUT"}, name="logs", api=TelemetryApi.LOGS, schemaVersion="2021-03-18")
        played.subscribe(to(telemetry), name="telemetry", schemaVersion="2022-12-13")
        played.hub.close_subscriptions()
        played.invoked("r-1", "error", "Runtime.ExitError")
        played.wrote(b'{"a":1}')
        await logs.has(lambda: logs.records("function"))
        await telemetry.has(lambda: telemetry.records("function"))
        assert logs.requests[0].line == "PUT / HTTP/1.1"
        assert kinds(logs.events()) == [
            "platform.logsSubscription",
            "platform.start",
            "platform.fault",
            "platform.runtimeDone",
            "platform.end",
            "platform.report",
            "function",
        ]
        assert logs.records("platform.runtimeDone") == [{"requestId": "r-1", "status": "error"}]
        assert kinds(telemetry.events()) == [
            "platform.initStart",
            "platform.telemetrySubscription",
            "platform.start",
            "platform.runtimeDone",
            "platform.report",
            "function",
        ]
        assert telemetry.records("platform.start") == [{"requestId": "r-1", "version": "7"}]
        (report,) = telemetry.records("platform.report")
        assert report["metrics"] == {
            "durationMs": 12.346,
            "billedDurationMs": 13,
            "memorySizeMB": 2048,
            "maxMemoryUsedMB": 1,
        }
        assert telemetry.records("function") == logs.records("function") == ['{"a":1}']
        text = [line.decode() for line in played.logged]
        assert "LOGS\tName: logs\tState: Subscribed\tTypes: [Platform, Function, Extension]" in text
        assert "TELEMETRY\tName: telemetry\tState: Subscribed\tTypes: [Platform, Function, Extension]" in text


async def test_what_extensions_took_is_in_the_report_and_traces_have_the_platforms_span() -> None:
    classic: dict[str, Any] = {"initialization_type": "on-demand", "log_format": "Text"}
    traced = Outcome("success", "", "Root=1-2;Parent=3;Sampled=1", "5" * 16, produced_bytes=16)
    async with http_listener() as logs, http_listener() as telemetry, environment(**classic) as played:
        played.subscribe(to(logs), name="logs", api=TelemetryApi.LOGS, schemaVersion="2021-03-18")
        played.subscribe(to(telemetry), name="telemetry", schemaVersion="2022-07-01")
        assert isinstance(played.events, TextEvents)
        at_ms, now = played.timebase.epoch_ms(played.now), played.now
        played.events.runtime_done(at_ms, "r-1", 0.1, traced)
        overhead = played.events.extension_overhead(now - 0.25, now)
        played.events.invocation_over(at_ms, "r-1", 0.35, replace(traced, extension_overhead=overhead))
        await logs.has(lambda: logs.records("platform.report"))
        await telemetry.has(lambda: telemetry.records("platform.report"))
        (done,), (report,) = telemetry.records("platform.runtimeDone"), telemetry.records("platform.report")
        assert done["metrics"] == {"durationMs": 100.0, "producedBytes": 16}
        assert (report["metrics"]["durationMs"], report["metrics"]["billedDurationMs"]) == (350.0, 350)
        (span,) = report["spans"]
        assert (span["name"], span["durationMs"]) == ("extensionOverhead", 250.0)
        tracing = {"type": "X-Amzn-Trace-Id", "value": traced.trace_header}
        assert report["tracing"] == done["tracing"] == {"spanId": "5" * 16, **tracing}
        assert logs.records("platform.report")[0]["tracing"] == tracing


async def test_an_extension_uses_one_of_the_two_interfaces() -> None:
    async with environment(initialization_type="on-demand") as played:
        played.subscribe({"protocol": "TCP", "port": 9})
        request = {"schemaVersion": "2020-08-15", "types": ALL, "destination": {"protocol": "TCP", "port": 9}}
        status, error = played.put(request, api=TelemetryApi.LOGS)
        assert (status, error["errorType"]) == (400, "ValidationError")


@pytest.mark.parametrize(
    ("path", "managed", "classic"),
    [
        (b"/2022-07-01/telemetry", TelemetryApi.TELEMETRY, TelemetryApi.TELEMETRY),
        (b"/2022-07-01/telemetry/", TelemetryApi.TELEMETRY, TelemetryApi.TELEMETRY),
        (b"/2020-08-15/logs", None, TelemetryApi.LOGS),
        (b"/2022-07-01/logs", None, None),
        (b"/", None, None),
    ],
)
def test_managed_instances_have_no_logs_api(
    path: bytes, managed: TelemetryApi | None, classic: TelemetryApi | None
) -> None:
    assert subscription_api(path, managed=True) is managed
    assert subscription_api(path, managed=False) is classic


async def test_extensions_that_are_ready_are_told_of() -> None:
    async with http_listener() as listener, environment() as played:
        played.subscribe(to(listener), types=["platform"])
        played.events.extension(played.now, "watcher", "Ready", ["SHUTDOWN"])
        await listener.has(lambda: listener.records("platform.extension"))
        assert listener.records("platform.extension") == [{"name": "watcher", "state": "Ready", "events": ["SHUTDOWN"]}]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::"])
async def test_nothing_is_delivered_to_a_listener_of_another_user(address: str) -> None:
    try:
        peers = Peers()
    except OSError as error:
        pytest.skip(str(error))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(peers), socket.socket(family) as listening:
        try:
            listening.bind((address, 0))
        except OSError as error:
            pytest.skip(str(error))
        listening.listen()
        listening.setblocking(False)
        port = listening.getsockname()[1]
        mine, other = (Listeners(peers=peers, uid=os.geteuid() + more) for more in (0, 1))
        assert mine.admits("127.0.0.1", port)
        assert not other.admits("127.0.0.1", port)
        assert not mine.admits("127.0.0.1", 1)
        async with environment(other) as kept_away, environment(mine) as welcome:
            kept_away.subscribe({"protocol": "TCP", "port": port})
            await kept_away.hub.flush(PATIENCE_SECONDS)
            with pytest.raises(BlockingIOError):
                listening.accept()
            welcome.subscribe({"protocol": "TCP", "port": port})
            await eventually(lambda: bool(_accepted(listening)))


@pytest.mark.skipif(sys.platform != "linux", reason="all of 127.0.0.0/8 is the loopback on Linux only")
async def test_two_environments_listen_on_the_same_port_each_at_an_address_of_its_own() -> None:
    """As the same extension does in both, whose port is written in it."""
    mine, other = own_loopback("env-mine"), own_loopback("env-other")
    with socket.create_server((mine, 0)) as first, socket.create_server((other, first.getsockname()[1])) as second:
        for listening in (first, second):
            listening.setblocking(False)
        async with environment(Listeners((mine, LOOPBACK))) as played:
            played.subscribe({"protocol": "TCP", "port": first.getsockname()[1]})
            await eventually(lambda: _accepted(first))
        assert not _accepted(second)


async def test_without_a_listener_at_its_own_address_the_loopback_is_asked() -> None:
    listeners = Listeners((own_loopback("env-mine"), LOOPBACK))
    async with http_listener() as listener, environment(listeners) as played:
        played.subscribe(to(listener), types=["platform"])
        played.events.extension(played.now, "watcher", "Ready", ["SHUTDOWN"])
        await listener.has(lambda: listener.records("platform.extension"))


def _accepted(listening: socket.socket) -> bool:
    try:
        listening.accept()[0].close()
    except BlockingIOError:
        return False
    return True
