"""How an environment with extensions is ended: who is asked, who is killed, and when. Seconds count from the end.

Without a registered extension nobody is asked. Sources: AWS's open agent code (Managed Instances tree); for default
Lambda the developer guide, "Lambda execution environment", shutdown phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paddock.core.environment import errors
from paddock.core.environment.extensions import Extension, ExtensionEvent, Extensions, PollT
from paddock.core.environment.words import Failure

EXTENSIONS_SECONDS = 2.0
"""In all, where an external extension is registered; on Managed Instances where any is."""
INTERNAL_SECONDS = 0.5
"""In all, on default Lambda with internal extensions only."""
MANAGED_RUNTIME_SECONDS = 0.6
RUNTIME_SECONDS = 0.3
"""The share of the runtime, from SIGTERM to SIGKILL, on Managed Instances and on default Lambda."""
FLUSH_SECONDS = 1.0
"""For buffered telemetry to be delivered before extensions hear of the end. All of these are AWS's figures."""


class ShutdownReason(StrEnum):
    """Default Lambda's; Managed Instances spell them in lower case and have no TIMEOUT."""

    SPINDOWN = "SPINDOWN"
    TIMEOUT = "TIMEOUT"
    FAILURE = "FAILURE"


@dataclass(frozen=True, slots=True)
class ShutdownPlan:
    """`reason` as extensions hear it. The runtime gets SIGTERM at once and SIGKILL at `kill_runtime_at`; of the
    external extensions `told` get the event, `killed` SIGKILL in its place; at `deadline` whoever still lives gets it.
    """

    reason: str
    kill_runtime_at: float
    flush_seconds: float
    deadline: float
    told: tuple[str, ...]
    killed: tuple[str, ...]


def shutdown_plan(extensions: Extensions[PollT], failure: Failure | None) -> ShutdownPlan | None:
    """None when every process is to be killed at once."""
    registered = extensions.registered
    if not registered:
        return None
    external = [one for one in registered if one.external]
    deadline = EXTENSIONS_SECONDS if external or extensions.managed else INTERNAL_SECONDS
    share = RUNTIME_SECONDS if external else deadline
    if extensions.managed:
        share = MANAGED_RUNTIME_SECONDS
    return ShutdownPlan(
        reason=_reason(failure, managed=extensions.managed),
        kill_runtime_at=share,
        flush_seconds=min(FLUSH_SECONDS, deadline - share),
        deadline=deadline,
        told=tuple(one.name for one in external if _listens(one)),
        killed=tuple(one.name for one in external if not _listens(one)),
    )


def _listens(extension: Extension[PollT]) -> bool:
    return ExtensionEvent.SHUTDOWN in extension.events


def _reason(failure: Failure | None, *, managed: bool) -> str:
    if failure is None:
        reason = ShutdownReason.SPINDOWN
    elif failure.error_type == errors.TIMED_OUT and not managed:
        reason = ShutdownReason.TIMEOUT
    else:
        reason = ShutdownReason.FAILURE
    return reason.lower() if managed else reason.value
