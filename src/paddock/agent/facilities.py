"""What an instance gives each of its execution environments. No code."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from paddock.agent.code_store import CodeStore
from paddock.agent.images import ImageStore
from paddock.agent.log_shipping import LogShipper
from paddock.agent.metadata import InstanceEndpoints
from paddock.agent.runtime_commands import RuntimeCommandSource
from paddock.agent.runtime_process import StartRuntime, start
from paddock.agent.timebase import Timebase
from paddock.core.environment.slots import DEFAULT_SLOTS, SlotSettings
from paddock.isolation.ladder import Isolation
from paddock.isolation.peers import Peers
from paddock.launchers.cgroups import Cgroup
from paddock.ports.clock import IdSource
from paddock.wire.agent import EnvironmentReport


@dataclass(frozen=True, slots=True)
class Facilities:
    """What the instance gives its environments. `cores_per_vcpu` is what a vCPU is worth; `socket_dir` has a short
    path; `ending` are threads that no install or unpacking can keep busy. `peers` tells whose a connection is, where
    environments have users of their own.
    """

    code: CodeStore
    images: ImageStore
    runtimes: RuntimeCommandSource
    shipper: LogShipper
    timebase: Timebase
    ids: IdSource
    cgroup: Cgroup | None
    isolation: Isolation
    socket_dir: Path
    cores_per_vcpu: float
    strict_cpu: bool
    ending: Executor
    peers: Peers | None
    endpoints: InstanceEndpoints
    changed: Callable[[EnvironmentReport], None]
    start: StartRuntime = start
    slots: SlotSettings = DEFAULT_SLOTS
