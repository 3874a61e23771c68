"""One session per managed instance: connects to its agent, again and again, and does for it what needs waiting.

What an agent says goes to the `AgentOwner` at once; packages it asks for are streamed to it, log lines are kept and
then acknowledged. A session ends when it is told to, never by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Protocol

from paddock.controlplane.agent_stream import AgentChannel, AgentConnector
from paddock.controlplane.function_credentials import RENEWED_SECONDS
from paddock.controlplane.limits import (
    CODE_AT_ONCE,
    CODE_PIECE_BYTES,
    FIRST_CONNECT_SECONDS,
    HELLO_SECONDS,
    KEEP_LOGS_AGAIN_LIMIT_SECONDS,
    KEEP_LOGS_AGAIN_SECONDS,
    RECONNECT_LIMIT_SECONDS,
    RECONNECT_SECONDS,
    WAITING_LOG_BATCHES,
)
from paddock.controlplane.log_lines import kept_line
from paddock.model.ids import CodeSha256, InstanceId
from paddock.ports.code import CodeMissingError, CodeStore
from paddock.ports.logs import LogStore
from paddock.ports.store import StoreError
from paddock.wire import PROTOCOL_VERSION
from paddock.wire.agent import (
    AcknowledgeLogs,
    AgentHello,
    AgentMessage,
    CodeChunk,
    FetchCode,
    LogBatch,
    RenewCredentials,
    ServerHello,
    ServerMessage,
)

log = logging.getLogger(__name__)


class AgentOwner(Protocol):
    def heard(self, instance_id: InstanceId, message: AgentMessage) -> None:
        """A hello first on every connection; then reports, changes, and answers to configurations."""
        ...

    def disconnected(self, instance_id: InstanceId) -> None: ...


class AgentSession:
    """`address` and `token` open the connection; both are the launcher's word."""

    def __init__(
        self,
        instance_id: InstanceId,
        address: str,
        hello: ServerHello,
        *,
        owner: AgentOwner,
        connector: AgentConnector,
        code: CodeStore,
        logs: LogStore,
        credentials: Callable[[], dict[str, str]],
    ) -> None:
        """`credentials` makes what functions sign with: said first on every connection, and again before it ends."""
        self.address = address
        self._instance_id = instance_id
        self._hello = hello
        self._owner = owner
        self._connector = connector
        self._code = code
        self._logs = logs
        self._credentials = credentials
        self._channel: AgentChannel | None = None
        self._greeted = asyncio.Event()
        self._batches: asyncio.Queue[LogBatch] = asyncio.Queue(WAITING_LOG_BATCHES)
        self._wanted_code: asyncio.Queue[CodeSha256] = asyncio.Queue(WAITING_LOG_BATCHES)

    @property
    def connected(self) -> bool:
        return self._greeted.is_set()

    def send(self, message: ServerMessage) -> None:
        """Lost when there is no connection: the next one begins with what is wanted then."""
        if self._channel is not None and self._greeted.is_set():
            self._channel.send(message)

    async def run(self) -> None:
        """Until cancelled."""
        delay, longest = RECONNECT_SECONDS, FIRST_CONNECT_SECONDS
        while True:
            try:
                if await self._converse():
                    delay, longest = RECONNECT_SECONDS, RECONNECT_LIMIT_SECONDS
            except Exception:
                log.exception("the conversation with %s broke off", self._instance_id)
            await asyncio.sleep(delay)
            delay = min(delay * 2, longest)

    async def _converse(self) -> bool:
        """One connection, from its opening to its end. False when there was none."""
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                channel = await self._connector.connect(self.address, self._receive)
        except (OSError, TimeoutError):
            return False
        self._channel = channel
        try:
            channel.send(self._hello)
            async with asyncio.TaskGroup() as group:
                chores = [
                    group.create_task(self._keep_logs(channel)),
                    *(group.create_task(self._serve_code(channel)) for _ in range(CODE_AT_ONCE)),
                    group.create_task(self._require_hello(channel)),
                    group.create_task(self._keep_credentials_fresh()),
                ]
                await channel.wait_closed()
                for chore in chores:
                    chore.cancel()
        finally:
            greeted = self._greeted.is_set()
            self._end_conversation()
            channel.close()
        return greeted

    def _end_conversation(self) -> None:
        self._channel = None
        was_greeted = self._greeted.is_set()
        self._greeted.clear()
        for queue in (self._batches, self._wanted_code):
            while not queue.empty():
                queue.get_nowait()
        if was_greeted:
            self._owner.disconnected(self._instance_id)

    async def _require_hello(self, channel: AgentChannel) -> None:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                await self._greeted.wait()
        except TimeoutError:
            log.warning("the agent of %s does not answer our hello", self._instance_id)
            channel.close()

    def _receive(self, message: AgentMessage) -> None:
        if not self._greeted.is_set():
            self._take_hello(message)
            return
        match message:
            case LogBatch():
                self._put(self._batches, message)
            case FetchCode(code_sha256):
                self._put(self._wanted_code, CodeSha256(code_sha256))
            case _:
                self._owner.heard(self._instance_id, message)

    def _take_hello(self, message: AgentMessage) -> None:
        if (
            isinstance(message, AgentHello)
            and message.instance_id == self._instance_id
            and message.protocol_version == PROTOCOL_VERSION
        ):
            self._greeted.set()
            self._renew_credentials()
            self._owner.heard(self._instance_id, message)
            return
        log.warning("the agent at %s is not that of %s, or of another version", self.address, self._instance_id)
        if self._channel is not None:
            self._channel.close()

    def _renew_credentials(self) -> None:
        variables = self._credentials()
        if variables:
            self.send(RenewCredentials(variables))

    async def _keep_credentials_fresh(self) -> None:
        while True:
            await asyncio.sleep(RENEWED_SECONDS)
            self._renew_credentials()

    def _put(self, queue: asyncio.Queue[LogBatch] | asyncio.Queue[CodeSha256], item: LogBatch | CodeSha256) -> None:
        try:
            queue.put_nowait(item)  # type: ignore[arg-type]  # each caller puts what its queue holds
        except asyncio.QueueFull:
            # It sends what is not acknowledged again on the next connection.
            log.warning("the agent of %s says more than can be kept: reconnecting", self._instance_id)
            if self._channel is not None:
                self._channel.close()

    async def _keep_logs(self, channel: AgentChannel) -> None:
        while True:
            batch = await self._batches.get()
            await self._keep(batch)
            channel.send(AcknowledgeLogs(batch.sequence))

    async def _keep(self, batch: LogBatch) -> None:
        """Tried until it can be done. The agent holds back meanwhile, and then counts what it drops: a full disk costs
        lines, but never the connection that tells what runs.
        """
        lines = [kept_line(record, plain=batch.plain) for record in batch.records]
        delay, said = KEEP_LOGS_AGAIN_SECONDS, False
        while True:
            try:
                await self._logs.append(batch.log_group, batch.log_stream, lines)
                break
            except StoreError as error:
                if not said:  # once, not as often as it is tried
                    log.error("log lines of %s are kept back: %s", self._instance_id, error.message)  # noqa: TRY400
                    said = True
            await asyncio.sleep(delay)
            delay = min(delay * 2, KEEP_LOGS_AGAIN_LIMIT_SECONDS)
        if said:
            log.warning("log lines of %s are kept again", self._instance_id)

    async def _serve_code(self, channel: AgentChannel) -> None:
        while True:
            sha256 = await self._wanted_code.get()
            try:
                await self._send_package(channel, sha256)
            except CodeMissingError as error:
                log.error("an agent cannot have a package: %s", error)  # noqa: TRY400
                channel.send(CodeChunk(sha256, 0, b"", last=True, error=str(error)))

    async def _send_package(self, channel: AgentChannel, sha256: CodeSha256) -> None:
        offset = 0
        async with aclosing(self._code.chunks(sha256)) as chunks:
            async for chunk in chunks:
                for at in range(0, len(chunk), CODE_PIECE_BYTES):
                    piece = chunk[at : at + CODE_PIECE_BYTES]
                    channel.send(CodeChunk(sha256, offset, piece, last=False))
                    offset += len(piece)
                    await channel.drained()
        channel.send(CodeChunk(sha256, offset, b"", last=True))
