from __future__ import annotations

import json
from typing import Any

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from paddock.awsapi.eventstream import invoke_complete, message, payload_chunk


def read(stream: bytes) -> list[tuple[Any, bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(event.headers, event.payload) for event in buffer]


def test_botocore_reads_a_streamed_answer() -> None:
    stream = payload_chunk(b"one") + payload_chunk(b"") + invoke_complete("Unhandled", "why")

    events = [(headers[":event-type"], payload) for headers, payload in read(stream)]

    assert events[:2] == [("PayloadChunk", b"one"), ("PayloadChunk", b"")]
    assert events[2][0] == "InvokeComplete"
    assert json.loads(events[2][1]) == {"ErrorCode": "Unhandled", "ErrorDetails": "why"}


@given(st.dictionaries(st.text(st.characters(codec="ascii"), min_size=1), st.text(), max_size=4), st.binary())
def test_any_message_is_read_back(headers: dict[str, str], payload: bytes) -> None:
    assert read(message(headers, payload)) == [(headers, payload)]
