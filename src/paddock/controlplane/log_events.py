"""CloudWatch Logs: reading, searching and writing events. Tokens are positions: they stay valid while events come."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.log_groups import group_of, invalid, streams_of
from paddock.controlplane.log_patterns import keeps
from paddock.model.errors import ApiError
from paddock.ports.logs import LogEvent, LogLine, LogPage, LogQuery

MAX_EVENTS = 10_000
MAX_PAGE_BYTES = 1024 * 1024
"""CloudWatch's bounds of one answer."""
_EVENT_BYTES = 26
"""What CloudWatch counts for an event beside its message."""
_EVENT_ID_DIGITS = 56
_TOKEN = re.compile(r"(?P<direction>[fb])/(?P<position>\d{1,30})")
_SEARCH_TOKEN = re.compile(r"s/(\d{1,30})")


async def get_log_events(api: Api, call: Call) -> Answer:
    params = call.params
    group, stream = group_of(call), params["logStreamName"]
    await _require_stream(api, group, stream)
    query = LogQuery(params.get("startTime"), params.get("endTime"), frozenset({stream}))
    limit = params.get("limit", MAX_EVENTS)
    token = params.get("nextToken")
    given = _TOKEN.fullmatch(token) if token is not None else None
    if token is not None and given is None:
        raise invalid("The specified nextToken is invalid.")
    forward = given["direction"] == "f" if given is not None else params.get("startFromHead", False)
    position = int(given["position"]) if given is not None else None
    if forward:
        page = _within_bytes(await api.logs.forward(group, query, from_position=position or 0, limit=limit))
    else:
        page = await api.logs.backward(group, query, before_position=position, limit=limit)
    first, behind = _ends(page, position)
    return {
        "events": [
            {"timestamp": event.at_ms, "message": event.message, "ingestionTime": event.ingested_ms}
            for event in page.events
        ],
        "nextForwardToken": f"f/{behind}",
        "nextBackwardToken": f"b/{first}",
    }


async def filter_log_events(api: Api, call: Call) -> Answer:
    params = call.params
    group = group_of(call)
    await streams_of(api, group)
    if "logStreamNames" in params and "logStreamNamePrefix" in params:
        raise invalid("logStreamNames and logStreamNamePrefix cannot both be specified.")
    token = params.get("nextToken")
    given = _SEARCH_TOKEN.fullmatch(token) if token is not None else None
    if token is not None and given is None:
        raise invalid("The specified nextToken is invalid.")
    streams = params.get("logStreamNames")
    end_ms = params.get("endTime")
    query = LogQuery(
        start_ms=params.get("startTime"),
        # The end of a search belongs to it, other than that of GetLogEvents.
        end_ms=None if end_ms is None else end_ms + 1,
        streams=None if streams is None else frozenset(streams),
        stream_prefix=params.get("logStreamNamePrefix", ""),
        keep=keeps(params.get("filterPattern", "")),
    )
    limit = params.get("limit", MAX_EVENTS)
    page = await api.logs.forward(group, query, from_position=int(given[1]) if given is not None else 0, limit=limit)
    page = _within_bytes(page)
    answer: dict[str, Any] = {
        "events": [_found(event) for event in sorted(page.events, key=lambda event: event.at_ms)],
        "searchedLogStreams": [],
    }
    if not page.complete:
        answer["nextToken"] = f"s/{page.next_position}"
    return answer


async def put_log_events(api: Api, call: Call) -> Answer:
    group, stream = call.params["logGroupName"], call.params["logStreamName"]
    await _require_stream(api, group, stream)
    lines = [LogLine(event["timestamp"], event["message"]) for event in call.params["logEvents"]]
    if any(later.at_ms < earlier.at_ms for earlier, later in pairwise(lines)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    await api.logs.append(group, stream, lines)
    # Nothing depends on it any more, and old clients still want one.
    return {"nextSequenceToken": "0"}


def _found(event: LogEvent) -> dict[str, Any]:
    return {
        "logStreamName": event.stream,
        "timestamp": event.at_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
        "eventId": f"{event.position:0{_EVENT_ID_DIGITS}d}",
    }


def _within_bytes(page: LogPage) -> LogPage:
    """At least one event, and no more than an answer may hold; the rest comes with the next page."""
    total = 0
    for number, event in enumerate(page.events):
        total += len(event.message) + _EVENT_BYTES
        if total > MAX_PAGE_BYTES and number > 0:
            return LogPage(page.events[:number], event.position, complete=False)
    return page


def _ends(page: LogPage, position: int | None) -> tuple[int, int]:
    """Where the next pages backward and forward begin; an end of the stream gives back the token that was given."""
    if page.events:
        return page.events[0].position, page.events[-1].position + 1
    if page.complete and position is not None:
        return position, position
    return page.next_position, page.next_position


async def _require_stream(api: Api, group: str, stream: str) -> None:
    if not any(each.name == stream for each in await streams_of(api, group)):
        raise ApiError("ResourceNotFoundException", "The specified log stream does not exist.", status=400)


OPERATIONS = (
    Operation("logs", "GetLogEvents", get_log_events),
    Operation(
        "logs", "FilterLogEvents", filter_log_events, "partial", "patterns of terms and JSON conditions, no fields"
    ),
    Operation("logs", "PutLogEvents", put_log_events),
)
