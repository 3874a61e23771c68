"""How a runtime is started: the program, what it needs in its environment beyond the common set, and where.

Decides only; the agent starts the process. Nothing here knows of isolation, except that paths may be AWS's or this
machine's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.model.runtimes import Language
from paddock.runtimes.environment import Layout
from paddock.runtimes.errors import InvalidEntrypoint

NODE_WORKERS_PER_VCPU = 8
"""As aws-lambda-ric computes it from the cgroup's quota, which it cannot see in every kind of environment. No more than
there may be invocations at once: a worker without one is 10 MB of nothing, and two connections.
"""

SPARE_POOL_THREADS = 4
"""Each Node.js worker's poll holds a thread of libuv's pool; what is left serves files, DNS, crypto and compression
(libuv's own default).
"""


@dataclass(frozen=True, slots=True)
class RuntimeCommand:
    """`env_additions` go over the common variables. `readable_paths` is all that the process must be able to read,
    apart from the operating system's own directories and the function's code.
    """

    argv: tuple[str, ...]
    env_additions: Mapping[str, str]
    cwd: Path
    layout: Layout
    readable_paths: tuple[Path, ...]


def node_variables(vcpu: float, max_concurrency: int, customer: Mapping[str, str]) -> dict[str, str]:
    """Worker threads, and a libuv pool in which every poll and the handlers' own calls find a thread.

    A customer's worker count is kept; of a customer's pool size and ours, the larger one wins.
    """
    wanted = _positive(customer.get("AWS_LAMBDA_NODEJS_WORKER_COUNT"))
    workers = wanted or min(NODE_WORKERS_PER_VCPU * math.ceil(vcpu), max_concurrency)
    pool = max(workers + SPARE_POOL_THREADS, _positive(customer.get("UV_THREADPOOL_SIZE")) or 0)
    return {"AWS_LAMBDA_NODEJS_WORKER_COUNT": str(workers), "UV_THREADPOOL_SIZE": str(pool)}


def _positive(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return int(text) or None


def language_variables(
    language: Language, vcpu: float, max_concurrency: int | None, customer: Mapping[str, str]
) -> dict[str, str]:
    """What the language's client needs set; nothing for one request at a time."""
    if language is Language.NODEJS and max_concurrency is not None:
        return node_variables(vcpu, max_concurrency, customer)
    return {}


def custom_bootstrap(task_root: Path, opt_dir: Path) -> Path:
    """The first program of an OS-only runtime. `/var/runtime`, which AWS searches first, is empty there.

    Raises `InvalidEntrypoint` when the function carries none.
    """
    candidates = (task_root / "bootstrap", opt_dir / "bootstrap")
    for candidate in candidates:
        if candidate.exists() and not candidate.is_dir():
            return candidate
    raise InvalidEntrypoint("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")
