from __future__ import annotations

import pytest

from paddock.core.environment.trace_header import with_segment

SEGMENT = "0123456789abcdef"


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        ("Root=1-a-b;Parent=c;Sampled=1", f"Root=1-a-b;Parent={SEGMENT};Sampled=1"),
        ("Root=1-a-b", f"Root=1-a-b;Parent={SEGMENT};Sampled=0"),
        ("Root=1-a-b;Sampled=", f"Root=1-a-b;Parent={SEGMENT};Sampled=0"),
        ("Root=1-a-b;Lineage=1:d:0;Sampled=1", f"Root=1-a-b;Parent={SEGMENT};Sampled=1;Lineage=1:d:0"),
        ("Self=1-x-y;Root=1-a-b;Other=z", f"Root=1-a-b;Parent={SEGMENT};Sampled=0"),
    ],
)
def test_the_platform_s_segment_is_the_parent_and_the_trace_stays(given: str, passed_on: str) -> None:
    assert with_segment(given, SEGMENT) == passed_on


@pytest.mark.parametrize("given", ["", "Parent=c;Sampled=1", "Root=", "no header"])
def test_what_names_no_trace_stays(given: str) -> None:
    assert with_segment(given, SEGMENT) == given
