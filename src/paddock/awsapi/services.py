"""The AWS services spoken here: their botocore models, loaded when first needed, and which one a request is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from typing import Any, NamedTuple, Protocol

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from paddock.awsapi import form, s3
from paddock.awsapi.json_rpc import JsonRpc
from paddock.awsapi.messages import Request
from paddock.awsapi.query import Ec2, Query, form_of
from paddock.awsapi.replies import Reply
from paddock.awsapi.rest_json import RestJson
from paddock.awsapi.routes import Match
from paddock.model.errors import ApiError

SPOKEN = ("lambda", "logs", "cloudwatch", "ec2", "sts")
SIGNING_NAMES = {"lambda": "lambda", "logs": "logs", "monitoring": "cloudwatch", "ec2": "ec2", "sts": "sts"}
API_VERSIONS = {"2010-08-01": "cloudwatch", "2016-11-15": "ec2", "2011-06-15": "sts"}
TARGET_PREFIXES = {"Logs_20140328": "logs", "GraniteServiceVersion20100801": "cloudwatch"}

_FORM = b"application/x-www-form-urlencoded"


class Errors(Protocol):
    """How a protocol says what went wrong."""

    def serialise_error(self, error: ApiError, request_id: str) -> Reply: ...


class Codec(Errors, Protocol):
    """One protocol for one service."""

    def locate(self, request: Request) -> Match: ...

    def parse(self, operation: OperationModel, request: Request, match: Match) -> dict[str, Any]: ...

    def serialise(self, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> Reply: ...


class ParsedOperation(NamedTuple):
    """What a request asks for: an operation of a service, with its parameters by the model's names and types."""

    service: str
    model: OperationModel
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        return self.model.name


class Service:
    """One service. The model is read from botocore's files at the first use."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def model(self) -> ServiceModel:
        return ServiceModel(_loader().load_service_model(self.name, "service-2"), self.name)

    @cached_property
    def _codecs(self) -> dict[str, Codec]:
        spoken = [protocol for protocol in self.model.protocols if protocol in CODECS]
        return {protocol: CODECS[protocol](self.model) for protocol in spoken}

    def codec(self, request: Request) -> Codec:
        """Some services speak several protocols; a form is always the older one."""
        codecs = self._codecs
        if len(codecs) > 1 and _is_form(request) and "query" in codecs:
            return codecs["query"]
        return codecs[self.model.resolved_protocol]

    def parse(self, request: Request) -> ParsedOperation:
        """Raises `ApiError` when there is no such operation or its input cannot be read."""
        codec = self.codec(request)
        match = codec.locate(request)
        operation = self.model.operation_model(match.operation)
        return ParsedOperation(self.name, operation, codec.parse(operation, request, match))


class Services:
    """All services spoken here, and which of them a request is for."""

    def __init__(self, names: Iterable[str] = SPOKEN) -> None:
        self._services = {name: Service(name) for name in names}

    def named(self, name: str) -> Service:
        return self._services[name]

    def of(self, request: Request, signed_for: str) -> Service:
        """By the service it was signed for; if it says none, by its other marks; in the end it is Lambda."""
        if signed_for in s3.SIGNING_NAMES:
            raise s3.absent()
        if signed_for and signed_for not in SIGNING_NAMES:
            known = ", ".join(sorted(SIGNING_NAMES))
            text = f"The service '{signed_for}' is not to be had here; these are: {known}"
            raise ApiError("UnknownOperationException", text, status=404)
        return self._services[SIGNING_NAMES[signed_for] if signed_for else _by_marks(request)]

    def errors_like(self, request: Request, signed_for: str) -> Errors:
        """For a request whose service is not here: the form of its protocol's errors, so that they can be read."""
        if signed_for in s3.SIGNING_NAMES:
            return s3.S3Errors(request.method)
        if request.header(b"x-amz-target") is not None:
            return self._services["logs"].codec(request)
        return self._services["sts" if _is_form(request) and request.path == "/" else "lambda"].codec(request)


CODECS: dict[str, Callable[[ServiceModel], Codec]] = {
    "rest-json": RestJson,
    "json": JsonRpc,
    "query": Query,
    "ec2": Ec2,
}


def _by_marks(request: Request) -> str:
    target = request.header(b"x-amz-target")
    if target is not None:
        return TARGET_PREFIXES.get(target.partition(".")[0], "lambda")
    if request.path == "/":
        version = form.fields_of(form_of(request)).get("Version", "")
        return API_VERSIONS.get(version, "lambda")
    return "lambda"


def _is_form(request: Request) -> bool:
    return request.method == "GET" or request.headers.get(b"content-type", b"").startswith(_FORM)


@cache
def _loader() -> Loader:
    return Loader()
