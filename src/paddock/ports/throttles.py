"""How many invocations the routers ran, and refused for want of a slot: signals of the scaler, kept by who routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from paddock.model.ids import FunctionVersionKey


class ThrottleSource(Protocol):
    def throttle_counts(self) -> Mapping[FunctionVersionKey, int]:
        """Refusals per version since the source began to count; only differences mean anything."""
        ...

    def invocation_counts(self) -> Mapping[FunctionVersionKey, int]:
        """Invocations per version that were run and have ended, counted in the same way."""
        ...


class NoThrottles:
    """For a control plane without routers."""

    def throttle_counts(self) -> Mapping[FunctionVersionKey, int]:
        return {}

    def invocation_counts(self) -> Mapping[FunctionVersionKey, int]:
        return {}
