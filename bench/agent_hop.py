"""`python -m bench.agent_hop`: CPU of one agent for each invocation, with a runtime that answers at once.

The driver speaks the wire protocol as a router does and keeps a number of invocations in flight; the runtime is a loop
over raw sockets. Only the agent's own CPU time is counted, so neighbours disturb the rate more than the figure.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import shutil
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import cast

import uvloop

from bench.code import AT_ONCE, package
from paddock.launchers.instance_directory import InstanceDirectory
from paddock.launchers.local import LocalLauncher
from paddock.launchers.processes import TICKS_PER_SECOND, all_stats, descendants
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import AvailabilityZone, CapacityProviderName, InstanceId, SubnetId
from paddock.model.instance_types import InstanceType
from paddock.model.states import InstancePhase
from paddock.ports.clock import RandomIds, SystemClock
from paddock.ports.launcher import LaunchRequest, ObservedInstance
from paddock.wire.agent import (
    AcknowledgeLogs,
    AgentConfiguration,
    CodeChunk,
    Configure,
    EnvironmentChanged,
    EnvironmentFailureReport,
    EnvironmentSpec,
    FetchCode,
    InvokeHeader,
    LogBatch,
    ServerHello,
    ServerMessage,
    agent_message_decoder,
    encoder,
    result_header_decoder,
)
from paddock.wire.frames import FrameKind
from paddock.wire.stream import FrameReader, frames_of

TOKEN = RandomIds().hex(32)


class Driver(asyncio.Protocol):
    """A server of both roles in one connection: it configures, sends code, invokes."""

    def __init__(self, package: bytes) -> None:
        self.ready = asyncio.Event()
        self.failure: EnvironmentFailureReport | None = None
        self.latencies: list[float] = []
        self.refused = 0
        self.running = False
        self._package = package
        self._reader = FrameReader()
        self._started: dict[int, float] = {}
        self._calls = 0
        self._ids = RandomIds()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, message: ServerMessage) -> None:
        self._write(frames_of(FrameKind.CONTROL, 0, b"", encoder.encode(message)))

    def _write(self, pieces: list[bytes]) -> None:
        assert self._transport is not None
        self._transport.write(b"".join(pieces))

    def invoke(self, environment_id: str, event: bytes) -> None:
        self._calls += 1
        header = InvokeHeader(environment_id, self._ids.uuid(), "arn:aws:lambda:us-east-1:0:function:f:1", 3000)
        self._started[self._calls] = time.perf_counter()
        self._write(frames_of(FrameKind.INVOKE, self._calls, encoder.encode(header), event))
        self._again = (environment_id, event)

    def data_received(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            if frame.kind is FrameKind.RESULT:
                self.latencies.append(time.perf_counter() - self._started.pop(frame.call))
                self.refused += result_header_decoder.decode(frame.header).outcome != "ok"
                if self.running:
                    self.invoke(*self._again)
            elif frame.kind is FrameKind.CONTROL:
                self._control(frame.payload)

    def _control(self, payload: bytes) -> None:
        match agent_message_decoder.decode(payload):
            case FetchCode(code_sha256):
                self.send(CodeChunk(code_sha256, 0, self._package, last=True))
            case LogBatch(sequence):
                self.send(AcknowledgeLogs(sequence))
            case EnvironmentChanged(environment) if environment.phase in {"ready", "ended"}:
                self.failure = environment.failure
                self.ready.set()
            case _:
                pass


def agent_seconds(directory: Path) -> float:
    """CPU time of the watchdog's child."""
    recorded = InstanceDirectory(directory).process()
    assert recorded is not None
    stats = all_stats()
    agent = next(
        stat for stat in stats if stat.pid in descendants([recorded.pid], stats) and stat.parent == recorded.pid
    )
    return agent.cpu_ticks / TICKS_PER_SECOND


async def reach(launcher: LocalLauncher, phase: InstancePhase) -> ObservedInstance:
    for _ in range(1000):
        (observed,) = await launcher.list()
        if observed.phase is phase:
            return observed
        await asyncio.sleep(0.02)
    raise TimeoutError(phase)


async def measure(options: argparse.Namespace, data_dir: Path) -> None:
    code = package(AT_ONCE)
    launcher = LocalLauncher(data_dir, SystemClock(), region="us-east-1", account_id="0" * 12)
    instance_id = InstanceId("i-bench")
    await launcher.launch(
        LaunchRequest(
            instance_id,
            CapacityProviderName("bench"),
            InstanceType("m7g.large", 2, 8.0, Architecture.ARM64),
            AvailabilityZone("us-east-1a"),
            SubnetId("subnet-a"),
            (),
            2.0,
            strict_cpu=False,
            token=TOKEN,
        )
    )
    try:
        await drive(launcher, code, options, data_dir / "instances" / instance_id)
    finally:
        await launcher.terminate(instance_id, 1)
        await reach(launcher, InstancePhase.TERMINATED)


async def drive(launcher: LocalLauncher, code: bytes, options: argparse.Namespace, directory: Path) -> None:
    observed = await reach(launcher, InstancePhase.RUNNING)
    assert observed.address is not None, observed
    driver = Driver(code)
    await asyncio.get_running_loop().create_unix_connection(lambda: driver, observed.address.removeprefix("unix:"))
    driver.send(ServerHello("control", TOKEN, "bench"))
    spec = EnvironmentSpec(
        "env-1", "f", "arn:f", "1", "r1", "provided.al2023", "x",
        base64.b64encode(hashlib.sha256(code).digest()).decode(),
        2048, 1.0, options.slots, 3.0, 30.0, "/aws/lambda/f", "stream",
        system_log_level=options.log_level,
    )  # fmt: skip
    driver.send(Configure(AgentConfiguration(1, (spec,))))
    await driver.ready.wait()
    if driver.failure is not None:
        raise RuntimeError(f"the runtime did not start: {driver.failure}")
    await asyncio.sleep(0.3)
    print(f"{'in flight':>9} {'/s':>7} {'agent µs':>9} {'p50 ms':>7} {'p99 ms':>7} refused")
    for in_flight in options.in_flight:
        for _ in range(options.rounds):
            await one_round(driver, in_flight, options, directory)


async def one_round(driver: Driver, in_flight: int, options: argparse.Namespace, directory: Path) -> None:
    driver.running = True
    for _ in range(in_flight):
        driver.invoke("env-1", b"x" * options.payload)
    await asyncio.sleep(0.3)
    driver.latencies.clear()
    driver.refused = 0
    cpu, began = agent_seconds(directory), time.perf_counter()
    await asyncio.sleep(options.seconds)
    cpu, elapsed = agent_seconds(directory) - cpu, time.perf_counter() - began
    count = len(driver.latencies)
    cuts = statistics.quantiles(driver.latencies, n=100)
    driver.running = False
    await asyncio.sleep(0.2)
    print(
        f"{in_flight:9} {count / elapsed:7.0f} {cpu / count * 1e6:9.1f} {cuts[49] * 1e3:7.3f} {cuts[98] * 1e3:7.3f} "
        f"{driver.refused}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--payload", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--log-level", default="INFO", help="INFO writes two platform records for each invocation")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the agent is ended then too
    data_dir = Path(tempfile.mkdtemp(prefix="paddock-agent-hop-"))
    try:
        uvloop.run(measure(options, data_dir))
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


if __name__ == "__main__":
    main()
