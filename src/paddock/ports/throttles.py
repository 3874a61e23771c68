"""How many invocations the routers ran, refused for want of a slot, and had in flight: signals of the scaler, kept by
who routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from paddock.model.ids import FunctionVersionKey


class ThrottleSource(Protocol):
    def throttle_counts(self) -> Mapping[FunctionVersionKey, int]:
        """Refusals per version since the source began to count; only differences mean anything."""
        ...

    def invocation_counts(self) -> Mapping[FunctionVersionKey, int]:
        """Invocations per version that were run and have ended, counted in the same way."""
        ...

    def take_peaks(self, keys: AbstractSet[FunctionVersionKey]) -> Mapping[FunctionVersionKey, int]:
        """The most that each of these versions had in flight at one time since this was asked last; at most, where
        several routers had their peaks at different times. A version that is not in the answer is unknown here.
        """
        ...


class NoThrottles:
    """For a control plane without routers."""

    def throttle_counts(self) -> Mapping[FunctionVersionKey, int]:
        return {}

    def invocation_counts(self) -> Mapping[FunctionVersionKey, int]:
        return {}

    def take_peaks(self, keys: AbstractSet[FunctionVersionKey]) -> Mapping[FunctionVersionKey, int]:
        return {}
