"""What a runtime is told before an event, and whether it can be told without harm. Pure."""

from __future__ import annotations

import msgspec

from paddock.agent.calls import Call
from paddock.core.environment.trace_header import with_segment
from paddock.wire.agent import InvokeHeader


def event_head(call: Call, nonce: str, deadline_ms: int, tenant_head: str) -> bytes:
    """The answer to a poll up to the event. `tenant_head` is a whole line, or nothing."""
    to = call.header
    trace_header = with_segment(to.trace_header, call.segment) if call.segment else to.trace_header
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {to.content_type}\r\nContent-Length: {call.event_bytes}\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {to.invocation_id}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {to.invoked_function_arn}\r\n"
        f"Lambda-Runtime-Trace-Id: {trace_header}\r\nLambda-Runtime-Client-Context: {to.client_context}\r\n"
        f"Lambda-Runtime-Cognito-Identity: {to.cognito_identity}\r\nLambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
        f"Lambda-Runtime-Invocation-Id: {nonce}\r\n{tenant_head}\r\n"
    ).encode()


def is_deliverable(header: InvokeHeader) -> bool:
    """A value that holds a line break, or a context that is no JSON (Node.js dies of it), is not passed on."""
    context, identity = header.client_context, header.cognito_identity
    values = f"{header.trace_header}{header.invoked_function_arn}{header.content_type}{context}{identity}"
    if "\n" in values or "\r" in values:
        return False
    return not (context or identity) or all(_is_json(document) for document in (context, identity) if document)


def _is_json(document: str) -> bool:
    try:
        msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True
