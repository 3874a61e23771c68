"""Which address of the loopback is an environment's own. Pure.

Environments share the instance's network, and with it every port. On AWS each has its ports for itself, and an
extension listens for telemetry on `sandbox.localdomain` at a port that is written in it. So that name means another
address of 127.0.0.0/8 in each environment, and the same port is free in all of them.
"""

from __future__ import annotations

import hashlib

LOOPBACK = "127.0.0.1"


def own_loopback(environment_id: str) -> str:
    """Without any bookkeeping: 127.64.0.1 to 127.127.255.254, apart from what this machine's services use."""
    first, second, third = hashlib.sha256(b"loopback " + environment_id.encode()).digest()[:3]
    return f"127.{64 + first % 64}.{second}.{1 + third % 254}"
