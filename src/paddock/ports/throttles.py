"""How many invocations the routers refused for want of a slot: a signal of the scaler, kept by whoever refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from paddock.model.ids import FunctionVersionKey


class ThrottleSource(Protocol):
    def throttle_counts(self) -> Mapping[FunctionVersionKey, int]:
        """Refusals per version since the source began to count; only differences mean anything."""
        ...


class NoThrottles:
    """For a control plane without routers."""

    def throttle_counts(self) -> Mapping[FunctionVersionKey, int]:
        return {}
