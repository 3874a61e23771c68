import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from paddock.controlplane import log_events
from paddock.ports.logs import LogLine
from tests.controlplane.harness import Harness

GROUP = "/aws/lambda/thumbnail"


@pytest.fixture
def logged(harness: Harness) -> Harness:
    async def write() -> None:
        await harness.logs.append(GROUP, "one", [LogLine(number, f"line {number}") for number in (1, 2, 3, 4, 5)])
        await harness.logs.append(GROUP, "two", [LogLine(4, '{"level": "ERROR"}'), LogLine(6, '{"level": "INFO"}')])

    asyncio.run(write())
    return harness


def times(answer: dict[str, Any]) -> list[int]:
    return [event["timestamp"] for event in answer["events"]]


def test_a_search_over_all_streams_is_in_order_of_time(logged: Harness) -> None:
    answer = logged.logs_client.filter_log_events(logGroupName=GROUP, interleaved=True)
    assert times(answer) == [1, 2, 3, 4, 4, 5, 6]
    assert "nextToken" not in answer
    identifiers = {event["eventId"] for event in answer["events"]}
    assert len(identifiers) == 7


def test_a_search_by_time_stream_and_pattern(logged: Harness) -> None:
    def search(**members: Any) -> list[int]:
        return times(logged.logs_client.filter_log_events(logGroupName=GROUP, **members))

    assert search(startTime=2, endTime=3) == [2, 3]
    assert search(logStreamNames=["two"]) == [4, 6]
    assert search(logStreamNamePrefix="o") == [1, 2, 3, 4, 5]
    assert search(filterPattern='{ $.level = "ERROR" }') == [4]
    assert search(filterPattern='"line 5"') == [5]


def test_a_search_is_read_in_pages_by_boto3(logged: Harness) -> None:
    paginator = logged.logs_client.get_paginator("filter_log_events")
    pages = paginator.paginate(logGroupName=GROUP, PaginationConfig={"PageSize": 2})
    assert sorted(time for page in pages for time in times(page)) == [1, 2, 3, 4, 4, 5, 6]


def test_following_with_event_ids_sees_each_event_once(logged: Harness) -> None:
    """What `aws logs tail --follow` does: search again from the last time seen, skip known ids."""
    seen: set[str] = set()
    order: list[int] = []
    for late in (7, 8):
        answer = logged.logs_client.filter_log_events(logGroupName=GROUP, startTime=max(order, default=0))
        for event in answer["events"]:
            if event["eventId"] not in seen:
                seen.add(event["eventId"])
                order.append(event["timestamp"])
        asyncio.run(logged.logs.append(GROUP, "one", [LogLine(late, "late")]))
    assert order == [1, 2, 3, 4, 4, 5, 6, 7]


def test_a_stream_is_read_backward_by_default_and_forward_by_token(logged: Harness) -> None:
    def read(**members: Any) -> dict[str, Any]:
        answer: dict[str, Any] = logged.logs_client.get_log_events(logGroupName=GROUP, logStreamName="one", **members)
        return answer

    last = read(limit=2)
    assert times(last) == [4, 5]
    before = read(limit=2, nextToken=last["nextBackwardToken"])
    assert times(before) == [2, 3]
    assert times(read(limit=2, nextToken=before["nextForwardToken"])) == [4, 5]
    behind = read(nextToken=last["nextForwardToken"])
    assert times(behind) == []
    assert behind["nextForwardToken"] == last["nextForwardToken"]
    asyncio.run(logged.logs.append(GROUP, "one", [LogLine(9, "new")]))
    assert times(read(nextToken=behind["nextForwardToken"])) == [9]
    assert times(read(startFromHead=True, limit=3)) == [1, 2, 3]
    assert times(read(startTime=2, endTime=4, startFromHead=True)) == [2, 3]


def test_the_head_of_a_stream_gives_its_token_back(logged: Harness) -> None:
    client = logged.logs_client
    first = client.get_log_events(logGroupName=GROUP, logStreamName="one", startFromHead=True)
    token = first["nextBackwardToken"]
    again = client.get_log_events(logGroupName=GROUP, logStreamName="one", nextToken=token)
    assert times(again) == []
    assert again["nextBackwardToken"] == token


