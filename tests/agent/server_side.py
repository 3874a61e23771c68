"""A server as the agent sees one: the other end of a link, for tests. Speaks `paddock.wire` and nothing else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
import zipfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from paddock.wire.agent import (
    AcknowledgeLogs,
    AgentConfiguration,
    AgentHello,
    AgentMessage,
    CodeChunk,
    Configure,
    EnvironmentChanged,
    EnvironmentReport,
    EnvironmentSpec,
    FetchCode,
    InvokeHeader,
    LogBatch,
    Report,
    ResultHeader,
    Role,
    ServerHello,
    ServerMessage,
    SlotReleased,
    StreamHeader,
    agent_message_decoder,
    encoder,
    result_header_decoder,
    slot_released_decoder,
    stream_header_decoder,
)
from paddock.wire.frames import FrameKind
from paddock.wire.stream import Frame, FrameReader, frames_of

PATIENCE_SECONDS = 20.0
"""For anything awaited in a test; only a failing one takes so long."""

MessageT = TypeVar("MessageT", bound=msgspec.Struct)


@dataclass
class Answer:
    """What came back for one call. `streamed` holds the chunks of a stream in order, `head` its opening."""

    done: asyncio.Future[ResultHeader]
    body: bytearray = field(default_factory=bytearray)
    head: StreamHeader | None = None
    streamed: list[bytes] = field(default_factory=list)
    _pending: ResultHeader | None = None

    async def result(self) -> tuple[ResultHeader, bytes]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            header = await self.done
        return header, bytes(self.body)


class ServerSide:
    """Answers `FetchCode` from `packages` and acknowledges logs at once, unless told otherwise."""

    def __init__(self) -> None:
        self.packages: dict[str, bytes] = {}
        self.acknowledges_logs = True
        self.sends_code = True
        self.messages: deque[AgentMessage] = deque()
        self.log_lines: list[tuple[str, bytes, str]] = []
        self.phases: dict[str, list[str]] = {}
        self.reports: dict[str, EnvironmentReport] = {}
        self.memory_peaks: dict[str, int] = {}
        self.released: list[SlotReleased] = []
        self.closed = asyncio.Event()
        self._news = asyncio.Condition()
        self._answers: dict[int, Answer] = {}
        self._calls = 0
        self._generation = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def connect(
        self, path: str, *, token: str = "token", role: Role = "control", version: int | None = None
    ) -> AgentHello | None:
        """None when the agent refuses."""
        self._reader, self._writer = await asyncio.open_unix_connection(path, limit=1 << 24)
        hello = ServerHello(role, token, "server-1")
        if version is not None:
            hello = msgspec.structs.replace(hello, protocol_version=version)
        self._reading = asyncio.get_running_loop().create_task(self._read())
        self.send(hello)
        return await self.message(AgentHello)

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._reading

    # Sending

    def send(self, message: ServerMessage) -> None:
        self.write(frames_of(FrameKind.CONTROL, 0, b"", encoder.encode(message)))

    def write(self, pieces: list[bytes]) -> None:
        assert self._writer is not None
        self._writer.writelines(pieces)

    def configure(self, *environments: EnvironmentSpec, generation: int | None = None) -> None:
        self._generation = self._generation + 1 if generation is None else generation
        self.send(Configure(AgentConfiguration(self._generation, environments)))

    def package(self, files: Mapping[str, bytes | str], *, executable: tuple[str, ...] = ()) -> str:
        """Keeps a ZIP of these files; returns its CodeSha256."""
        return self.keep(zip_of(files, executable=executable))

    def keep(self, package: bytes) -> str:
        code_sha256 = base64.b64encode(hashlib.sha256(package).digest()).decode()
        self.packages[code_sha256] = package
        return code_sha256

    def invoke(
        self,
        spec: EnvironmentSpec,
        event: bytes = b"{}",
        *,
        invocation_id: str | None = None,
        timeout_seconds: float | None = None,
        streaming: bool = False,
        trace_header: str = "",
        client_context: str = "",
        cognito_identity: str = "",
        content_type: str = "application/json",
        tail: bool = False,
    ) -> Answer:
        self._calls += 1
        number = self._calls
        answer = Answer(asyncio.get_running_loop().create_future())
        self._answers[number] = answer
        described = InvokeHeader(
            spec.environment_id,
            invocation_id or f"request-{number}",
            spec.function_arn,
            int((timeout_seconds or spec.timeout_seconds) * 1000),
            trace_header,
            client_context,
            cognito_identity,
            content_type,
            streaming,
            tail,
        )
        self.write(frames_of(FrameKind.INVOKE, number, encoder.encode(described), event))
        return answer

    def steer(self, kind: FrameKind, answer: Answer) -> None:
        number = next(number for number, known in self._answers.items() if known is answer)
        self.write(frames_of(kind, number, b"", b""))

    # Receiving

    async def _read(self) -> None:
        assert self._reader is not None
        frames = FrameReader()
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(1 << 18):
                for frame in frames.feed(data):
                    self._take(frame)
                async with self._news:
                    self._news.notify_all()
        self.closed.set()
        async with self._news:
            self._news.notify_all()

    def _take(self, frame: Frame) -> None:
        if frame.kind is FrameKind.CONTROL:
            self._control(agent_message_decoder.decode(frame.payload))
            return
        if frame.kind is FrameKind.SLOT_RELEASED:
            self.released.append(slot_released_decoder.decode(frame.header))
            return
        answer = self._answers[frame.call]
        if frame.kind is FrameKind.STREAM_HEAD:
            answer.head = stream_header_decoder.decode(frame.header)
        elif frame.kind is FrameKind.DATA and answer.head is not None:
            answer.streamed.append(frame.payload)
        elif frame.kind is FrameKind.DATA:
            answer.body += frame.payload
            if not frame.more and answer._pending is not None:
                answer.done.set_result(answer._pending)
        else:
            answer.body += frame.payload
            header = result_header_decoder.decode(frame.header)
            if frame.more:
                answer._pending = header
            else:
                answer.done.set_result(header)

    def _control(self, message: AgentMessage) -> None:
        if isinstance(message, FetchCode):
            self._send_code(message.code_sha256)
        elif isinstance(message, LogBatch):
            self.log_lines += [(message.log_stream, record.message, record.request_id) for record in message.records]
            if self.acknowledges_logs:
                self.send(AcknowledgeLogs(message.sequence))
        elif isinstance(message, EnvironmentChanged):
            self._saw(message.environment)
        elif isinstance(message, Report):
            for environment in message.environments:
                self._saw(environment)
        self.messages.append(message)

    def _saw(self, environment: EnvironmentReport) -> None:
        phases = self.phases.setdefault(environment.environment_id, [])
        if phases[-1:] != [environment.phase]:
            phases.append(environment.phase)
        self.reports[environment.environment_id] = environment
        before = self.memory_peaks.get(environment.environment_id, 0)
        self.memory_peaks[environment.environment_id] = max(before, environment.peak_memory_bytes)

    def _send_code(self, code_sha256: str) -> None:
        if not self.sends_code:
            return
        package = self.packages.get(code_sha256)
        if package is None:
            self.send(CodeChunk(code_sha256, 0, b"", last=True, error="there is no such package"))
            return
        step = 100_000
        for at in range(0, len(package), step):
            self.send(CodeChunk(code_sha256, at, package[at : at + step], last=at + step >= len(package)))

    async def until(self, is_so: Callable[[], bool]) -> bool:
        """Waits for news until it is so; False when the connection closes first."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            while not is_so():
                if self.closed.is_set():
                    return False
                await self._news.wait()
        return True

    async def message(self, kind: type[MessageT]) -> MessageT | None:
        """The next message of the kind; what came before it is dropped. None when the connection closes first."""
        found: list[MessageT] = []

        def taken() -> bool:
            while self.messages and not found:
                message = self.messages.popleft()
                if isinstance(message, kind):
                    found.append(message)
            return bool(found)

        await self.until(taken)
        return found[0] if found else None

    async def phase(self, spec: EnvironmentSpec, phase: str) -> EnvironmentReport:
        """Waits until the environment is (or was) in the phase; its last report."""
        return await self.phase_of(spec.environment_id, phase)

    async def phase_of(self, environment_id: str, phase: str) -> EnvironmentReport:
        assert await self.until(lambda: phase in self.phases.get(environment_id, []))
        return self.reports[environment_id]

    async def logged(self, text: str) -> bytes:
        """The first log line that holds the text."""
        assert await self.until(lambda: any(text.encode() in line for _, line, _ in self.log_lines))
        return next(line for _, line, _ in self.log_lines if text.encode() in line)


def zip_of(files: Mapping[str, bytes | str], *, executable: tuple[str, ...] = ()) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name in executable else 0o100644) << 16
            package.writestr(entry, content)
    return packed.getvalue()


def environment_spec(
    code_sha256: str = "",
    *,
    environment_id: str = "env-1",
    runtime: str = "provided.al2023",
    max_concurrency: int = 2,
    timeout_seconds: float = 10.0,
    **more: object,
) -> EnvironmentSpec:
    spec = EnvironmentSpec(
        environment_id=environment_id,
        function_name="thumbnails",
        function_arn="arn:aws:lambda:us-east-1:000000000000:function:thumbnails:$LATEST.PUBLISHED",
        version="$LATEST.PUBLISHED",
        revision="r1",
        runtime=runtime,
        handler="app.handler",
        code_sha256=code_sha256,
        memory_mb=2048,
        vcpu=1.0,
        max_concurrency=max_concurrency,
        timeout_seconds=timeout_seconds,
        init_timeout_seconds=10.0,
        log_group="/aws/lambda/thumbnails",
        log_stream=f"2026/11/23/[$LATEST.PUBLISHED]{environment_id}",
    )
    return msgspec.structs.replace(spec, **more)
