"""Extensions that flood, hang and leave things behind, beside a neighbour that is watched.

Whatever an extension does, its function's callers get AWS's answer, what it can take is bounded, nothing of it is left,
and the neighbour goes on answering.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from paddock.agent.environment import ExecutionEnvironment
from paddock.agent.limits import ALL_STREAMS_KEEP_BYTES, SPARE_CONNECTIONS, SUBSCRIPTIONS
from paddock.agent.runtime_commands import InstalledRuntimes
from paddock.core.environment.telemetry_queue import WAITING_BATCHES
from paddock.wire.agent import EnvironmentSpec
from tests.agent.instances import PlayedInstance, eventually, played_instance
from tests.agent.server_side import environment_spec
from tests.agent.test_neighbours import BOOTSTRAP, CACHE
from tests.agent.test_real_extensions import WAYS, isolation_by

EXTENSION = r"""#!/usr/bin/env python3
import http.client, json, os, random, signal, socket, sys, threading, time
API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2020-01-01/extension/"
ADDRESS = (API.partition(":")[0], int(API.partition(":")[2]))
managed = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "lambda-managed-instances"

def ask(method, path, body=None, connection=None, **headers):
    connection = connection or http.client.HTTPConnection(API)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response, response.read()

events = json.dumps({"events": ["SHUTDOWN"] if managed else ["INVOKE", "SHUTDOWN"]})
response, _ = ask("POST", PREFIX + "register", events, Lambda_Extension_Name="bad")
me = response.headers["Lambda-Extension-Identifier"]

def subscribe(destination, **more):
    request = {"schemaVersion": "2025-01-29", "types": ["platform", "function"], "destination": destination, **more}
    return ask("PUT", "/2022-07-01/telemetry", json.dumps(request), Lambda_Extension_Identifier=me)[0].status

def next_event():
    return json.loads(ask("GET", PREFIX + "event/next", Lambda_Extension_Identifier=me)[1])

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())

def once_ready(act):
    # The first request for an event is open before anything bad happens.
    polling = threading.Thread(target=next_event)
    polling.start()
    time.sleep(0.2)
    act()
    polling.join()

def flood_output():
    while True:
        os.write(1, (b"x" * 499 + b"\n") * 200)

REQUESTS = [
    ("POST", PREFIX + "register", events), ("GET", PREFIX + "event/next", None), ("PUT", "/2022-07-01/telemetry", "{"),
    ("POST", PREFIX + "init/error", "x" * 5000), ("POST", PREFIX + "else", "{}"), ("PATCH", PREFIX + "register", "{}"),
    ("POST", "/2018-06-01/runtime/invocation/none/response", "{}"), ("GET", "/2018-06-01/ping", None),
]

def flood_api():
    seen, lock = set(), threading.Lock()
    def work():
        connection = http.client.HTTPConnection(API)
        mine = set()
        for number in range(100):
            for method, path, body in REQUESTS:
                response, _ = ask(method, path, body, connection, Lambda_Extension_Name="bad%d" % number)
                mine.add(response.status)
        with lock:
            seen.update(mine)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    say("statuses", *sorted(seen))

def post_garbage():
    dice, seen = random.Random(5), set()
    starts = [b"POST /2020-01-01/extension/register HTTP/1.1\r\n", b"PUT /2022-07-01/telemetry HTTP/1.1\r\n", b""]
    for number in range(300):
        with socket.create_connection(ADDRESS, timeout=30) as bad:
            try:
                bad.sendall(starts[number % 3] + dice.randbytes(dice.randrange(1, 3000)) + b"\r\n\r\n")
                bad.shutdown(socket.SHUT_WR)
                answer = bad.recv(4096)
            except OSError:
                continue
            if answer:
                seen.add(int(answer.split()[1]))
    say("statuses", *sorted(seen))

def open_connections():
    held = [socket.create_connection(ADDRESS) for _ in range(600)]
    time.sleep(0.5)
    for each in held: each.setblocking(False)
    def is_open(each):
        try:
            return each.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False
    say("open", sum(map(is_open, held)))
    time.sleep(600)

def subscribe_again_and_again():
    for number in range(2000):
        os.write(1, b"early line\n")
    time.sleep(0.2)
    there = socket.create_server(("127.0.0.1", 0))
    uri = "http://sandbox.localdomain:%d/" % there.getsockname()[1]
    statuses = [subscribe({"protocol": "HTTP", "URI": uri + str(number)}) for number in range(300)]
    say("accepted", statuses.count(200), "refused", statuses.count(400))
    next_event()

