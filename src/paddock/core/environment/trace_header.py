"""The trace header a function gets. Pure.

With active tracing the platform records a segment of its own for each invocation, and the function's are its children:
the header names it as their parent. Without, the header goes through as it came. Source: AWS's open agent code.
"""

from __future__ import annotations

_KEPT = ("Root", "Parent", "Sampled", "Lineage")


def with_segment(trace_header: str, segment_id: str) -> str:
    """`segment_id` has 16 hexadecimal digits. A header without a root names no trace, and stays."""
    fields = dict(part.partition("=")[::2] for part in trace_header.split(";"))
    if not fields.get("Root"):
        return trace_header
    known = {**fields, "Parent": segment_id, "Sampled": fields.get("Sampled") or "0"}
    return ";".join(f"{name}={known[name]}" for name in _KEPT if known.get(name))
