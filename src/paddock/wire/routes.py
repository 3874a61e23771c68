"""What the control plane tells the routers: which functions there are, what each name means, and where environments
are.

A router applies updates in order; `RoutesReplaced` comes first on every connection and after every doubt.
"""

from __future__ import annotations

import msgspec

from paddock.model.function_url import Cors


class RouteMessage(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Base of the updates; the tag is the class name."""


class VersionRoute(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version as an invoke sees it.

    `refusal` (an AWS error code and text) answers instead of an environment: `$LATEST` of an LMI function, a version
    that is Pending,
    Failed or Deactivated. `revision` is the publish that serves. `per_tenant`: an environment serves one tenant only.
    """

    version: str
    revision: str
    timeout_seconds: int
    refusal: tuple[str, str, int] | None = None
    on_demand: bool = False
    per_tenant: bool = False


class FunctionUrlRoute(msgspec.Struct, frozen=True, omit_defaults=True):
    """An HTTP address of a function, of an alias of it where `qualifier` says so. `signed`: AWS_IAM."""

    url_id: str
    qualifier: str | None = None
    signed: bool = False
    streaming: bool = False
    cors: Cors | None = None


class FunctionRoute(RouteMessage, frozen=True):
    """Everything an invoke of one function needs. `default_version` is what an unqualified name means.

    `aliases`: name -> ((version, weight), ...), weights summing to 1. `account_id` and `arn` as AWS shows them.
    `reserved_concurrency` bounds invocations of default Lambda; None means what the account has unreserved.
    """

    function_name: str
    arn: str
    default_version: str
    versions: tuple[VersionRoute, ...]
    aliases: dict[str, tuple[tuple[str, float], ...]] = {}
    reserved_concurrency: int | None = None
    urls: tuple[FunctionUrlRoute, ...] = ()


class FunctionRouteRemoved(RouteMessage, frozen=True):
    function_name: str


class InstanceRoute(RouteMessage, frozen=True):
    """`address` is `unix:/path` or `tcp:address:port`; `token` opens the agent's connection."""

    instance_id: str
    address: str
    token: str
    zone: str


class InstanceRouteRemoved(RouteMessage, frozen=True):
    instance_id: str


class EnvironmentRoute(RouteMessage, frozen=True):
    """A ready (or draining) environment. A draining one takes no new invocations; those in flight go on."""

    environment_id: str
    instance_id: str
    function_name: str
    version: str
    revision: str
    max_concurrency: int
    draining: bool = False
    tenant_id: str = ""


class EnvironmentRouteRemoved(RouteMessage, frozen=True):
    environment_id: str


class EnvironmentStartFailed(RouteMessage, frozen=True):
    """An environment that was started for an invocation of default Lambda did not become ready: that one is told so."""

    function_name: str
    version: str
    error_type: str
    text: str
    tenant_id: str = ""


class RoutesReplaced(RouteMessage, frozen=True):
    """Forget all; this is the whole truth."""

    functions: tuple[FunctionRoute, ...]
    instances: tuple[InstanceRoute, ...]
    environments: tuple[EnvironmentRoute, ...]


RouteUpdate = (
    FunctionRoute
    | FunctionRouteRemoved
    | InstanceRoute
    | InstanceRouteRemoved
    | EnvironmentRoute
    | EnvironmentRouteRemoved
    | EnvironmentStartFailed
    | RoutesReplaced
)
