"""The AWS front: what the HTTP server hands its requests to. Invokes go the short way, all else through the pipeline.

The short way does only what an invoke needs (path, signature, name and qualifier, then the router) in the turn of the
event loop that brought the request. It builds no parameters and starts no task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from paddock.awsapi import function_url_replies, refusals
from paddock.awsapi.access import Access
from paddock.awsapi.calls import Calls
from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.operations import Declaration
from paddock.awsapi.pipeline import INTERNAL, Pipeline
from paddock.awsapi.plain import PlainHandler, PlainRoute, PlainRoutes
from paddock.model.errors import ApiError, PlatformError
from paddock.ports.clock import IdSource

log = logging.getLogger(__name__)

FunctionUrlHandler: TypeAlias = Callable[[Request, Responder, str], None]
"""(request, responder, request id), of a request whose `Host` is a function URL's. Never raises."""

InvokeHandler: TypeAlias = Callable[[Request, Responder, str, str, str | None], None]
"""(request, responder, request id, function, qualifier); the last two as in the URL, percent-decoded."""

Invocation: TypeAlias = tuple[InvokeHandler, str, str | None]
"""Who takes it, function and qualifier."""

Work: TypeAlias = Coroutine[Any, Any, None]

INVOKE_START, INVOKE_END = "/2015-03-31/functions/", "/invocations"
STREAM_START, STREAM_END = "/2021-11-15/functions/", "/response-streaming-invocations"
TARGETS_REMEMBERED = 1024
LONGEST_REMEMBERED_BYTES = 512
"""The targets of invokes in use at a time. Presigned ones are longer and do not come again."""

SHORT_WAY = (Declaration("lambda", "Invoke"), Declaration("lambda", "InvokeWithResponseStream"))
"""The operations that do not go through the pipeline."""


@dataclass(frozen=True, slots=True)
class InvokeHandlers:
    """Called synchronously; they answer at once or keep the responder and answer later."""

    invoke: InvokeHandler
    invoke_with_response_stream: InvokeHandler


class Front:
    """`handle`, `refuse` and `body_limit` are for `http.serve`, inside of `running`."""

    body_limit = staticmethod(refusals.body_limit)

    def __init__(
        self,
        pipeline: Pipeline,
        access: Access,
        invokes: InvokeHandlers,
        ids: IdSource,
        plain_routes: Iterable[PlainRoute] = (),
        calls: Calls | None = None,
        function_urls: FunctionUrlHandler | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._access = access
        self._invokes = invokes
        self._new_request_id = ids.uuid
        self._plain = PlainRoutes(plain_routes)
        self._calls = calls or Calls()
        self._function_urls = function_urls
        self._invocations: dict[bytes, Invocation] = {}

    def running(self) -> AbstractAsyncContextManager[None]:
        return self._calls.running()

    def handle(self, request: Request, responder: Responder) -> None:
        if request.method == "POST":
            invocation = self._invocations.get(request.target) or self._learned(request)
            if invocation is not None:
                self._invoke(request, responder, invocation)
                return
        if self._function_urls is not None and function_url_replies.is_for_function_url(request):
            self._function_urls(request, responder, self._new_request_id())
            return
        plain = self._plain.find(request.path)
        if plain is not None:
            self._answer_plainly(request, responder, plain)
        else:
            request_id = self._new_request_id()
            self._start(self._answer(request, responder, request_id), request, responder, request_id)

    def refuse(self, request: Request, responder: Responder, status: int) -> None:
        """The HTTP server's refusals in AWS's words."""
        if function_url_replies.is_for_function_url(request):
            responder.send(*function_url_replies.refusal(status, self._new_request_id()))
            return
        self._fail(request, responder, refusals.error_for(status, request), self._new_request_id())

    def _invoke(self, request: Request, responder: Responder, invocation: Invocation) -> None:
        request_id = self._new_request_id()
        try:
            self._access.identify(request)
            handler, function, qualifier = invocation
            handler(request, responder, request_id, function, qualifier)
        except ApiError as error:
            responder.send(*self._pipeline.invoke_error(error, request_id))

    def _learned(self, request: Request) -> Invocation | None:
        """What a POST to this target invokes; None when it invokes nothing."""
        path = request.path.rstrip("/")
        if path.endswith(INVOKE_END) and path.startswith(INVOKE_START):
            handler, label = self._invokes.invoke, path[len(INVOKE_START) : -len(INVOKE_END)]
        elif path.endswith(STREAM_END) and path.startswith(STREAM_START):
            handler, label = self._invokes.invoke_with_response_stream, path[len(STREAM_START) : -len(STREAM_END)]
        else:
            return None
        invocation = (handler, unquote(label), _qualifier(request.query))
        if len(request.target) <= LONGEST_REMEMBERED_BYTES:
            if len(self._invocations) >= TARGETS_REMEMBERED:
                self._invocations.clear()
            self._invocations[request.target] = invocation
        return invocation

    def _answer_plainly(self, request: Request, responder: Responder, handler: PlainHandler) -> None:
        request_id = self._new_request_id()
        try:
            answering = handler(request, responder)
        except ApiError as error:
            self._fail(request, responder, error, request_id)
            return
        if answering is not None:
            self._start(answering, request, responder, request_id)

    async def _answer(self, request: Request, responder: Responder, request_id: str) -> None:
        status, headers, body = await self._pipeline.answer(request, request_id)
        responder.send(status, headers, body)

    def _start(self, work: Work, request: Request, responder: Responder, request_id: str) -> None:
        if not self._calls.start(self._finish(work, request, responder, request_id)):
            work.close()
            self._fail(request, responder, refusals.too_busy(), request_id)

    async def _finish(self, work: Work, request: Request, responder: Responder, request_id: str) -> None:
        try:
            await work
        except ApiError as error:
            self._fail(request, responder, error, request_id)
        except Exception:
            log.exception("request %s failed: %s %s", request_id, request.method, request.path)
            self._fail(request, responder, PlatformError(INTERNAL), request_id)

    def _fail(self, request: Request, responder: Responder, error: ApiError, request_id: str) -> None:
        status, headers, body = self._pipeline.refusal(request, error, request_id)
        responder.send(status, headers, body)


def _qualifier(query: str) -> str | None:
    if "Qualifier=" not in query:
        return None
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == "Qualifier":
            return unquote(value)
    return None
