"""What each invocation that an environment had when it ended leads to."""

from __future__ import annotations

from collections.abc import Iterable

from paddock.core.environment import errors
from paddock.core.environment.words import (
    CallerT,
    ConnectionT,
    Effect,
    Effects,
    Fail,
    Invocation,
    InvocationPhase,
    Refuse,
    ReleaseSlot,
)


def at_the_end(
    invocations: Iterable[Invocation[CallerT, ConnectionT]], error_type: str, text: str
) -> Effects[CallerT, ConnectionT]:
    """One effect for each: refused when no worker had begun it, failed when one had, released when it was answered."""
    return tuple(_at_the_end(invocation, error_type, text) for invocation in invocations)


def _at_the_end(
    invocation: Invocation[CallerT, ConnectionT], error_type: str, text: str
) -> Effect[CallerT, ConnectionT]:
    if invocation.phase is InvocationPhase.HELD:
        return Refuse(invocation.caller, errors.UNHEALTHY)
    if invocation.phase is InvocationPhase.TIMED_OUT:
        return ReleaseSlot(invocation)
    if invocation.phase is InvocationPhase.LINGERING:
        return ReleaseSlot(invocation, error_type)
    return Fail(invocation, error_type, text)
