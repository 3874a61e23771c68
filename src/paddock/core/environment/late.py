"""Invocations that ended without their runtime's word, remembered so that a late post gets 410 once, as AWS's agent
does.
"""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 1_000
"""As many as AWS's agent remembers."""


class LateInvocations:
    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def remember(self, invocation_id: str) -> None:
        self._ids[invocation_id] = None
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)

    def take(self, invocation_id: str) -> bool:
        """Whether it was remembered; from then on it is not."""
        return self._ids.pop(invocation_id, False) is None
