"""Router and agent in one process: `python -m bench.one_process SLOTS`. What the platform costs without the hop.

The front, the signature check, the router and the agent's half of an execution environment are as they are, frames and
all; only the socket between router and agent is a list in memory. Log records are made, shipped and thrown away.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, cast

import uvloop

from bench.front import ENVIRONMENT, INSTANCE, composed, routes
from paddock.agent.calls import Call
from paddock.agent.invocations import InvocationServer
from paddock.agent.limits import LOG_FLUSH_SECONDS
from paddock.agent.link import Link
from paddock.agent.log_shipping import LogShipper
from paddock.agent.platform_events import PlatformEvents
from paddock.agent.runtime_api import RuntimeConnection
from paddock.agent.timebase import Timebase
from paddock.awsapi.http import Address, serve
from paddock.core.environment import EnvironmentMachine, RuntimeWorkers
from paddock.ports import collector
from paddock.ports.clock import RandomIds, SystemClock
from paddock.router.link import AgentLink
from paddock.wire.agent import AgentHello, EnvironmentSpec, LogBatch, ServerHello, ServerMessage, agent_message_decoder


class InMemory(asyncio.Transport):
    """One end of a connection: what is written is read by the other end's protocol in the next turn of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = cast("asyncio.Protocol", None)
        self._loop = asyncio.get_running_loop()
        self._written: list[Any] = []

    def write(self, data: Any) -> None:
        if not self._written:
            self._loop.call_soon(self._pass_on)
        self._written.append(data)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def _pass_on(self) -> None:
        written, self._written = self._written, []
        self.reader.data_received(written[0] if len(written) == 1 else b"".join(written))


class Agent:
    """As much of an agent as one environment needs (`LinkOwner` of the agent's link)."""

    def __init__(self, slots: int) -> None:
        timebase = Timebase(SystemClock())
        self.shipper = LogShipper(timebase)
        spec = EnvironmentSpec(
            ENVIRONMENT, "f", "arn", "1", "r1", "python3.13", "index.handler", "", 2048, 1.0, slots, 30.0, 30.0,
            "/aws/lambda/f", "stream",
        )  # fmt: skip
        stream = self.shipper.open_stream(spec.log_group, spec.log_stream)
        events = PlatformEvents(spec, timebase, stream.add, stream.add_unwritten)
        self.machine: Any = EnvironmentMachine(
            max_concurrency=slots, workers=RuntimeWorkers.OWN_CONNECTION, nonce_prefix=RandomIds().hex(8)
        )
        self.invocations = InvocationServer(
            self.machine,
            timebase,
            events,
            max_concurrency=slots,
            ready=lambda: None,
            recycling=lambda: None,
            check_memory=lambda: None,
            ended=lambda _failure: sys.exit("the environment has ended"),
        )
        self.shipper.connected(self._forget)

    def _forget(self, batch: bytes) -> None:
        decoded = agent_message_decoder.decode(batch)
        assert isinstance(decoded, LogBatch)
        asyncio.get_running_loop().call_soon(self.shipper.acknowledge, decoded.sequence)

    def admits(self, _link: Link) -> bool:
        return True

    def hello(self, link: Link, message: ServerHello) -> bool:
        link.role = message.role
        link.send(AgentHello(INSTANCE, "bench", 0, 0, (), "none"))
        return True

    def lost(self, _link: Link) -> None:
        sys.exit("the link is lost")

    def control(self, _link: Link, _message: ServerMessage) -> None:
        pass

    def has_room(self, _environment_id: str) -> bool:
        return True

    def invoke(self, call: Call) -> None:
        self.invocations.invoke(call)


async def run(slots: int) -> None:
    loop = asyncio.get_running_loop()
    agent = Agent(slots)
    router, front = composed(check=True)
    router.apply(routes(None, slots))
    theirs, ours = InMemory(), InMemory()
    theirs.reader = AgentLink(ServerHello("router", "token", "bench"), router._dispatcher)  # noqa: SLF001
    ours.reader = Link(agent)
    theirs.reader.connection_made(ours)
    ours.reader.connection_made(theirs)
    api = await loop.create_server(lambda: RuntimeConnection(agent.invocations), "127.0.0.1", 0)
    collector.settle()
    async with api, front.running(), serve(front.handle, Address(), clock=SystemClock()) as server:
        print(json.dumps({"port": server.port, "runtime_api_port": api.sockets[0].getsockname()[1]}), flush=True)
        while agent.machine.open_polls < slots:  # noqa: ASYNC110 - the machine has no event for it
            await asyncio.sleep(0.01)
        print("ready", flush=True)
        while True:
            agent.shipper.ship()
            await asyncio.sleep(LOG_FLUSH_SECONDS)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(int(sys.argv[1])))
