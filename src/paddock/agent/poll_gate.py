"""Keeps a runtime's polls back while extensions have to be waited for: at the end of init, and on default Lambda until
each of them is through with the last invocation.

Where no poll can have to wait any more it takes itself away, so that the hot path is as if it did not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from paddock.agent.extension_api import ExtensionApi
from paddock.core.environment import errors
from paddock.core.environment.extensions import ExtensionEvent

if TYPE_CHECKING:
    from paddock.agent.runtime_api import RuntimeConnection
    from paddock.wire.agent import InvokeHeader


class PollGate:
    """`runtime_ready` is told of the first poll. `release` gets each poll that need not wait any longer; `needless` is
    told that none will have to. `overrun`: extensions did not come back within the function's timeout.
    """

    def __init__(
        self,
        api: ExtensionApi,
        *,
        runtime_ready: Callable[[], None],
        release: Callable[[RuntimeConnection], None],
        needless: Callable[[], None],
        overrun: Callable[[str, str], None],
    ) -> None:
        self._api = api
        self._runtime_ready = runtime_ready
        self._release = release
        self._needless = needless
        self._overrun = overrun
        self._held: dict[RuntimeConnection, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

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
        extensions = self._api.extensions
        if not any(ExtensionEvent.INVOKE in one.events for one in extensions.registered):
            self._needless()

    def disconnected(self, connection: RuntimeConnection) -> None:
        self._held.pop(connection, None)

    def changed(self) -> None:
        """An extension registered, or asked for its next event."""
        extensions = self._api.extensions
        if extensions.registration_open or not extensions.all_back:
            return
        self._cancel()
        self._open()
        held, self._held = list(self._held), {}
        for connection in held:
            self._release(connection)

    def invoked(self, header: InvokeHeader, deadline_ms: int) -> None:
        """On default Lambda: its extensions hear of each invocation, and have until its timeout."""
        self._api.invoked(header.invocation_id, header.invoked_function_arn, deadline_ms, header.trace_header)
        self._cancel()
        if not self._api.extensions.all_back:
            seconds = header.timeout_ms / 1000
            text = errors.timeout_message(seconds)
            self._timer = self._loop.call_later(seconds, self._overrun, errors.TIMED_OUT, text)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        self._cancel()
        self._held.clear()
