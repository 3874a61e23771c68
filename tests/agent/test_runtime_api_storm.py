"""Ten thousand requests of a runtime that does everything wrong: no answer is a 5xx, none is missing, no slot is lost.

The requests are well-formed HTTP, other than those of `test_runtime_api_fuzz`: wrong are their order, their ids, their
headers and their bodies. The dice are seeded.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import msgspec
import pytest

from paddock.wire.agent import EnvironmentSpec
from tests.agent.instances import PlayedInstance, Reply, RuntimeClient, eventually, path_of, played_instance
from tests.agent.server_side import Answer

SEEDS = range(8)
REQUESTS = 1_250
"""For each of the seeds."""
SLOTS = 6
ALLOWED = {200, 202, 400, 403, 404, 405, 410, 413}
PREFIX = "/2018-06-01/runtime/invocation"
ROUTES = ["/", "/2018-06-01/ping", f"{PREFIX}/x/y", f"{PREFIX}//response", "/2021-04-23/credentials", "/%00", PREFIX]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
BODIES = [b"", b"{}", b"\0\xff", b"[" * 5_000, b'{"errorMessage": 1}', b"x" * 70_000]
HEADERS: list[dict[str, str]] = [
    {},
    {"Content-Type": "a/b\tc"},
    {"Lambda-Runtime-Function-Error-Type": "Function.bad one"},
    {"Lambda-Runtime-Function-XRay-Error-Cause": "{" * 2_000},
    {"Lambda-Runtime-Function-XRay-Error-Cause": '{"message": "no"}'},
    {"Lambda-Runtime-Function-Response-Mode": "sideways"},
    {"Lambda-Runtime-Function-Response-Mode": "streaming"},
    {"Lambda-Runtime-Invocation-Id": "another delivery's"},
]


@dataclass
class Delivered:
    event: Reply
    answer: Answer


@dataclass
class Storm:
    instance: PlayedInstance
    spec: EnvironmentSpec
    other: Delivered
    dice: random.Random
    client: RuntimeClient
    running: list[Delivered] = field(default_factory=list)
    over: list[Delivered] = field(default_factory=list)
    asked: int = 0

    async def post(self, path: str, body: bytes = b"{}", headers: dict[str, str] | None = None) -> int:
        return (await self.call("POST", path, body, headers)).status

    async def call(self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None) -> Reply:
        self.asked += 1
        reply = await self.client.call(method, path, body, headers)
        assert reply.status in ALLOWED, (method, path, headers, reply)
        return reply

    async def take(self) -> None:
        """One more event. Of all open polls the newest is served first."""
        if len(self.running) >= SLOTS:
            return
        machine = self.instance.agent.environments[self.spec.environment_id].machine
        polls = machine.open_polls
        poller = await self.instance.runtime(self.spec)
        await poller.poll()
        await eventually(lambda: machine.open_polls > polls)
        self.asked += 1
        answer = self.instance.server.invoke(self.spec, timeout_seconds=self.dice.choice([0.02, 60.0]))
        self.running.append(Delivered(await poller.event(), answer))
        poller.close()

    async def one(self) -> None:
        dice = self.dice
        action = dice.choice(("response", "error"))
        kind = dice.randrange(10)
        if kind < 4:
            await self.take()
        elif kind == 4:
            await self.call(dice.choice(METHODS), dice.choice(ROUTES), dice.choice(BODIES), dice.choice(HEADERS))
        elif kind == 5:
            await self.post("/2018-06-01/runtime/init/error", dice.choice(BODIES), dice.choice(HEADERS))
        elif kind == 6:
            assert await self.post(path_of(self.other.event, action)) == 400
        elif kind == 7 and self.over:
            assert await self.post(path_of(dice.choice(self.over).event, action), dice.choice(BODIES)) in {400, 410}
        elif self.running:
            await self.finish(action)

    async def finish(self, action: str) -> None:
        one = self.running[self.dice.randrange(len(self.running))]
        headers = self.dice.choice(HEADERS)
        status = await self.post(path_of(one.event, action), self.dice.choice(BODIES), headers)
        if status != 410 or "Lambda-Runtime-Invocation-Id" not in headers:
            self.running.remove(one)
            self.over.append(one)

    async def finish_all(self) -> None:
        while self.running:
            await self.finish("response")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_no_request_is_answered_with_5xx_and_no_slot_is_lost(seed: int) -> None:
    async with played_instance() as instance:
        other_spec, (neighbour,) = await instance.start(max_concurrency=1, environment_id="env-other")
        foreign = instance.server.invoke(other_spec, invocation_id="r-foreign", timeout_seconds=600)
        other = Delivered(await neighbour.event(), foreign)
        spec = msgspec.structs.replace(
            other_spec, environment_id="env-storm", runtime="provided.al2023", max_concurrency=SLOTS
        )
        instance.server.configure(other_spec, spec)
        for _ in range(SLOTS):
            await (await instance.runtime(spec)).poll()
        await instance.server.phase(spec, "ready")
        storm = Storm(instance, spec, other, random.Random(seed), await instance.runtime(spec))
        while storm.asked < REQUESTS:
            await storm.one()
        await storm.finish_all()
        results = [await one.answer.result() for one in storm.over]
        assert {header.outcome for header, _ in results} <= {"ok", "function_error"}
        machine = instance.agent.environments[spec.environment_id].machine
        assert (machine.in_flight, machine.slots) == (0, SLOTS)
        assert (await neighbour.respond(other.event, b"mine")).status == 202
        assert (await foreign.result())[1] == b"mine"
