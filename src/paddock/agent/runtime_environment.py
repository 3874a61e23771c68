"""What the connections of a runtime may tell and ask its environment. No code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from paddock.agent.answer_stream import StreamSource
    from paddock.agent.calls import Call
    from paddock.agent.extension_request import ExtensionRequest
    from paddock.agent.runtime_api import RuntimeConnection
    from paddock.core.environment import Invocation, Rejection


class RuntimeApi(Protocol):
    """The environment, as its runtime's connections see it."""

    def admits(self, connection: RuntimeConnection) -> bool: ...

    def disconnected(self, connection: RuntimeConnection) -> None: ...

    def polled(self, connection: RuntimeConnection) -> None: ...

    def begin_response(
        self, invocation_id: str, nonce: str, *, streaming: bool
    ) -> Invocation[Call, RuntimeConnection] | Rejection[Call, RuntimeConnection]: ...

    def begin_error(
        self, invocation_id: str, nonce: str
    ) -> Invocation[Call, RuntimeConnection] | Rejection[Call, RuntimeConnection]: ...

    def begin_stream(
        self, invocation: Invocation[Call, RuntimeConnection], content_type: str, source: StreamSource
    ) -> bool:
        """Whether the caller takes the answer as a stream; otherwise it is to be collected."""
        ...

    def stream(self, invocation: Invocation[Call, RuntimeConnection], chunk: bytes) -> None: ...

    def end_stream(
        self, invocation: Invocation[Call, RuntimeConnection], error_type: str, error_body: str
    ) -> bytes: ...

    def respond_at_once(
        self, invocation: Invocation[Call, RuntimeConnection], content_type: str, body: bytes
    ) -> bytes | None:
        """`begin_response` and `respond` to the invocation that was delivered on the connection; None when it has to
        be done by these.
        """
        ...

    def respond(
        self, invocation: Invocation[Call, RuntimeConnection], content_type: str, pieces: list[bytes]
    ) -> bytes: ...

    def respond_error(
        self,
        invocation: Invocation[Call, RuntimeConnection],
        error_type: str,
        content_type: str,
        pieces: list[bytes],
        cause: str = "",
    ) -> bytes:
        """`cause` is for X-Ray, as it was posted."""
        ...

    def respond_badly(
        self, invocation: Invocation[Call, RuntimeConnection], error_type: str, message: str
    ) -> bytes | None:
        """Fail the caller because of how the runtime answered; bytes when the post itself comes too late."""
        ...

    def init_error(self, error_type: str, body: bytes) -> bytes: ...

    def rejected(self, rejection: Rejection[Call, RuntimeConnection]) -> bytes: ...

    def asked_by_extension(self, connection: RuntimeConnection, request: ExtensionRequest) -> bytes | None:
        """The reply; None when it is a poll that stays open until `connection.deliver`."""
        ...
