"""What the reconciler of a provider is given: ports, settings and planners, and whom it tells. No code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from paddock.controlplane.agent_stream import AgentConnector
from paddock.controlplane.executor import FunctionRoutes
from paddock.controlplane.routes import RoutePublisher
from paddock.controlplane.settings import ControlPlaneSettings
from paddock.controlplane.system_logs import SystemLog
from paddock.core.on_demand import OnDemandSnapshot
from paddock.model.fleet import FleetSnapshot, Plan
from paddock.ports.clock import Clock, IdSource
from paddock.ports.code import CodeStore
from paddock.ports.launcher import InstanceLauncher
from paddock.ports.logs import LogStore
from paddock.ports.store import Store
from paddock.ports.throttles import ThrottleSource

Planner = Callable[[FleetSnapshot, datetime], Plan]
OnDemandPlanner = Callable[[OnDemandSnapshot, datetime], Plan]


@dataclass(frozen=True, slots=True)
class FleetParts:
    """What every provider's reconciler works with."""

    store: Store
    launcher: InstanceLauncher
    code: CodeStore
    logs: LogStore
    clock: Clock
    ids: IdSource
    settings: ControlPlaneSettings
    planner: Planner
    on_demand_planner: OnDemandPlanner
    connector: AgentConnector
    throttles: ThrottleSource
    routes: RoutePublisher
    system_log: SystemLog


class FleetEvents(Protocol):
    def route(self, routes: FunctionRoutes) -> None:
        """Tell the routers."""
        ...

    def look(self) -> None:
        """Ask the launcher soon: something comes or goes."""
        ...
