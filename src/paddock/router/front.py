"""Invoke as an HTTP caller sees it: checks the request, finds what it means, starts a call or says why not.

Runs within the turn of the event loop that brought the request; the answer comes in a later one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.replies import REQUEST_ID_HEADER
from paddock.core.routing.names import Named, named
from paddock.core.routing.refusals import TAIL_LOGS_ARE_NOT_SUPPORTED
from paddock.core.routing.table import Destination, RoutingTable, Target
from paddock.core.routing.tenants import checked_tenant
from paddock.model.arns import Place
from paddock.model.errors import ApiError, validation_failed
from paddock.model.ids import InvocationId, TenantId
from paddock.ports.clock import IdSource
from paddock.ports.invoker import InvokeRequest
from paddock.router.answers import HttpRefusals
from paddock.router.callers import HttpCall, StreamCall
from paddock.router.calls import Call
from paddock.router.content import checked_payload, client_context
from paddock.router.dispatch import Dispatcher
from paddock.router.limits import REMEMBERED_NAMES
from paddock.router.on_demand import ForwardRequest
from paddock.router.traces import TraceHeaders

AcceptEvent = Callable[[InvokeRequest, Callable[[ApiError | None], None]], None]
"""Takes an asynchronous invocation; calls back once it is on disk, or with the reason why it is not."""

Meaning = tuple[Named, Target]
"""Of a function and a qualifier as a caller gives them."""

CallT = TypeVar("CallT", bound=Call)

TENANT_ID_HEADER = b"x-amz-tenant-id"
_INVOCATION_TYPES = "[RequestResponse, Event, DryRun]"
_LOG_TYPES = "[None, Tail]"


class InvokeFront:
    """Handlers of the Invoke operations. `function` and `qualifier` are as in the URL, percent-decoded."""

    def __init__(
        self,
        table: RoutingTable,
        dispatcher: Dispatcher,
        place: Place,
        *,
        ids: IdSource,
        traces: TraceHeaders,
        accept_event: AcceptEvent,
        refusals: HttpRefusals,
        on_demand_elsewhere: ForwardRequest | None = None,
    ) -> None:
        self._on_demand_elsewhere = on_demand_elsewhere
        self._table = table
        self._dispatcher = dispatcher
        self._place = place
        self._dice = dice_of(ids)
        self._traces = traces
        self._accept_event = accept_event
        self._refusals = refusals
        self._meanings: dict[tuple[str, str | None], Meaning] = {}
        self._seen_changes = 0

    def invoke(
        self, request: Request, responder: Responder, request_id: str, function: str, qualifier: str | None
    ) -> None:
        headers = request.headers
        kind = headers.get(b"x-amz-invocation-type")
        try:
            meaning = self._meaning(function, qualifier)
            if kind is not None and kind != b"RequestResponse":
                self._other_kind(kind, request, responder, request_id, meaning)
                return
            call = self._call(HttpCall, request, request_id, meaning)
        except ApiError as error:
            self._refusals.fail(responder, request_id, error)
            return
        if self._on_demand_elsewhere is not None and call.destination.on_demand:
            self._on_demand_elsewhere(request, responder)
            return
        call.responder = responder
        call.refusals = self._refusals
        call.tail = headers.get(b"x-amz-log-type") == b"Tail"
        responder.on_disconnect(call.abandon)
        self._dispatcher.start(call)

    def invoke_with_response_stream(
        self, request: Request, responder: Responder, request_id: str, function: str, qualifier: str | None
    ) -> None:
        kind = request.headers.get(b"x-amz-invocation-type", b"RequestResponse")
        try:
            if kind not in {b"DryRun", b"RequestResponse"}:
                raise _bad_value(kind, "invocationType", "[RequestResponse, DryRun]")
            call = self._call(StreamCall, request, request_id, self._meaning(function, qualifier))
        except ApiError as error:
            self._refusals.fail(responder, request_id, error)
            return
        if kind == b"DryRun":
            _accept(responder, request_id, 204)
            return
        if self._on_demand_elsewhere is not None and call.destination.on_demand:
            self._on_demand_elsewhere(request, responder)
            return
        call.responder = responder
        call.refusals = self._refusals
        call.streaming = True
        call.tail = request.headers.get(b"x-amz-log-type") == b"Tail"
        call.stream = None
        responder.on_disconnect(call.abandon)
        self._dispatcher.start(call)

    def _call(self, kind: type[CallT], request: Request, request_id: str, meaning: Meaning) -> CallT:
        """A call that has passed every check. Raises `ApiError`."""
        headers = request.headers
        _, target = meaning
        destination = target.sole or target.choose(self._dice)
        log_type = headers.get(b"x-amz-log-type")
        if log_type is not None or destination.refusal is not None:
            _check_destination(destination, log_type)
        tenant_id = headers.get(TENANT_ID_HEADER)
        if tenant_id is not None or destination.per_tenant:
            destination = self._table.for_tenant(destination, _tenant(tenant_id, destination))
        return kind(
            destination,
            target.arn,
            InvocationId(request_id),
            checked_payload(request.body),
            client_context(headers[b"x-amz-client-context"]) if b"x-amz-client-context" in headers else "",
            self._traces.header(headers.get(b"x-amzn-trace-id")),
        )

    def _other_kind(
        self, kind: bytes, request: Request, responder: Responder, request_id: str, meaning: Meaning
    ) -> None:
        """DryRun and Event."""
        if kind not in {b"DryRun", b"Event"}:
            raise _bad_value(kind, "invocationType", _INVOCATION_TYPES)
        headers = request.headers
        name, target = meaning
        destination = target.choose(self._dice)
        _check_destination(destination, headers.get(b"x-amz-log-type"))
        event = InvokeRequest(
            name.name,
            name.qualifier,
            InvocationId(request_id),
            checked_payload(request.body, asynchronous=kind == b"Event"),
            client_context(headers.get(b"x-amz-client-context")),
            self._traces.header(headers.get(b"x-amzn-trace-id")),
            _tenant(headers.get(TENANT_ID_HEADER), destination),
        )
        if kind == b"DryRun":
            _accept(responder, request_id, 204)
            return

        def settled(error: ApiError | None) -> None:
            if error is None:
                _accept(responder, request_id, 202)
            else:
                self._refusals.fail(responder, request_id, error)

        self._accept_event(event, settled)

    def _meaning(self, function: str, qualifier: str | None) -> Meaning:
        """Remembered until the routes change. Raises `ApiError`."""
        if self._seen_changes != self._table.changes:
            self._seen_changes = self._table.changes
            self._meanings.clear()
        known = self._meanings.get((function, qualifier))
        if known is None:
            name = named(function, qualifier, self._place)
            known = (name, self._table.resolve(name.name, name.qualifier))
            if len(self._meanings) >= REMEMBERED_NAMES:
                self._meanings.clear()
            self._meanings[function, qualifier] = known
        return known


def dice_of(ids: IdSource) -> Callable[[], float]:
    """A number from 0 up to but not including 1, from the same source as ids."""
    digits = 13
    return lambda: int(ids.hex(digits), 16) / 16**digits


def _check_destination(destination: Destination, log_type: bytes | None) -> None:
    if destination.refusal is not None:
        raise destination.refusal.error()
    if log_type is None or log_type == b"None":
        return
    if log_type != b"Tail":
        raise _bad_value(log_type, "logType", _LOG_TYPES)
    if not destination.on_demand:
        raise TAIL_LOGS_ARE_NOT_SUPPORTED.error()


def _tenant(header: bytes | None, destination: Destination) -> TenantId:
    return checked_tenant(None if header is None else header.decode("latin-1"), destination)


def _bad_value(value: bytes, member: str, allowed: str) -> ApiError:
    return validation_failed(
        f"Value '{value.decode('latin-1')}' at '{member}' failed to satisfy constraint: "
        f"Member must satisfy enum value set: {allowed}"
    )


def _accept(responder: Responder, request_id: str, status: int) -> None:
    responder.send(status, ((REQUEST_ID_HEADER, request_id),), b"")
