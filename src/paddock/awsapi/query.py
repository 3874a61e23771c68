"""The `query` and `ec2` protocols: a form in, XML out. STS speaks the first, EC2 the second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel, ServiceModel

from paddock.awsapi import form, xml
from paddock.awsapi.messages import Request
from paddock.awsapi.replies import REQUEST_ID_HEADER, ErrorShapes, Reply, sender_or_receiver
from paddock.awsapi.routes import Match
from paddock.model.errors import ApiError

XML = ("Content-Type", "text/xml;charset=UTF-8")

QUERY_CODES = {
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "ExpiredTokenException": "ExpiredToken",
    "AccessDeniedException": "AccessDenied",
    "UnknownOperationException": "InvalidAction",
    "ThrottlingException": "Throttling",
    "TooManyRequestsException": "Throttling",
    "ServiceException": "InternalFailure",
    "SerializationException": "MalformedInput",
}
"""What this protocol's services call the errors that do not come from their own model."""

EC2_CODES = QUERY_CODES | {
    "InvalidSignatureException": "AuthFailure",
    "UnrecognizedClientException": "AuthFailure",
    "MissingAuthenticationTokenException": "AuthFailure",
    "ExpiredTokenException": "RequestExpired",
    "AccessDeniedException": "UnauthorizedOperation",
    "ThrottlingException": "RequestLimitExceeded",
    "TooManyRequestsException": "RequestLimitExceeded",
    "ServiceException": "InternalError",
    "SerializationException": "InvalidParameterValue",
}
EC2_AUTH_FAILURE_STATUS = 401


class Query:
    """Speaks the `query` protocol for one service."""

    naming = form.QUERY
    codes: Mapping[str, str] = QUERY_CODES

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._errors = ErrorShapes(model)
        self._names = frozenset(model.operation_names)
        self._namespace = str(model.metadata.get("xmlNamespace", ""))

    def locate(self, request: Request) -> Match:
        fields = form.fields_of(form_of(request))
        name = fields.get("Action", "")
        if name not in self._names:
            version = fields.get("Version", "")
            text = f"Could not find operation {name} for version {version or 'NO_VERSION_SPECIFIED'}"
            raise ApiError("UnknownOperationException", text, status=400)
        return Match(name, fields)

    def parse(self, operation: OperationModel, _request: Request, match: Match) -> dict[str, Any]:
        shape = operation.input_shape
        return {} if shape is None else form.parse(shape, match.labels, self.naming)

    def serialise(self, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> Reply:
        shape = operation.output_shape
        content = ""
        if shape is not None:
            content = xml.members(shape, result)
            if "resultWrapper" in shape.serialization:
                content = xml.element(shape.serialization["resultWrapper"], content)
        metadata = xml.element("ResponseMetadata", xml.text_element("RequestId", request_id))
        return self._reply(200, self._document(operation, content + metadata), request_id)

    def serialise_error(self, error: ApiError, request_id: str) -> Reply:
        status = self._errors.status(error)
        described = "".join(
            xml.text_element(name, value)
            for name, value in {
                "Type": sender_or_receiver(error, status),
                "Code": self._code(error),
                "Message": error.message,
            }.items()
        )
        content = xml.element("Error", described) + xml.text_element("RequestId", request_id)
        namespace = f' xmlns="{self._namespace}"' if self._namespace else ""
        return self._reply(status, f"<ErrorResponse{namespace}>{content}</ErrorResponse>", request_id)

    def _code(self, error: ApiError) -> str:
        shape = self._errors.find(error.code)
        modelled = shape.metadata.get("error", {}).get("code") if shape is not None else None
        return str(modelled or self.codes.get(error.code, error.code))

    def _document(self, operation: OperationModel, content: str) -> str:
        namespace = f' xmlns="{self._namespace}"' if self._namespace else ""
        name = f"{operation.name}Response"
        return f"<{name}{namespace}>{content}</{name}>"

    def _reply(self, status: int, document: str, request_id: str) -> Reply:
        body = (xml.DECLARATION + document).encode("utf-8", "replace")
        return Reply(status, [XML, (REQUEST_ID_HEADER, request_id)], body)


class Ec2(Query):
    """Speaks the `ec2` protocol: names in the form and the frame of the answer differ."""

    naming = form.EC2
    codes: Mapping[str, str] = EC2_CODES

    def serialise(self, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> Reply:
        shape = operation.output_shape
        content = xml.text_element("requestId", request_id)
        if shape is not None:
            content += xml.members(shape, result)
        return self._reply(200, self._document(operation, content), request_id)

    def serialise_error(self, error: ApiError, request_id: str) -> Reply:
        code = self._code(error)
        described = xml.text_element("Code", code) + xml.text_element("Message", error.message)
        errors = xml.element("Errors", xml.element("Error", described))
        status = EC2_AUTH_FAILURE_STATUS if code == "AuthFailure" else self._errors.status(error)
        document = xml.element("Response", errors + xml.text_element("RequestID", request_id))
        return self._reply(status, document, request_id)


def form_of(request: Request) -> str:
    """The body, or for a GET the query."""
    return request.body.decode("utf-8", "replace") if request.body else request.query
