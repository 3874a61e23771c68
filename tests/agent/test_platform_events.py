import json
from datetime import UTC, datetime

import pytest

from paddock.agent.platform_events import PlatformEvents, ReportExtras, Unwritten, logs_dropped
from paddock.agent.timebase import Timebase
from tests.agent.server_side import environment_spec


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 23, 6, 28, 0, 123_000, tzinfo=UTC)

    def monotonic(self) -> float:
        return 1000.0


class Events:
    def __init__(self, level: str = "INFO") -> None:
        self.lines: list[tuple[int, bytes, str]] = []
        self.timebase = Timebase(StoppedClock())
        self.events = PlatformEvents(
            environment_spec(system_log_level=level),
            self.timebase,
            lambda at_ms, line, request_id: self.lines.append((at_ms, line, request_id)),
        )

    def records(self) -> list[tuple[str, dict[str, object]]]:
        found = [json.loads(line) for _, line, _ in self.lines]
        assert all(line["time"] == "2026-11-23T06:28:00.123Z" for line in found)
        return [(line["type"], line["record"]) for line in found]

    def everything(self) -> list[str]:
        now = 1000.0
        at_ms = self.timebase.epoch_ms(now)
        self.events.init_start(now, "python3.13", "arn:version")
        self.events.init_runtime_done(now, "success")
        self.events.init_report(now, "success", 0.25)
        self.events.start(at_ms, "r-1", "arn:f:1", "")
        self.events.report(at_ms, "r-1", 0.0123456, "success", "", "")
        self.events.report(at_ms, "r-2", 3.0, "timeout", "Sandbox.Timedout", "")
        return [kind for kind, _ in self.records()]


def test_an_invocation_is_exactly_a_start_and_a_report() -> None:
    events = Events()
    events.events.start(events.timebase.epoch_ms(1000.0), "r-1", 'arn:"f":1', "")
    events.events.report(events.timebase.epoch_ms(1000.0), "r-1", 0.0123456, "success", "", "")

    assert events.records() == [
        ("platform.start", {"requestId": "r-1", "version": "$LATEST.PUBLISHED", "functionArn": 'arn:"f":1'}),
        ("platform.report", {"requestId": "r-1", "metrics": {"durationMs": 12.346}, "status": "success"}),
    ]
    assert b'"durationMs":12.346}' in events.lines[1][1]
    assert [request_id for _, _, request_id in events.lines] == ["r-1", "r-1"]


def test_init_tells_what_awss_agent_tells() -> None:
    events = Events("DEBUG")
    events.everything()
    (_, start), (_, done), (_, report) = events.records()[:3]

    assert start["initializationType"] == done["initializationType"] == "lambda-managed-instances"
    assert start["instanceMaxMemory"] == 2048 * 1024 * 1024
    assert start["instanceId"] == environment_spec().log_stream
    assert done["status"] == "success"
    assert report["metrics"] == {"durationMs": 250.0}


@pytest.mark.parametrize(
    ("level", "kinds"),
    [
        ("DEBUG", ["initStart", "initRuntimeDone", "initReport", "start", "report", "report"]),
        ("INFO", ["initStart", "initReport", "start", "report", "report"]),
        ("WARN", ["report"]),
        ("nonsense", ["initStart", "initReport", "start", "report", "report"]),
    ],
)
def test_the_system_log_level_decides_what_is_written(level: str, kinds: list[str]) -> None:
    assert Events(level).everything() == [f"platform.{kind}" for kind in kinds]


def test_failures_are_warnings_with_their_type() -> None:
    events = Events("WARN")
    events.events.init_runtime_done(1000.0, "error", "Runtime.ImportModuleError")
    events.events.init_report(1000.0, "error", 1.0, "Runtime.ImportModuleError")

    assert [record["errorType"] for _, record in events.records()] == ["Runtime.ImportModuleError"] * 2


@pytest.mark.parametrize(
    ("trace_header", "is_told"),
    [("", False), ("Root=1-2;Sampled=0", False), ("Sampled=1", False), ("Root=1-2;Parent=3;Sampled=1", True)],
)
def test_only_sampled_traces_are_told(trace_header: str, is_told: bool) -> None:
    events = Events()
    events.events.start(events.timebase.epoch_ms(1000.0), "r-1", "arn", trace_header)
    ((_, record),) = events.records()

    assert record.get("tracing") == ({"type": "X-Amzn-Trace-Id", "value": trace_header} if is_told else None)


@pytest.mark.parametrize(("sampled", "times"), [("1", 2), ("0", 0)])
def test_a_sampled_trace_names_the_platforms_span(sampled: str, times: int) -> None:
    events, header = Events(), f"Root=1-2;Parent=3;Sampled={sampled}"
    at_ms = events.timebase.epoch_ms(1000.0)
    events.events.start(at_ms, "r-1", "arn", header, "5" * 16)
    events.events.report(at_ms, "r-1", 0.1, "success", "", header, ReportExtras(span_id="5" * 16))
    tracing = {"spanId": "5" * 16, "type": "X-Amzn-Trace-Id", "value": header}
    assert [record["tracing"] for _, record in events.records() if "tracing" in record] == [tracing] * times


def test_many_names_of_a_function_are_all_escaped() -> None:
    events = Events()
    for number in range(200):
        events.events.start(events.timebase.epoch_ms(1000.0), "r-1", f"arn:{number}", "")
    assert [record["functionArn"] for _, record in events.records()] == [f"arn:{number}" for number in range(200)]


def test_dropped_lines_are_told_in_the_stream_itself() -> None:
    line = json.loads(logs_dropped("2026-11-23T06:28:00.123Z", 5, 100))
    assert line["type"] == "platform.logsDropped"
    assert (line["record"]["droppedRecords"], line["record"]["droppedBytes"]) == (5, 100)


def test_made_later_or_at_once_a_line_is_the_same() -> None:
    at_once = Events()
    later: list[Unwritten] = []
    events = PlatformEvents(environment_spec(), at_once.timebase, lambda *_: pytest.fail("at once"), later.append)
    sampled = "Root=1-2-3;Parent=4;Sampled=1"
    for target in (at_once.events, events):
        for trace_header in ("", sampled, sampled.replace("=1", "=0")):
            target.start(1_000, "r-1", "arn:f:1", trace_header)
            target.report(2_000, "r-1", 0.0123456, "success", "", trace_header)

    assert [record[0](record) for record in later] == [line for _, line, _ in at_once.lines]
    assert [record[1:3] for record in later] == [(at_ms, request_id) for at_ms, _, request_id in at_once.lines]


def test_what_is_long_or_a_failure_is_written_at_once() -> None:
    events = Events()
    events.events = PlatformEvents(
        environment_spec(),
        events.timebase,
        lambda at_ms, line, request_id: events.lines.append((at_ms, line, request_id)),
        lambda record: pytest.fail(f"later: {record}"),
    )
    at_ms = events.timebase.epoch_ms(1000.0)
    events.events.start(at_ms, "r-1", "arn:f:1", "Root=" + "x" * 300)
    events.events.report(at_ms, "r-1", 1.0, "error", "Runtime.Unknown", "")
    events.events.report(at_ms, "r-1", 1.0, "success", "", "", ReportExtras(spans="[]"))
    assert [kind for kind, _ in events.records()] == ["platform.start", "platform.report", "platform.report"]
