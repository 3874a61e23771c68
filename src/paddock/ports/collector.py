"""How often a long-lived process looks for cyclic garbage. Knows nothing of what the process does."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 10_000
"""New containers before a look at them, as an invocation leaves no cycles behind: at the default of 700 there is a look
every few dozen invocations.
"""


def settle() -> None:
    """Called once a process is up: what it holds by then it holds for good, and no collection goes through it again.

    Without this a full collection stops a server for as long as a hundred invocations take.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
