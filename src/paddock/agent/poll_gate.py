"""Keeps a runtime's polls back while extensions have to be waited for: at the end of init, and on default Lambda until
each of them is through with the last invocation.

Where no poll can have to wait any more it takes itself away, so that the hot path is as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from paddock.agent.extension_api import ExtensionApi
from paddock.core.environment.extensions import ExtensionEvent
from paddock.core.environment.trace_header import with_segment

if TYPE_CHECKING:
    from paddock.agent.calls import Call
    from paddock.agent.runtime_api import RuntimeConnection


class PollGate:
    """`runtime_ready` is told of the first poll. `release` gets each poll that need not wait any longer; `back` is told
    when all extensions ask for their next event and some of them for each invocation, `needless` when none does.
    """

    def __init__(
        self,
        api: ExtensionApi,
        *,
        runtime_ready: Callable[[], None],
        release: Callable[[RuntimeConnection], None],
        back: Callable[[], None],
        needless: Callable[[], None],
    ) -> None:
        self._api = api
        self._runtime_ready = runtime_ready
        self._release = release
        self._back = back
        self._needless = needless
        self._held: dict[RuntimeConnection, None] = {}

    @property
    def all_back(self) -> bool:
        return self._api.extensions.all_back

    def holds(self, connection: RuntimeConnection) -> bool:
        """Whether this poll has to wait."""
        extensions = self._api.extensions
        if extensions.registration_open:
            extensions.runtime_polled()
            self._runtime_ready()
        if not extensions.all_back:
            self._held[connection] = None
            return True
        self._open()
        return False

    def _open(self) -> None:
        if any(ExtensionEvent.INVOKE in one.events for one in self._api.extensions.registered):
            self._back()
        else:
            self._needless()

    def disconnected(self, connection: RuntimeConnection) -> None:
        self._held.pop(connection, None)

    def changed(self) -> None:
        """An extension registered, or asked for its next event."""
        extensions = self._api.extensions
        if extensions.registration_open or not extensions.all_back:
            return
        self._open()
        held, self._held = list(self._held), {}
        for connection in held:
            self._release(connection)

    def invoked(self, call: Call, deadline_ms: int) -> None:
        """On default Lambda its extensions hear of each invocation, and see its trace as the function does."""
        header = call.header
        trace_header = with_segment(header.trace_header, call.segment) if call.segment else header.trace_header
        self._api.invoked(header.invocation_id, header.invoked_function_arn, deadline_ms, trace_header)

    def close(self) -> None:
        self._held.clear()
