import json

import pytest

from paddock.core.environment.telemetry import Category, Schema, TelemetryApi
from paddock.core.environment.telemetry_events import (
    LineEvent,
    PlatformEvent,
    ReadyEvent,
    as_array,
    as_lines,
    logs_dropped,
)

TIME = "2026-11-23T06:28:00.123Z"
FIRST, SECOND, LATEST = (Schema(TelemetryApi.TELEMETRY, at) for at in ("2022-07-01", "2022-12-13", "2025-01-29"))
OLD_LOGS, NEW_LOGS = (Schema(TelemetryApi.LOGS, at) for at in ("2020-08-15", "2021-03-18"))
EVERY = (FIRST, SECOND, LATEST, OLD_LOGS, NEW_LOGS)


def record(text: bytes | None) -> object:
    assert text is not None
    document = json.loads(text)
    assert list(document) == ["time", "type", "record"]
    assert document["time"] == TIME
    return document["record"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"level": "INFO", "n": 1}', {"level": "INFO", "n": 1}),
        (b' {"a": []} \r', {"a": []}),
        (b"plain", "plain"),
        (b"[1]", "[1]"),
        (b"12", "12"),
        (b'{"cut": ', '{"cut": '),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"a": -Infinity}', '{"a": -Infinity}'),
        (b'{"a": 1} {"b": 2}', '{"a": 1} {"b": 2}'),
        (b"caf\xe9", "caf\ufffd"),
        (b'{"a": "\xff"}', '{"a": "\ufffd"}'),
        (b"\x00\x1b[0m", "\x00\x1b[0m"),
        (b'{"a":' * 100_000, '{"a":' * 100_000),
    ],
)
def test_a_line_that_is_a_json_object_is_given_as_one_and_any_other_as_text(line: bytes, expected: object) -> None:
    event = LineEvent(Category.FUNCTION, TIME, line)
    assert record(event.shaped(LATEST, json_logs=True)) == expected
    assert record(event.shaped(SECOND, json_logs=True)) == expected
    text = line.decode("utf-8", "replace")
    for schema in (FIRST, OLD_LOGS, NEW_LOGS):
        assert record(event.shaped(schema, json_logs=True)) == text
    for schema in EVERY:
        assert record(event.shaped(schema, json_logs=False)) == text


def test_lines_say_whose_they_are() -> None:
    for category in (Category.FUNCTION, Category.EXTENSION):
        shaped = LineEvent(category, TIME, b"x").shaped(LATEST, json_logs=True)
        assert json.loads(shaped)["type"] == category.value


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("platform.initStart", {FIRST, SECOND, LATEST}),
        ("platform.initRuntimeDone", {FIRST, SECOND, LATEST}),
        ("platform.initReport", {FIRST, SECOND, LATEST}),
        ("platform.telemetrySubscription", {FIRST, SECOND, LATEST}),
        ("platform.logsSubscription", {OLD_LOGS, NEW_LOGS}),
        ("platform.start", set(EVERY)),
        ("platform.runtimeDone", set(EVERY) - {OLD_LOGS}),
        ("platform.report", set(EVERY)),
        ("platform.extension", set(EVERY)),
        ("platform.end", {OLD_LOGS, NEW_LOGS}),
        ("platform.fault", {OLD_LOGS, NEW_LOGS}),
    ],
)
def test_a_schema_has_the_events_of_its_time(name: str, known: set[Schema]) -> None:
    event = PlatformEvent(TIME, name, {"requestId": "r"})
    assert {schema for schema in EVERY if event.shaped(schema, json_logs=False) is not None} == known


def test_records_hold_what_their_schema_has() -> None:
    start = PlatformEvent(TIME, "platform.start", {"requestId": "r", "version": "1", "functionArn": "arn"})
    assert record(start.shaped(LATEST, json_logs=False)) == {"requestId": "r", "version": "1", "functionArn": "arn"}
    for schema in (FIRST, SECOND, OLD_LOGS):
        assert record(start.shaped(schema, json_logs=False)) == {"requestId": "r", "version": "1"}
    report = PlatformEvent(
        TIME, "platform.report", {"requestId": "r", "metrics": {}, "status": "error", "errorType": "E"}
    )
    assert record(report.shaped(NEW_LOGS, json_logs=False)) == {"requestId": "r", "metrics": {}}
    assert record(PlatformEvent(TIME, "platform.fault", "gone").shaped(NEW_LOGS, json_logs=False)) == "gone"


def test_an_event_of_managed_instances_is_given_as_it_was_logged() -> None:
    event = ReadyEvent(b'{"time":"t"}')
    assert event.category is Category.PLATFORM
    assert event.shaped(LATEST, json_logs=True) == b'{"time":"t"}'


def test_what_was_dropped_is_told_in_numbers() -> None:
    told = record(logs_dropped(TIME, 3, 120))
    assert isinstance(told, dict)
    assert (told["droppedRecords"], told["droppedBytes"]) == (3, 120)
    assert told["reason"]


def test_a_delivery_is_an_array_or_lines() -> None:
    events = [b'{"n":1}', b'{"n":2}']
    assert json.loads(as_array(events)) == [{"n": 1}, {"n": 2}]
    assert [json.loads(line) for line in as_lines(events).splitlines()] == [{"n": 1}, {"n": 2}]
    assert as_lines(events).endswith(b"}\n")
