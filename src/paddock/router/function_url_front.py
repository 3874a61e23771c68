"""A function URL as an HTTP caller sees it: who may call, what the function gets, and what is answered without it.

Runs within the turn of the event loop that brought the request; the answer comes in a later one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec

from paddock.awsapi.access import Access
from paddock.awsapi.function_url_replies import FORWARDED_SOURCE, bad_gateway, bad_signature, forbidden, refusal
from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.replies import Reply
from paddock.core.function_urls.cors import is_preflight
from paddock.core.function_urls.events import IamCaller, Reception, UrlRequest, event_of
from paddock.core.routing.table import RoutingTable
from paddock.model.errors import ApiError
from paddock.model.function_url import FunctionUrlId, url_id_of
from paddock.model.ids import InvocationId
from paddock.ports.clock import Clock
from paddock.router.dispatch import Dispatcher
from paddock.router.function_url_calls import Exchange, UrlCall, UrlStreamCall
from paddock.router.function_urls import FunctionUrls, KnownUrl
from paddock.router.limits import SYNCHRONOUS_PAYLOAD_BYTES
from paddock.router.traces import TraceHeaders

SIGNED_FOR = "lambda"
NO_TOKEN = "MissingAuthenticationTokenException"  # noqa: S105  # the name of an error
_NOBODY = FunctionUrlId("")


class FunctionUrlFront:
    def __init__(
        self,
        urls: FunctionUrls,
        table: RoutingTable,
        dispatcher: Dispatcher,
        access: Access,
        *,
        clock: Clock,
        traces: TraceHeaders,
        dice: Callable[[], float],
    ) -> None:
        self._urls = urls
        self._table = table
        self._dispatcher = dispatcher
        self._access = access
        self._clock = clock
        self._traces = traces
        self._dice = dice

    def handle(self, request: Request, responder: Responder, request_id: str) -> None:
        url = self._urls.find(url_id_of(request.headers[b"host"].decode("latin-1")) or _NOBODY)
        if url is None:
            responder.send(*forbidden(request_id))
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()}
        exchange = Exchange(url, responder, request_id, headers.get("origin"), self._clock.monotonic)
        if url.cors is not None and is_preflight(request.method, headers):
            exchange.preflight(headers["origin"])
            return
        try:
            caller = self._caller(request) if url.signed else None
        except ApiError as error:
            exchange.send(_refused_caller(error, request_id))
            return
        try:
            self._invoke(exchange, self._url_request(request, headers, responder), caller, responder)
        except ApiError as error:
            exchange.send(bad_gateway(request_id, error.message))

    def _invoke(self, exchange: Exchange, request: UrlRequest, caller: IamCaller | None, responder: Responder) -> None:
        """Raises `ApiError` when what the URL means cannot be invoked."""
        url = exchange.url
        trace = self._traces.header(request.headers.get("x-amzn-trace-id", "").encode("latin-1") or None)
        reception = Reception(url.url_id, exchange.request_id, trace, self._clock.now(), caller)
        payload = msgspec.json.encode(event_of(request, reception))
        if len(payload) > SYNCHRONOUS_PAYLOAD_BYTES:
            exchange.send(refusal(413, exchange.request_id))
            return
        call = self._call(url, exchange, payload, trace)
        responder.on_disconnect(call.abandon)
        self._dispatcher.start(call)

    def _call(self, url: KnownUrl, exchange: Exchange, payload: bytes, trace: str) -> UrlCall | UrlStreamCall:
        target = self._table.resolve(url.function_name, url.qualifier)
        destination = target.choose(self._dice)
        if destination.refusal is not None:
            raise destination.refusal.error()
        invocation_id = InvocationId(exchange.request_id)
        if url.streaming:
            stream_call = UrlStreamCall(destination, target.arn, invocation_id, payload, "", trace)
            stream_call.begin(exchange)
            return stream_call
        call = UrlCall(destination, target.arn, invocation_id, payload, "", trace)
        call.exchange = exchange
        return call

    def _caller(self, request: Request) -> IamCaller:
        """Raises `ApiError`."""
        identity = self._access.identify_at_function_url(request)
        if identity.access_key_id and identity.service != SIGNED_FOR:
            text = f"Credential should be scoped to correct service: '{SIGNED_FOR}'. "
            raise ApiError("InvalidSignatureException", text, status=403)
        account = identity.account_id
        return IamCaller(identity.access_key_id, account, account, self._access.place.root_arn(account))

    def _url_request(self, request: Request, headers: Mapping[str, str], responder: Responder) -> UrlRequest:
        forwarded = FORWARDED_SOURCE.decode()
        return UrlRequest(
            method=request.method,
            path=request.path,
            query=request.query,
            parameters=tuple(parse_qsl(request.query, keep_blank_values=True)),
            headers={name: value for name, value in headers.items() if name != forwarded},
            body=request.body,
            protocol="HTTP/1.0" if request.http_10 else "HTTP/1.1",
            source_ip=responder.peer or headers.get(forwarded, ""),
        )


def _refused_caller(error: ApiError, request_id: str) -> Reply:
    """Who did not sign is told nothing; whose signature is wrong is told what is wrong with it."""
    if error.code == NO_TOKEN:
        return forbidden(request_id)
    return bad_signature(request_id, error.message, error.code)
