"""The cause of an error as X-Ray wants it: what a runtime posts in `Lambda-Runtime-Function-XRay-Error-Cause`. Pure.

Its fields and the limit are those of AWS's open agent code; what is cropped there, and in which order, is here too:
stack frames and paths first, the message last.
"""

from __future__ import annotations

import json

MAX_CAUSE_BYTES = 64 * 1024
MAX_POSTED_BYTES = 1024 * 1024
"""A longer one is not looked at: it would keep the agent busy."""
_KEPT_SHARE = 0.8
"""The most that is left of the lists at each try; less when much is too much, so that there are few tries."""
_FIELDS = ("working_directory", "exceptions", "paths", "message")


def cropped_error_cause(posted: str) -> str:
    """JSON of at most 64 KiB, empty when what was posted is no cause."""
    if not posted or len(posted) > MAX_POSTED_BYTES:
        return ""
    cause = _parsed(posted)
    if cause is None:
        return ""
    text = _written(cause)
    while len(text) > MAX_CAUSE_BYTES and _shorten_lists(cause, min(_KEPT_SHARE, MAX_CAUSE_BYTES / len(text))):
        text = _written(cause)
    if len(text) > MAX_CAUSE_BYTES:
        # Each character may take six bytes when it is written.
        message = str(cause.get("message", ""))[: MAX_CAUSE_BYTES // 8]
        text = _written({"message": message})
    return text


def _parsed(posted: str) -> dict[str, object] | None:
    try:
        document = json.loads(posted)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    cause = {name: document[name] for name in _FIELDS if document.get(name)}
    return cause or None


def _written(cause: dict[str, object]) -> str:
    """In ASCII, so that characters are bytes."""
    return json.dumps(cause, separators=(",", ":"))


def _shorten_lists(cause: dict[str, object], share: float) -> bool:
    """Whether there was anything left to shorten."""
    shortened = False
    exceptions = cause.get("exceptions")
    for one in exceptions if isinstance(exceptions, list) else ():
        shortened |= isinstance(one, dict) and _shorten(one, "stack", share)
    shortened |= _shorten(cause, "paths", share)
    return shortened or _shorten(cause, "exceptions", share)


def _shorten(holder: dict[str, object], name: str, share: float) -> bool:
    held = holder.get(name)
    if not isinstance(held, list) or not held:
        return False
    holder[name] = held[: int(len(held) * share)]
    return True
