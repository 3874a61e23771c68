"""An agent that does what a test tells it: speaks frames on a unix socket, runs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from paddock.wire.agent import (
    AgentHello,
    EnvironmentChanged,
    EnvironmentReport,
    InvokeHeader,
    ResultHeader,
    ServerHello,
    SlotReleased,
    StreamHeader,
    encoder,
    invoke_header_decoder,
    server_message_decoder,
)
from paddock.wire.frames import FrameKind
from paddock.wire.stream import Frame, FrameReader, frames_of


@dataclass
class Invocation:
    """One call as the agent has it."""

    agent: ScriptedAgent
    writer: asyncio.StreamWriter
    call: int
    header: InvokeHeader
    payload: bytes = b""

    def answer(self, body: bytes = b'"done"', *, slot_held: bool = False, duration_us: int = 100) -> None:
        self.end(ResultHeader("ok", duration_us=duration_us, slot_held=slot_held), body)

    def fail(self, body: bytes, error_type: str = "Runtime.Unknown", *, slot_held: bool = False) -> None:
        self.end(ResultHeader("function_error", error_type=error_type, slot_held=slot_held), body)

    def refuse(self, error_type: str = "Runtime.Unavailable") -> None:
        self.end(ResultHeader("refused", error_type=error_type), b"")

    def end(self, result: ResultHeader, body: bytes) -> None:
        self.write(FrameKind.RESULT, encoder.encode(result), body)

    def start_stream(self, content_type: str = "application/octet-stream") -> None:
        self.write(FrameKind.STREAM_HEAD, encoder.encode(StreamHeader(content_type)))

    def stream(self, piece: bytes) -> None:
        self.write(FrameKind.DATA, b"", piece)

    def end_stream(self, result: ResultHeader | None = None, body: bytes = b"") -> None:
        self.write(FrameKind.STREAM_END, encoder.encode(result or ResultHeader("ok")), body)

    def release_slot(self) -> None:
        released = SlotReleased(self.header.environment_id, self.header.invocation_id)
        self.write(FrameKind.SLOT_RELEASED, encoder.encode(released))

    def write(self, kind: FrameKind, header: bytes, payload: bytes = b"") -> None:
        self.writer.writelines(frames_of(kind, self.call, header, payload))


Script = Callable[[Invocation], None]


def answer(invocation: Invocation) -> None:
    invocation.answer()


def refuse(invocation: Invocation) -> None:
    invocation.refuse()


def keep(_invocation: Invocation) -> None:
    """Answer nothing: the test does, later."""


@dataclass
class ScriptedAgent:
    instance_id: str
    path: Path
    script: Script = answer
    hellos: list[ServerHello] = field(default_factory=list)
    invocations: list[Invocation] = field(default_factory=list)
    tellings: list[tuple[FrameKind, int]] = field(default_factory=list)
    _arriving: dict[int, Invocation] = field(default_factory=dict)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _reading: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        return f"unix:{self.path}"

    @property
    def connections(self) -> int:
        return len(self._writers)

    def read(self, reading: bool) -> None:
        """Stop reading from the router, or go on."""
        if reading:
            self._reading.set()
        else:
            self._reading.clear()

    def drop_connections(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    def say(self, report: EnvironmentReport) -> None:
        self._write(encoder.encode(EnvironmentChanged(report)))

    def babble(self) -> None:
        for writer in self._writers:
            writer.write(b"\xff" * 64)

    def _write(self, message: bytes) -> None:
        for writer in self._writers:
            writer.writelines(frames_of(FrameKind.CONTROL, 0, b"", message))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        frames = FrameReader()
        try:
            while data := await reader.read(65536):
                for frame in frames.feed(data):
                    self._frame(frame, writer)
                await self._reading.wait()
        except ConnectionError:
            pass
        finally:
            self._writers.remove(writer)
            writer.close()

    def _frame(self, frame: Frame, writer: asyncio.StreamWriter) -> None:
        if frame.kind is FrameKind.CONTROL:
            hello = server_message_decoder.decode(frame.payload)
            assert isinstance(hello, ServerHello)
            self.hellos.append(hello)
            # Long enough to take several frames, as the hello of a full instance is.
            greeting = AgentHello(self.instance_id, "x" * 100_000, 1, 0, (), "plain")
            writer.writelines(frames_of(FrameKind.CONTROL, 0, b"", encoder.encode(greeting)))
        elif frame.kind is FrameKind.INVOKE:
            header = invoke_header_decoder.decode(frame.header)
            self._arriving[frame.call] = Invocation(self, writer, frame.call, header, frame.payload)
            self._take(frame)
        elif frame.kind is FrameKind.DATA:
            self._arriving[frame.call].payload += frame.payload
            self._take(frame)
        else:
            self.tellings.append((frame.kind, frame.call))

    def _take(self, frame: Frame) -> None:
        if not frame.more:
            invocation = self._arriving.pop(frame.call)
            self.invocations.append(invocation)
            self.script(invocation)


@asynccontextmanager
async def scripted_agent(instance_id: str, directory: Path, script: Script = answer) -> AsyncIterator[ScriptedAgent]:
    agent = ScriptedAgent(instance_id, directory / f"{instance_id}.sock", script)
    agent.read(reading=True)
    server = await asyncio.start_unix_server(agent.serve, agent.path)
    try:
        yield agent
    finally:
        server.close()
        agent.read(reading=True)
        agent.drop_connections()
        agent.path.unlink(missing_ok=True)
