"""The `json` protocols (AWS JSON 1.0 and 1.1): one path, the operation in `X-Amz-Target`, everything in the body.

CloudWatch Logs speaks it, and CloudWatch in the way botocore prefers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
from botocore.model import OperationModel, ServiceModel, StructureShape

from paddock.awsapi import json_shapes, scalars
from paddock.awsapi.messages import Request
from paddock.awsapi.replies import REQUEST_ID_HEADER, ErrorShapes, Reply, sender_or_receiver
from paddock.awsapi.routes import Match
from paddock.model.errors import ApiError


class JsonRpc:
    """Speaks the protocol for one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._errors = ErrorShapes(model)
        self._names = frozenset(model.operation_names)
        self._content_type = ("Content-Type", f"application/x-amz-json-{model.metadata['jsonVersion']}")

    def locate(self, request: Request) -> Match:
        target = request.header(b"x-amz-target") or ""
        name = target.rpartition(".")[2]
        if name not in self._names:
            raise ApiError("UnknownOperationException", f"There is no operation '{target}' in this service", status=400)
        return Match(name, {})

    def parse(self, operation: OperationModel, request: Request, _match: Match) -> dict[str, Any]:
        shape = operation.input_shape
        if shape is None or not request.body:
            return {}
        try:
            document = json_shapes.parse_document(request.body)
        except ValueError as error:
            raise scalars.serialization_error(str(error)) from None
        return cast("dict[str, Any]", json_shapes.decode(shape, document))

    def serialise(self, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> Reply:
        shape = operation.output_shape or StructureShape("Nothing", {"type": "structure", "members": {}})
        body = msgspec.json.encode(json_shapes.encode(shape, result))
        return Reply(200, [self._content_type, (REQUEST_ID_HEADER, request_id)], body)

    def serialise_error(self, error: ApiError, request_id: str) -> Reply:
        shape = self._errors.find(error.code)
        status = self._errors.status(error)
        members = cast("StructureShape", shape).members if shape is not None else {}
        document = {"__type": error.code, **{name: value for name, value in error.members.items() if name in members}}
        document["Message" if "Message" in members else "message"] = error.message
        headers = [self._content_type, (REQUEST_ID_HEADER, request_id), ("x-amzn-ErrorType", error.code)]
        if self._model.is_query_compatible:
            modelled = shape.metadata.get("error", {}).get("code") if shape is not None else None
            headers.append(("x-amzn-query-error", f"{modelled or error.code};{sender_or_receiver(error, status)}"))
        return Reply(status, headers, msgspec.json.encode(document))
