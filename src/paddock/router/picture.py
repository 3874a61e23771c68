"""The routes as they are now, put together from updates: what a router that comes later is told first."""

from __future__ import annotations

from paddock.wire.routes import (
    EnvironmentRoute,
    EnvironmentRouteRemoved,
    FunctionRoute,
    FunctionRouteRemoved,
    InstanceRoute,
    InstanceRouteRemoved,
    RoutesReplaced,
)


class RoutesPicture:
    def __init__(self) -> None:
        self._functions: dict[str, FunctionRoute] = {}
        self._instances: dict[str, InstanceRoute] = {}
        self._environments: dict[str, EnvironmentRoute] = {}

    def apply(self, update: object) -> None:
        match update:
            case FunctionRoute():
                self._functions[update.function_name] = update
            case FunctionRouteRemoved():
                self._functions.pop(update.function_name, None)
            case InstanceRoute():
                self._instances[update.instance_id] = update
            case InstanceRouteRemoved():
                self._instances.pop(update.instance_id, None)
            case EnvironmentRoute():
                self._environments[update.environment_id] = update
            case EnvironmentRouteRemoved():
                self._environments.pop(update.environment_id, None)
            case RoutesReplaced():
                self._functions = {one.function_name: one for one in update.functions}
                self._instances = {one.instance_id: one for one in update.instances}
                self._environments = {one.environment_id: one for one in update.environments}

    def whole(self) -> RoutesReplaced:
        return RoutesReplaced(
            tuple(self._functions.values()), tuple(self._instances.values()), tuple(self._environments.values())
        )
