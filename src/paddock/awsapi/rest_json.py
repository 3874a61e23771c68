"""The `rest-json` protocol, which is Lambda's: paths with labels, query strings, headers, JSON or raw bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote

import msgspec
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape

from paddock.awsapi import json_shapes, scalars
from paddock.awsapi.messages import Request
from paddock.awsapi.replies import REQUEST_ID_HEADER, ErrorShapes, Reply
from paddock.awsapi.routes import Match, Route, RouteTable
from paddock.model.errors import ApiError

JSON = ("Content-Type", "application/json")
NO_CONTENT = 204


class RestJson:
    """Speaks the protocol for one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._errors = ErrorShapes(model)
        operations = (model.operation_model(name) for name in model.operation_names)
        self._routes = RouteTable(Route(one.http["method"], one.http["requestUri"], one.name) for one in operations)

    def locate(self, request: Request) -> Match:
        match = self._routes.match(request.method, request.path, request.query)
        if match is None:
            text = f"No operation of this service is at {request.method} {request.path}"
            raise ApiError("UnknownOperationException", text, status=404)
        return match

    def parse(self, operation: OperationModel, request: Request, match: Match) -> dict[str, Any]:
        shape = operation.input_shape
        if shape is None:
            return {}
        parameters = dict(_body_parameters(operation, shape, request.body))
        query = _parsed_query(request.query)
        for name, member in shape.members.items():
            value = _located(member, member.serialization.get("name", name), request, match.labels, query)
            if value is not None:
                parameters[name] = value
        return parameters

    def serialise(self, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> Reply:
        status = int(operation.http.get("responseCode", 200))
        headers = [(REQUEST_ID_HEADER, request_id)]
        shape = operation.output_shape
        if shape is None:
            if result:
                raise KeyError(next(iter(result)))
            return Reply(status, headers, b"")
        for name, value in result.items():
            member = shape.members[name]
            location = member.serialization.get("location")
            if location == "statusCode" and value is not None:
                status = int(value)
            elif location == "header" and value is not None:
                headers.append((member.serialization.get("name", name), scalars.to_text(member, value, "rfc822")))
        body = _body(shape, result, headers)
        return Reply(status, headers, b"" if status == NO_CONTENT else body)

    def serialise_error(self, error: ApiError, request_id: str) -> Reply:
        """Lambda writes `Message` or `message` as the error's own shape says, and `message` for errors of no shape."""
        shape = self._errors.find(error.code)
        headers = [JSON, (REQUEST_ID_HEADER, request_id), ("x-amzn-ErrorType", error.code)]
        members = cast("StructureShape", shape).members if shape is not None else {}
        document: dict[str, str] = {}
        for name, value in error.members.items():
            member = members.get(name)
            if member is not None and member.serialization.get("location") == "header":
                headers.append((member.serialization["name"], value))
            elif member is not None:
                document[name] = value
        document["Message" if "Message" in members else "message"] = error.message
        return Reply(self._errors.status(error), headers, msgspec.json.encode(document))


# --- requests ---


def _located(
    member: Shape, wire: str, request: Request, labels: Mapping[str, str], query: Mapping[str, list[str]]
) -> Any:
    """The value of a member that travels in path, query or header; None if it is not there or travels in the body."""
    location = member.serialization.get("location")
    if location == "uri":
        return scalars.from_text(member, labels[wire])
    if location == "querystring":
        values = query.get(wire)
        if values is None:
            return None
        if isinstance(member, ListShape):
            return [scalars.from_text(member.member, value) for value in values]
        return scalars.from_text(member, values[0])
    if location == "header":
        text = request.header(wire.lower().encode("latin-1"))
        return None if text is None else scalars.from_text(member, text)
    return None


def _body_parameters(operation: OperationModel, shape: StructureShape, body: bytes) -> Mapping[str, Any]:
    payload = shape.serialization.get("payload")
    if payload is None:
        members = json_shapes.body_members(shape)
        if not members or not body:
            return {}
        return cast("dict[str, Any]", json_shapes.decode(shape, _document(operation, body)))
    member = shape.members[payload]
    if not body:
        return {payload: b""} if member.type_name == "blob" and payload in shape.required_members else {}
    if member.type_name in {"blob", "string"}:
        return {payload: body if member.type_name == "blob" else body.decode("utf-8", "replace")}
    return {payload: json_shapes.decode(member, _document(operation, body))}


def _document(operation: OperationModel, body: bytes) -> Any:
    try:
        return json_shapes.parse_document(body)
    except ValueError as error:
        raise scalars.serialization_error(f"Could not parse request body into json: {error}") from None


def _parsed_query(query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        found.setdefault(unquote(name), []).append(unquote(value))
    return found


# --- results ---


def _body(shape: StructureShape, result: Mapping[str, Any], headers: list[tuple[str, str]]) -> bytes:
    payload = shape.serialization.get("payload")
    if payload is None:
        headers.append(JSON)
        return msgspec.json.encode(json_shapes.encode(shape, result))
    value = result.get(payload)
    member = shape.members[payload]
    if member.type_name == "structure":
        headers.append(JSON)
        return msgspec.json.encode(json_shapes.encode(member, value or {}))
    headers.append(("Content-Type", "application/octet-stream"))
    return value.encode() if isinstance(value, str) else bytes(value or b"")
