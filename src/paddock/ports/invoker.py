"""How other parts invoke a function: asynchronous invokes, event sources and durable functions go through the router
like a caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from paddock.model.ids import NO_TENANT, FunctionName, InvocationId, TenantId


@dataclass(frozen=True, slots=True)
class InvokeRequest:
    """`qualifier` None means unqualified. `payload` is passed through untouched."""

    function_name: FunctionName
    qualifier: str | None
    invocation_id: InvocationId
    payload: bytes
    client_context: str = ""
    trace_header: str = ""
    tenant_id: TenantId = NO_TENANT


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """`function_error` is the error type or None; `status` is 200, or another with `error_code` when nothing ran."""

    status: int
    payload: bytes
    executed_version: str
    function_error: str | None = None
    error_code: str | None = None


class Invoker(Protocol):
    async def invoke(self, request: InvokeRequest) -> InvokeResult: ...


class AsyncInvokeQueue(Protocol):
    """Takes asynchronous invocations. Returns once they are on disk: only then is 202 answered."""

    async def put(self, request: InvokeRequest) -> None: ...


class RouteSink(Protocol):
    """Where the control plane puts `wire.routes` updates; in one process this is the router itself."""

    def apply(self, update: object) -> None: ...
