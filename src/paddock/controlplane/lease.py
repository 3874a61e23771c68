"""How long an instance may be silent: our own lease, whatever a launcher believes of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """Agents report once a second."""

    stale_seconds: float = 3.0
    """Three heartbeats missed: the instance gets no new invocations."""
    lost_seconds: float = 10.0
    """It is replaced; its agent fences itself later than that."""
