"""Whether an event can be given to a runtime without harm. Pure."""

from __future__ import annotations

import msgspec

from paddock.agent.calls import Call

_HEAD_LINES = 8
"""Of the head that goes before the deadline: a caller's value may not add any."""


def is_deliverable(call: Call) -> bool:
    """A value that holds a line break, or a context that is no JSON (Node.js dies of it), is not passed on."""
    if call.head.count("\n") != _HEAD_LINES or call.head.count("\r") != _HEAD_LINES:
        return False
    header = call.header
    if not header.client_context and not header.cognito_identity:
        return True
    return all(_is_json(document) for document in (header.client_context, header.cognito_identity) if document)


def _is_json(document: str) -> bool:
    try:
        msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True
