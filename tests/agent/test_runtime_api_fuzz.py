"""Whatever a runtime sends, the agent stands, the other connections are served, and every caller gets one answer."""

import asyncio
import contextlib
import random

import pytest

from tests.agent.instances import PlayedInstance, RuntimeClient, played_instance

ROUNDS = 25
PIECES = [
    b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /2018-06-01/ping HTTP/1.1\r\n\r\n",
    b"POST /2018-06-01/runtime/invocation/request-1/response HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /2018-06-01/runtime/invocation/request-2/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"Lambda-Runtime-Function-Response-Mode: streaming\r\n",
    b"Lambda-Runtime-Invocation-Id: x\r\n",
    b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 4\r\n\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\nLambda-Runtime-Function-Error-Type: Function.X\r\n\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0\0\0\0",
    b"\xff\xfe",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"x" * 5000,
]


async def babble(client: RuntimeClient, dice: random.Random) -> None:
    """Pieces of requests in any order, some of them damaged, then perhaps a close."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        for _ in range(dice.randint(1, 6)):
            piece = bytearray(dice.choice(PIECES))
            if dice.random() < 0.3:
                piece[dice.randrange(len(piece))] = dice.randrange(256)
            client.writer.write(piece)
            await client.writer.drain()
            if dice.random() < 0.5:
                await asyncio.sleep(0)
        if dice.random() < 0.5:
            client.close()
        else:
            async with asyncio.timeout(0.01):
                await client.reader.read(100)


async def still_serves(instance: PlayedInstance, runtime: RuntimeClient) -> None:
    reply = await runtime.call("GET", "/2018-06-01/ping")
    assert (reply.status, reply.body) == (200, b"pong")


@pytest.mark.parametrize("runtime", ["python3.13", "nodejs22.x", "provided.al2023"])
@pytest.mark.parametrize("seed", range(4))
async def test_any_bytes_from_a_runtime_are_survived(runtime: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(seed)
    async with played_instance() as instance:
        spec, workers = await instance.start(runtime, max_concurrency=4)
        good = await instance.runtime(spec)
        answers = [instance.server.invoke(spec, timeout_seconds=0.8) for _ in range(3)]
        for _ in range(ROUNDS):
            await babble(await instance.runtime(spec), dice)
        for worker in workers[:2]:
            await babble(worker, dice)
        await still_serves(instance, good)
        results = [await answer.result() for answer in answers]
        assert {header.outcome for header, _ in results} <= {"ok", "function_error"}
        assert instance.agent.environments[spec.environment_id].machine.in_flight <= 4
        assert len(instance.server.reports) == 1
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []
