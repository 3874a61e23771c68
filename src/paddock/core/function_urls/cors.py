"""Cross-origin requests to a function URL: which the platform answers itself, and what it adds to an answer.

Where a URL has CORS settings they alone count: what the function says of it is taken out. Source: AWS, "Creating and
managing Lambda function URLs", and the Fetch standard for what browsers send.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from paddock.model.function_url import Cors

Headers = tuple[tuple[str, str], ...]

ANY = "*"
_PREFIX = "access-control-"
_WORD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ORIGIN = re.compile(r"[\x21-\x7e]+")


def complaint_about(cors: Cors) -> str | None:
    """Why a browser could not be told these settings, or None: each word stands in a header of ours."""
    words = {
        "AllowHeaders": cors.allow_headers,
        "AllowMethods": cors.allow_methods,
        "ExposeHeaders": cors.expose_headers,
    }
    for member, values in words.items():
        for value in values or ():
            if _WORD.fullmatch(value) is None:
                return f"{value!r} in {member} is none that a header can carry"
    for value in cors.allow_origins or ():
        if _ORIGIN.fullmatch(value) is None:
            return f"{value!r} in AllowOrigins is no origin"
    return None


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """A browser's question before the request itself; a plain OPTIONS is the function's business."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight_headers(cors: Cors, origin: str) -> Headers:
    """The answer to the question; to an origin that may not use the URL it says nothing."""
    allowed = _allowed(cors, origin)
    if not allowed:
        return allowed
    lists = (
        ("Access-Control-Allow-Methods", cors.allow_methods),
        ("Access-Control-Allow-Headers", cors.allow_headers),
    )
    said = tuple((name, ",".join(values)) for name, values in lists if values)
    if cors.max_age_seconds is not None:
        said += (("Access-Control-Max-Age", str(cors.max_age_seconds)),)
    return allowed + said


def with_cors(headers: Iterable[tuple[str, str]], cors: Cors | None, origin: str | None) -> Headers:
    """The headers of an answer with what the settings say to a page of this origin; None: no page asked."""
    if cors is None or origin is None:
        return tuple(headers)
    kept = tuple((name, value) for name, value in headers if not name.lower().startswith(_PREFIX))
    return kept + _allowed(cors, origin)


def _allowed(cors: Cors, origin: str) -> Headers:
    origins = cors.allow_origins or ()
    if origin not in origins and ANY not in origins:
        return ()
    # With credentials a browser takes no wildcard: the origin itself is named.
    named = ANY if ANY in origins and not cors.allow_credentials else origin
    said: Headers = (("Access-Control-Allow-Origin", named),)
    if cors.allow_credentials:
        said += (("Access-Control-Allow-Credentials", "true"),)
    if cors.expose_headers:
        said += (("Access-Control-Expose-Headers", ",".join(cors.expose_headers)),)
    if named != ANY:
        said += (("Vary", "Origin"),)
    return said
