"""The way of a request through the AWS front, in order, on one page. (Invokes take the short way: `front`.)

1. the request has an id, which every answer carries
2. the service it is meant for, by what it says of itself: the protocol in which it will be answered, error or not
3. authentication
4. the operation and its parameters, by the service model
5. the model's constraints
6. the handler
7. the result, or the error, in the service's protocol
"""

from __future__ import annotations

import logging

from paddock.awsapi.access import Access
from paddock.awsapi.messages import Request
from paddock.awsapi.operations import Call, Operations
from paddock.awsapi.replies import Reply
from paddock.awsapi.services import Errors, Services
from paddock.awsapi.validation import validate
from paddock.model.errors import ApiError, PlatformError
from paddock.ports.clock import Clock

log = logging.getLogger(__name__)

_NO_REQUEST = Request("POST", b"/", "/", "", {})
INTERNAL = "An internal failure occurred; the server's log tells more under this request's id."


class Pipeline:
    """Answers one request at a time, each apart from all others."""

    def __init__(self, services: Services, operations: Operations, access: Access, clock: Clock) -> None:
        self._services = services
        self._operations = operations
        self._access = access
        self._clock = clock
        self._lambda = services.named("lambda")

    async def answer(self, request: Request, request_id: str) -> Reply:
        """Never raises: what a handler does not expect is logged under the request's id and answered with 500."""
        signed_for = self._access.claimed_service(request)
        errors = self._services.errors_like(request, signed_for)
        try:
            service = self._services.of(request, signed_for)
            errors = codec = service.codec(request)
            identity = self._access.identify(request)
            parsed = service.parse(request)
            validate(parsed.model, parsed.parameters)
            handler = self._operations.find(service.name, parsed.name)
            call = Call(
                service=service.name,
                operation=parsed.name,
                params=parsed.parameters,
                identity=identity,
                region=self._access.place.region,
                request_id=request_id,
                now=self._clock.now(),
                request=request,
            )
            result = await handler(call)
            return codec.serialise(parsed.model, result or {}, request_id)
        except ApiError as error:
            return errors.serialise_error(error, request_id)
        except Exception:
            log.exception("request %s failed: %s %s", request_id, request.method, request.path)
            return errors.serialise_error(PlatformError(INTERNAL), request_id)

    def invoke_error(self, error: ApiError, request_id: str) -> Reply:
        """An error in Lambda's own protocol, whatever the request."""
        return self._lambda.codec(_NO_REQUEST).serialise_error(error, request_id)

    def refusal(self, request: Request, error: ApiError, request_id: str) -> Reply:
        """An error in the protocol in which the request was most likely meant; nothing else of it is looked at. One for
        a service that is not here hears of that first: a smaller or later one would fare no better.
        """
        signed_for = self._access.claimed_service(request)
        try:
            errors: Errors = self._services.of(request, signed_for).codec(request)
        except ApiError as unknown:
            errors, error = self._services.errors_like(request, signed_for), unknown
        return errors.serialise_error(error, request_id)
