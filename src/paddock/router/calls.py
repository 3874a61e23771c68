"""One invocation on its way: what it needs to be sent, and what becomes of it.

A call is answered exactly once, by one of the methods that each kind of caller fills in. It knows neither sockets nor
pools.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from paddock.core.on_demand import ThrottleReason
from paddock.core.routing.pool import RoutedEnvironment
from paddock.core.routing.table import Destination
from paddock.model.errors import ApiError
from paddock.model.ids import InvocationId
from paddock.router.answers import AGENT_LOST
from paddock.wire.agent import InvokeHeader, ResultHeader

NO_COGNITO_IDENTITY = ""
JSON = "application/json"


class Channel(Protocol):
    """The way to the agent that has the call."""

    def cancel(self, number: int) -> None:
        """Nobody waits for the answer any more."""
        ...

    def pause(self, number: int) -> None: ...

    def resume(self, number: int) -> None: ...


class Call(ABC):
    """`environment`, `channel` and `number`: where it was sent; `refused`: who said no."""

    __slots__ = (
        "arn",
        "channel",
        "client_context",
        "destination",
        "environment",
        "invocation_id",
        "number",
        "payload",
        "refused",
        "streamed",
        "streaming",
        "tail",
        "trace_header",
    )

    def __init__(
        self,
        destination: Destination,
        arn: str,
        invocation_id: InvocationId,
        payload: bytes,
        client_context: str,
        trace_header: str,
    ) -> None:
        self.destination = destination
        self.arn = arn
        self.invocation_id = invocation_id
        self.payload = payload
        self.client_context = client_context
        self.trace_header = trace_header
        self.streaming = False
        self.streamed = False
        self.tail = False
        self.environment: RoutedEnvironment | None = None
        self.channel: Channel | None = None
        self.number = 0
        self.refused: tuple[RoutedEnvironment, ...] = ()

    def header(self, environment: RoutedEnvironment) -> InvokeHeader:
        return InvokeHeader(
            environment.environment_id,
            self.invocation_id,
            self.arn,
            self.destination.timeout_ms,
            self.trace_header,
            self.client_context,
            NO_COGNITO_IDENTITY,
            JSON,
            self.streaming,
            self.tail,
        )

    def abandon(self) -> None:
        """The caller has gone. The invocation goes on, and so its slot stays taken until the agent says otherwise."""
        if self.channel is not None:
            self.channel.cancel(self.number)

    @abstractmethod
    def answered(self, result: ResultHeader, body: bytes) -> None:
        """The function answered, well or with an error: in one piece, or at the end of a stream."""

    @abstractmethod
    def throttled(self, reason: ThrottleReason) -> None:
        """Nothing was started."""

    def lost(self) -> None:
        """The agent's connection is gone. Whether the function ran is not known."""
        self.failed(AGENT_LOST)

    @abstractmethod
    def failed(self, error: ApiError) -> None:
        """The platform could not do it."""

    @abstractmethod
    def stream_started(self, content_type: str) -> None: ...

    @abstractmethod
    def stream_continued(self, piece: bytes) -> None: ...