def test_large_answers_are_cut(logged: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_events, "MAX_PAGE_BYTES", 80)
    paginator = logged.logs_client.get_paginator("filter_log_events")
    pages = list(paginator.paginate(logGroupName=GROUP))
    assert len(pages) > 2
    assert sorted(time for page in pages for time in times(page)) == [1, 2, 3, 4, 4, 5, 6]


def test_groups_and_streams_are_described(logged: Harness) -> None:
    client = logged.logs_client
    client.create_log_group(logGroupName="other")
    client.put_retention_policy(logGroupName="other", retentionInDays=7)
    groups = client.describe_log_groups(logGroupNamePrefix="/aws/lambda")["logGroups"]
    assert [group["logGroupName"] for group in groups] == [GROUP]
    assert groups[0]["arn"] == f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}:*"
    assert client.describe_log_groups(logGroupNamePattern="OTH")["logGroups"][0]["retentionInDays"] == 7
    streams = client.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"]
    assert [(stream["logStreamName"], stream["lastEventTimestamp"]) for stream in streams] == [("two", 6), ("one", 5)]
    by_arn = client.describe_log_streams(logGroupIdentifier=groups[0]["logGroupArn"], logStreamNamePrefix="t")[
        "logStreams"
    ]
    assert [stream["logStreamName"] for stream in by_arn] == ["two"]
    pages = client.get_paginator("describe_log_streams").paginate(logGroupName=GROUP, PaginationConfig={"PageSize": 1})
    assert [page["logStreams"][0]["logStreamName"] for page in pages] == ["one", "two"]
    client.delete_retention_policy(logGroupName="other")
    client.delete_log_group(logGroupName="other")
    assert len(client.describe_log_groups()["logGroups"]) == 1


def test_events_may_be_put(harness: Harness) -> None:
    client = harness.logs_client
    client.create_log_group(logGroupName="mine")
    client.create_log_stream(logGroupName="mine", logStreamName="s")
    client.put_log_events(logGroupName="mine", logStreamName="s", logEvents=[{"timestamp": 5, "message": "hello"}])
    assert times(client.get_log_events(logGroupName="mine", logStreamName="s")) == [5]
    with pytest.raises(client.exceptions.InvalidParameterException, match="chronological"):
        client.put_log_events(
            logGroupName="mine",
            logStreamName="s",
            logEvents=[{"timestamp": 5, "message": "b"}, {"timestamp": 4, "message": "a"}],
        )


def test_what_is_not_there_is_not_found(logged: Harness) -> None:
    client = logged.logs_client
    missing = client.exceptions.ResourceNotFoundException
    calls: tuple[Callable[[], Any], ...] = (
        lambda: client.filter_log_events(logGroupName="nobody"),
        lambda: client.describe_log_streams(logGroupName="nobody"),
        lambda: client.create_log_stream(logGroupName="nobody", logStreamName="s"),
        lambda: client.delete_log_group(logGroupName="nobody"),
        lambda: client.put_retention_policy(logGroupName="nobody", retentionInDays=1),
        lambda: client.get_log_events(logGroupName="nobody", logStreamName="one"),
    )
    for call in calls:
        with pytest.raises(missing, match="The specified log group does not exist"):
            call()
    with pytest.raises(missing, match="The specified log stream does not exist"):
        client.get_log_events(logGroupName=GROUP, logStreamName="nobody")
    with pytest.raises(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_group(logGroupName=GROUP)


def test_bad_input_is_refused(logged: Harness) -> None:
    client = logged.logs_client
    calls: tuple[Callable[[], Any], ...] = (
        lambda: client.filter_log_events(logGroupName=GROUP, nextToken="made up"),
        lambda: client.filter_log_events(logGroupName=GROUP, filterPattern="{ broken"),
        client.filter_log_events,
        lambda: client.get_log_events(logGroupName=GROUP, logStreamName="one", nextToken="made up"),
        lambda: client.describe_log_groups(nextToken="made up"),
        lambda: client.put_retention_policy(logGroupName=GROUP, retentionInDays=2),
        lambda: client.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", logStreamNamePrefix="o"),
    )
    for call in calls:
        with pytest.raises(client.exceptions.InvalidParameterException):
            call()
