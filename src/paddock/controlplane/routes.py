"""What routers are told, and only when it changed. Routes follow from stored versions and from the inventory.

An environment is routed to when it is ready and its instance was heard of lately; one that drains, or whose instance is
silent or ends, keeps what is in flight and gets nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator

from paddock.controlplane.fleet_records import EnvironmentRecord, InstanceRecord
from paddock.core.routing.refusals import refusal_of_state
from paddock.model.arns import Place
from paddock.model.function import Alias, Function, FunctionVersion
from paddock.model.function_url import FunctionUrl, FunctionUrlAuthType, InvokeMode
from paddock.model.ids import LATEST, LATEST_PUBLISHED, EnvironmentId, FunctionName, InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.ports.invoker import RouteSink
from paddock.ports.store import Transaction
from paddock.wire.routes import (
    EnvironmentRoute,
    EnvironmentRouteRemoved,
    EnvironmentStartFailed,
    FunctionRoute,
    FunctionRouteRemoved,
    FunctionUrlRoute,
    InstanceRoute,
    InstanceRouteRemoved,
    RoutesReplaced,
    VersionRoute,
)

_UP = frozenset({EnvironmentPhase.READY, EnvironmentPhase.DRAINING})
_REACHED = frozenset({InstancePhase.RUNNING, InstancePhase.STOPPING})


class RoutePublisher:
    """Keeps what the routers were told last."""

    def __init__(self, sink: RouteSink) -> None:
        self._sink = sink
        self._functions: dict[FunctionName, FunctionRoute] = {}
        self._instances: dict[InstanceId, InstanceRoute] = {}
        self._environments: dict[InstanceId, dict[EnvironmentId, EnvironmentRoute]] = {}

    def replace(self, functions: dict[FunctionName, FunctionRoute]) -> None:
        """The whole truth of a server that begins: functions, and no instance yet."""
        self._functions = dict(functions)
        self._sink.apply(RoutesReplaced(tuple(functions.values()), (), ()))

    def pass_on(self, news: EnvironmentStartFailed) -> None:
        """What happened and is no state: not repeated to whoever comes later."""
        self._sink.apply(news)

    def set_function(self, name: FunctionName, route: FunctionRoute | None) -> None:
        if self._functions.get(name) == route:
            return
        if route is None:
            del self._functions[name]
            self._sink.apply(FunctionRouteRemoved(name))
        else:
            self._functions[name] = route
            self._sink.apply(route)

    def set_instance(self, record: InstanceRecord, *, fresh: bool) -> None:
        """Bring the routes of one instance and its environments up to date. Only a running one is made known."""
        known = self._instances.get(record.instance_id)
        if known is None:
            if record.phase is not InstancePhase.RUNNING or record.address is None:
                return
            intent = record.intent
            known = InstanceRoute(intent.instance_id, record.address, intent.token, intent.zone)
            self._instances[record.instance_id] = known
            self._sink.apply(known)
        if record.phase not in _REACHED:
            self.remove_instance(record.instance_id)
            return
        wanted = {
            each.environment_id: _route(each, fresh=fresh) for each in record.environments.values() if each.phase in _UP
        }
        told = self._environments.setdefault(record.instance_id, {})
        for environment_id in told.keys() - wanted.keys():
            del told[environment_id]
            self._sink.apply(EnvironmentRouteRemoved(environment_id))
        for environment_id, route in wanted.items():
            if told.get(environment_id) != route:
                told[environment_id] = route
                self._sink.apply(route)

    def remove_instance(self, instance_id: InstanceId) -> None:
        for environment_id in self._environments.pop(instance_id, {}):
            self._sink.apply(EnvironmentRouteRemoved(environment_id))
        if self._instances.pop(instance_id, None) is not None:
            self._sink.apply(InstanceRouteRemoved(instance_id))


def function_route(tx: Transaction, name: FunctionName, place: Place) -> FunctionRoute | None:
    """None when there is no such function."""
    function = tx.functions.get(name)
    if function is None:
        return None
    versions = tx.versions.select(function_name=name)
    aliases = tx.aliases.select(function_name=name)
    return route_of(function, versions, aliases, place)


def route_of(function: Function, versions: list[FunctionVersion], aliases: list[Alias], place: Place) -> FunctionRoute:
    """Unqualified, default Lambda means `$LATEST`, and managed instances what is published of it."""
    on_demand = any(version.is_latest and version.configuration.on_demand for version in versions)
    return FunctionRoute(
        function_name=function.name,
        arn=place.function_arn(function.name),
        default_version=LATEST if on_demand else LATEST_PUBLISHED,
        versions=tuple(_version_route(version) for version in versions),
        aliases={alias.name: _weights(alias) for alias in aliases},
        reserved_concurrency=function.reserved_concurrency,
        urls=tuple(_url_routes(function, aliases)),
    )


def _url_routes(function: Function, aliases: list[Alias]) -> Iterator[FunctionUrlRoute]:
    if function.url is not None:
        yield _url_route(function.url, None)
    for alias in aliases:
        if alias.url is not None:
            yield _url_route(alias.url, alias.name)


def _url_route(url: FunctionUrl, qualifier: str | None) -> FunctionUrlRoute:
    return FunctionUrlRoute(
        url_id=url.url_id,
        qualifier=qualifier,
        signed=url.auth_type is FunctionUrlAuthType.AWS_IAM,
        streaming=url.invoke_mode is InvokeMode.RESPONSE_STREAM,
        cors=url.cors,
    )


def _version_route(version: FunctionVersion) -> VersionRoute:
    serving = version.serving
    refusal = refusal_of_state(version.state)
    return VersionRoute(
        version=version.version,
        revision=serving.revision if serving else version.revision,
        timeout_seconds=(serving.configuration if serving else version.configuration).timeout_seconds,
        refusal=refusal,
        on_demand=version.configuration.on_demand,
        per_tenant=version.configuration.per_tenant,
    )


def _weights(alias: Alias) -> tuple[tuple[str, float], ...]:
    rest = 1.0 - sum(weight for _, weight in alias.additional_weights)
    return ((alias.function_version, rest), *alias.additional_weights)


def _route(record: EnvironmentRecord, *, fresh: bool) -> EnvironmentRoute:
    spec = record.spec
    return EnvironmentRoute(
        environment_id=spec.environment_id,
        instance_id=record.instance_id,
        function_name=spec.function_name,
        version=spec.version,
        revision=spec.revision,
        max_concurrency=spec.max_concurrency,
        draining=spec.draining or record.phase is EnvironmentPhase.DRAINING or not fresh,
        tenant_id=spec.tenant_id,
    )