def never_answer_telemetry():
    there = socket.create_server(("127.0.0.1", 0))
    say("subscribed", subscribe({"protocol": "HTTP", "URI": "http://sandbox:%d" % there.getsockname()[1]},
                                buffering={"timeoutMs": 25}))
    next_event()
    time.sleep(600)

def never_come_back():
    next_event()
    time.sleep(600)

def ignore_the_end():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("heard", next_event()["shutdownReason"])
    while True:
        time.sleep(600)

def leave_children():
    next_event_soon = threading.Thread(target=next_event, daemon=True)
    next_event_soon.start()
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.02)
    os.remove(os.environ["GO"])
    for _ in range(5):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(600)
            os._exit(0)
    os._exit(0)

act = globals()[os.environ["HOW"]]
if act in (flood_output, flood_api, post_garbage, open_connections):
    once_ready(act)
else:
    act()
"""


FUNCTION = BOOTSTRAP.replace(
    'environ["AWS_LAMBDA_MAX_CONCURRENCY"]', 'environ.get("AWS_LAMBDA_MAX_CONCURRENCY", 1)'
).replace(
    "def work():",
    """def go(event):
    open(os.environ["GO"], "w").close()
    return "gone"

def work():""",
)


@dataclass
class Neighbours:
    instance: PlayedInstance
    bad: EnvironmentSpec
    good: EnvironmentSpec

    @property
    def environment(self) -> ExecutionEnvironment:
        return self.instance.agent.environments[self.bad.environment_id]

    async def goes_on(self, spec: EnvironmentSpec, times: int = 20) -> None:
        for _ in range(times):
            header, body = await self.instance.server.invoke(spec).result()
            assert (header.outcome, body) == ("ok", b'"fine"')

    async def said(self, word: str) -> list[str]:
        """What the extension says after this, while the neighbour is asked again and again."""
        lines = self.instance.server.log_lines
        found: list[str] = []

        def heard() -> bool:
            found.extend(line.decode() for _, line, _ in lines if line.startswith(word.encode() + b" "))
            return bool(found)

        for _ in range(1000):
            await self.goes_on(self.good, 1)
            if heard():
                break
        await eventually(heard)
        return found[0].split()[1:]


@asynccontextmanager
async def beside(
    how: str, way: str | None = None, *, managed: bool = True, **more: object
) -> AsyncIterator[Neighbours]:
    """`way`: which means of isolation, the strongest that this machine has if not said."""
    with tempfile.TemporaryDirectory() as scratch:
        isolation = isolation_by(way or "own namespaces", Path(scratch))
        async with played_instance(isolation=isolation) as instance:
            runtimes = InstalledRuntimes(CACHE, "us-east-1", strict=False, aws_layout=isolation.has_aws_layout)
            object.__setattr__(instance.agent._facilities, "runtimes", runtimes)
            good = environment_spec(
                instance.server.package({"bootstrap": FUNCTION}, executable=("bootstrap",)),
                environment_id="env-good",
                timeout_seconds=60.0,
                runtime="provided.al2023",
                log_stream="good",
            )
            fields: dict[str, object] = {
                "environment_id": "env-bad",
                "log_stream": "bad",
                "layers": (instance.server.package({"extensions/bad": EXTENSION}, executable=("extensions/bad",)),),
                "environment_variables": {"HOW": how, "GO": f"/tmp/{Path(scratch).name}-go"},
                **more,
            }
            bad = msgspec.structs.replace(good, **fields)
            if not managed:
                bad = msgspec.structs.replace(bad, initialization_type="on-demand", max_concurrency=1)
            instance.server.configure(bad, good)
            for spec in (bad, good):
                await instance.server.phase(spec, "ready")
            yield Neighbours(instance, bad, good)


async def test_one_that_floods_its_output_is_slowed_down() -> None:
    async with beside("flood_output") as two:
        two.instance.server.acknowledges_logs = False
        await two.goes_on(two.good, 50)
        await two.goes_on(two.bad)
        assert two.instance.agent._shipper.waiting_bytes < ALL_STREAMS_KEEP_BYTES
        assert two.environment.machine.in_flight == 0


async def test_one_that_floods_its_api_is_answered_and_costs_no_slot() -> None:
    async with beside("flood_api") as two:
        statuses = await two.said("statuses")
        assert {"200", "403", "404", "405"} <= set(statuses)
        assert all(int(status) < 500 for status in statuses)
        await two.goes_on(two.bad)
        assert two.environment.machine.slots == two.bad.max_concurrency


async def test_one_that_posts_garbage_is_told_that_it_is() -> None:
    async with beside("post_garbage") as two:
        statuses = await two.said("statuses")
        assert "400" in statuses
        assert all(int(status) < 500 for status in statuses)
        await two.goes_on(two.bad)


async def test_one_that_opens_hundreds_of_connections_has_so_many_and_no_more() -> None:
    async with beside("open_connections") as two:
        limit = 2 * two.bad.max_concurrency + SPARE_CONNECTIONS
        (left,) = await two.said("open")
        assert 0 < int(left) <= limit
        assert len(two.environment.server.connections) <= limit
        await two.goes_on(two.bad)


async def test_one_that_leaks_connections_does_not_keep_the_runtime_out() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        limit = 2 * spec.max_concurrency + SPARE_CONNECTIONS
        leaked = [await instance.runtime(spec) for _ in range(limit + 10)]
        connections = instance.agent.environments[spec.environment_id].server.connections
        await eventually(lambda: len(connections) == limit)
        answer = instance.server.invoke(spec)
        event = await worker.event()
        another = await instance.runtime(spec)
        assert (await another.respond(event, b"1")).status == 202
        assert (await answer.result())[1] == b"1"
        assert len(connections) <= limit
        assert await leaked[0].closed()


async def test_one_that_subscribes_again_and_again_is_refused_in_the_end() -> None:
    async with beside("subscribe_again_and_again") as two:
        assert await two.said("accepted") == [str(SUBSCRIPTIONS), "refused", str(300 - SUBSCRIPTIONS)]
        await two.goes_on(two.bad)


async def test_one_that_never_answers_telemetry_is_left_alone_with_what_it_missed() -> None:
    async with beside("never_answer_telemetry") as two:
        assert await two.said("subscribed") == ["200"]
        (subscriber,) = two.environment._telemetry._subscribers.values()
        header, body = await two.instance.server.invoke(two.bad, b'{"do": "flood"}').result()
        assert (header.outcome, body) == ("ok", b'"written"')
        await two.goes_on(two.good)
        assert subscriber.queue._bytes <= WAITING_BATCHES * subscriber.subscription.buffering.max_bytes
        assert subscriber.queue._dropped_records > 0
        two.instance.server.configure(two.good)
        await two.instance.server.phase(two.bad, "ended")
        await two.goes_on(two.good)


async def test_one_that_never_asks_again_costs_its_environment_and_nobody_else() -> None:
    async with beside("never_come_back", managed=False, timeout_seconds=1.0) as two:
        header, _ = await two.instance.server.invoke(two.bad, timeout_seconds=1.0).result()
        assert (header.outcome, header.slot_held) == ("ok", True)
        refused, _ = await two.instance.server.invoke(two.bad).result()
        assert refused.outcome == "refused"
        await two.goes_on(two.good)
        report = await two.instance.server.phase(two.bad, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Sandbox.Timedout"
        assert len(two.instance.server.released) == 1
        await two.goes_on(two.good)


@pytest.mark.parametrize("way", WAYS)
async def test_one_that_ignores_the_end_is_ended(way: str) -> None:
    async with beside("ignore_the_end", way) as two:
        two.instance.server.configure(two.good)
        assert await two.said("heard") == ["spindown"]
        report = await two.instance.server.phase(two.bad, "ended")
        assert report.failure is None
        await two.goes_on(two.good)
        two.instance.server.configure()
        await two.instance.server.phase(two.good, "ended")
        assert two.instance.living() == []


@pytest.mark.parametrize("way", WAYS)
async def test_what_one_leaves_behind_ends_with_it(way: str) -> None:
    async with beside("leave_children", way) as two:
        two.instance.server.invoke(two.bad, b'{"do": "go"}')
        report = await two.instance.server.phase(two.bad, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Extension.Crash"
        await two.goes_on(two.good)
        two.instance.server.configure()
        await two.instance.server.phase(two.good, "ended")
        assert two.instance.living() == []
