"""Who of default Lambda may run now: reserved concurrency of a function, and what the account has left for the others.

Source: Lambda developer guide, "Understanding and managing function scaling". Asked once per invocation, so its
counts change in place; knows no environment.
"""

from __future__ import annotations

from enum import StrEnum

from paddock.model.ids import FunctionName

TENANT_ENVIRONMENTS_PER_CONCURRENCY = 2.5
"""AWS keeps at most 2500 environments of tenants, idle ones included, per 1000 of a function's concurrency (Lambda
developer guide, "Troubleshooting tenant isolation")."""


class ThrottleReason(StrEnum):
    """AWS's `Reason` of a TooManyRequestsException."""

    ACCOUNT = "ConcurrentInvocationLimitExceeded"
    RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"


class Concurrency:
    """`account_limit`: invocations at once of all functions together, of which functions reserve some. `room`: what the
    machine can run at once, whoever it is for; each invocation has an environment of its own.
    """

    def __init__(self, account_limit: int, room: int | None = None) -> None:
        self._account_limit = account_limit
        self._room = account_limit if room is None else room
        self._all_in_flight = 0
        self._reserved: dict[FunctionName, int] = {}
        self._in_flight: dict[FunctionName, int] = {}
        self._unreserved_limit = account_limit
        self._unreserved_in_flight = 0

    def reserve(self, function: FunctionName, reserved: int | None) -> None:
        """None gives back what was reserved. What is in flight goes on, also beyond a new limit."""
        if self._reserved.get(function) == reserved:
            return
        if reserved is None:
            del self._reserved[function]
        else:
            self._reserved[function] = reserved
        self._unreserved_limit = max(0, self._account_limit - sum(self._reserved.values()))
        self._unreserved_in_flight = sum(count for name, count in self._in_flight.items() if name not in self._reserved)

    def admit(self, function: FunctionName) -> ThrottleReason | None:
        """Counts one invocation of the function as in flight, or says why it may not run."""
        in_flight = self._in_flight.get(function, 0)
        reserved = self._reserved.get(function)
        if reserved is not None:
            if in_flight >= reserved:
                return ThrottleReason.RESERVED
        elif self._unreserved_in_flight >= self._unreserved_limit:
            return ThrottleReason.ACCOUNT
        if self._all_in_flight >= self._room:
            return ThrottleReason.ACCOUNT
        if reserved is None:
            self._unreserved_in_flight += 1
        self._all_in_flight += 1
        self._in_flight[function] = in_flight + 1
        return None

    def release(self, function: FunctionName) -> None:
        """Exactly once for each one admitted."""
        in_flight = self._in_flight.get(function, 0)
        assert in_flight > 0, "an invocation ended that was never admitted"
        if in_flight == 1:
            del self._in_flight[function]
        else:
            self._in_flight[function] = in_flight - 1
        self._all_in_flight -= 1
        if function not in self._reserved:
            self._unreserved_in_flight -= 1

    def admit_tenant(self, function: FunctionName, environments: int) -> ThrottleReason | None:
        """Why there is no further environment for one of the function's tenants, who have so many; None if there is."""
        reserved = self._reserved.get(function)
        concurrency = self._account_limit if reserved is None else reserved
        if environments < int(concurrency * TENANT_ENVIRONMENTS_PER_CONCURRENCY):
            return None
        return ThrottleReason.ACCOUNT if reserved is None else ThrottleReason.RESERVED

    @property
    def in_flight(self) -> int:
        return self._all_in_flight
