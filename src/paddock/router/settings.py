"""What may be tuned of a router, with the reason for each figure. AWS publishes none of them.

Goes to further routers as it is, so it holds plain numbers only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RouterSettings:
    refusals_per_call: int = 8
    """Environments that refused somebody a moment ago are asked too, when there is nobody else, until so many have
    refused this call: the fleet is as good as full then, and each further one costs agents what they need for answers.
    """
    rest_seconds: float = 0.02
    """How long an environment that refused is left alone if no slot of it comes back: a few turns of a busy loop."""
    longest_wait_seconds: float = 300.0
    """Of an invocation of default Lambda for an environment. A start has its own, shorter limits; this one is for a
    machine that cannot start any.
    """
    retry_after_seconds: int = 1
    """What a throttled caller is told. New capacity takes longer, a slot comes back sooner: the least that the header
    can say.
    """


DEFAULT_ROUTER_SETTINGS = RouterSettings()
