"""Every format of traffic, real samples where they lie beside the repository, and files that are wrong."""

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from paddock.advisor.documents import InputError
from paddock.advisor.traces.read import TraceFormat, detect, read_trace

SAMPLES = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the sample traces are not beside the repository")


def written(tmp_path: Path, text: str, name: str = "trace.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


# --- real samples ---------------------------------------------------------------------------------------------------


@needs_samples
def test_a_function_of_the_azure_2019_trace_comes_with_its_durations_and_memory() -> None:
    trace = read_trace(SAMPLES / "azure-2019" / "invocations.csv", function="c13acdc7567b")

    assert (trace.minutes, trace.invocations) == (1440, 1150)
    assert trace.duration_ms is not None
    assert trace.memory_mb is not None
    assert (trace.duration_ms.mean, trace.duration_ms.quantile(0.99)) == (100.0, 101.0)
    assert trace.memory_mb.quantile(0.5) == 123.0


@needs_samples
def test_the_sampled_layout_of_the_same_trace_is_read_too() -> None:
    trace = read_trace(SAMPLES / "azure-2019-100" / "inv.csv", function="e80f0c")

    assert trace.invocations == 195_064
    assert trace.duration_ms is not None


@needs_samples
def test_all_functions_are_added_up_only_when_asked_for() -> None:
    path = SAMPLES / "azure-2019-100" / "inv.csv"

    with pytest.raises(InputError, match="holds 100 functions"):
        read_trace(path)
    assert read_trace(path, function="all").invocations > 500_000


@needs_samples
def test_single_invocations_of_the_azure_2021_trace_become_minutes() -> None:
    trace = read_trace(SAMPLES / "azure-2021" / "invocations.csv", function="all")

    assert trace.invocations == 199
    assert trace.start is None
    assert trace.duration_ms is not None


# --- plain CSV ------------------------------------------------------------------------------------------------------


def test_minutes_in_iso_time_with_zones_are_brought_to_utc(tmp_path: Path) -> None:
    path = written(tmp_path, "timestamp,count\n2026-01-01T01:00:00+01:00,60\n2026-01-01T00:01:00Z,120\n")

    trace = read_trace(path)

    assert list(trace.counts) == [60, 120]
    assert trace.start is not None
    assert trace.start.isoformat() == "2026-01-01T00:00:00+00:00"
    assert trace.peak_per_second() == 2


def test_seconds_are_added_up_to_minutes_and_means_are_weighted_by_count(tmp_path: Path) -> None:
    rows = "".join(f"{1_700_000_040 + second},{1 + second % 2},{100 + 100 * (second % 2)}\n" for second in range(120))

    trace = read_trace(written(tmp_path, f"timestamp,count,duration_ms\n{rows}"))

    assert list(trace.counts) == [90, 90]
    assert trace.duration_ms is not None
    assert trace.duration_ms.mean == pytest.approx(166.67, abs=0.01)


def test_milliseconds_since_1970_are_told_from_seconds(tmp_path: Path) -> None:
    in_ms = read_trace(written(tmp_path, "timestamp,count\n1700000040000,1\n1700000100000,2\n"))
    in_seconds = read_trace(written(tmp_path, "timestamp,count\n1700000040,1\n1700000100,2\n"))

    assert in_ms.start == in_seconds.start
    assert list(in_ms.counts) == list(in_seconds.counts)


def test_rows_without_a_count_are_single_invocations(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "timestamp,duration_ms\n1700000040,5\n1700000040,7\n1700000101,9\n"))

    assert list(trace.counts) == [2, 1]


def test_five_minute_rows_are_spread_and_said_so(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "timestamp,count\n0,100\n300,50\n600,100\n"))

    assert list(trace.counts) == [20] * 5 + [10] * 5 + [20] * 5
    assert any("5 minutes apart" in note for note in trace.notes)


def test_missing_minutes_and_disorder_are_mended_and_said(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "minute,count\n1,10\n0,10\n4,10\n2,10\n"))

    assert list(trace.counts) == [10, 10, 10, 0, 10]
    assert any("1 minutes are missing" in note for note in trace.notes)
    assert any("out of order" in note for note in trace.notes)


def test_times_without_a_zone_are_taken_as_utc_and_said_so(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "timestamp,count\n2026-01-01T00:00:00,1\n2026-01-01T00:01:00,1\n"))

    assert any("UTC" in note for note in trace.notes)


def test_a_gzipped_file_and_one_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress("\ufefftimestamp,count\n0,1\n60,2\n".encode()))

    assert read_trace(path).invocations == 3


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("timestamp,count\n0,-1\n60,1\n", ":2:", "cannot be negative"),
        ("timestamp,count\n0,1\n60,1e300\n", ":3:", "no such number"),
        ("timestamp,count\n0,1\n60,nan\n", ":3:", "must be finite"),
        ("timestamp,count\n0,1\n60,inf\n", ":3:", "must be finite"),
        ("timestamp,count\n0,1\n60,many\n", ":3:", "not a number"),
        ("timestamp,count\n0,1\n60,1,1\n", ":3:", "3 columns"),
        ("timestamp,count\n0,1\n0,1\n", ":3:", "comes twice"),
        ("timestamp,count\nyesterday,1\n", ":2:", "the time is"),
        ("timestamp,count\n2026-01-01T00:00:00,1\n2026-01-01T00:01:00Z,1\n", ":3:", "time zone"),
        ("timestamp,count\n0,1\n1e17,1\n", ":3:", "neither seconds nor milliseconds"),
        ("timestamp,count,count\n0,1,1\n", ":1:", "twice"),
        ("timestamp,cnt\n0,1\n", ":1:", "unknown column"),
        ("timestamp,count,invocations\n0,0,1\n60,0,1\n", ":1:", "say the same"),
        ('timestamp,count\n0,"1\n', ":2:", "no valid CSV"),
        ("timestamp,count\n0,5\n", "", "one point"),
        ("timestamp,count\n0,0\n60,0\n", "", "no invocations"),
        ("timestamp,count\n", "", "no rows"),
        ("a,b,c\n1,2,3\n", ":1:", "no format known"),
        ("", "", "is empty"),
        ("timestamp,count,function\n0,1,a\n60,1,b\n", "", "holds 2 functions"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, place: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        read_trace(written(tmp_path, text))

    assert str(refused.value).startswith(f"{tmp_path / 'trace.csv'}{place}")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("blob", "says"),
    [
        (b"\x80\x04\x95\x00\x00", "never loaded"),
        (b"timestamp,count\n0,1\n\x00\x00", "binary"),
        (b"timestamp,count\n0,1\n\xff\xfe", "UTF-8"),
        (b"\x1f\x8bnot really zipped", "cannot be read"),
        (gzip.compress(b"timestamp,count\n0,1\n60,1\n" * 9)[:-9], "cannot be read|comes twice|not a number"),
    ],
)
def test_a_hostile_file_is_refused(tmp_path: Path, blob: bytes, says: str) -> None:
    path = tmp_path / "trace"
    path.write_bytes(blob)

    with pytest.raises(InputError, match=says):
        read_trace(path)


def test_a_trace_over_centuries_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    rows = "".join(f"{day * 86_400},1\n" for day in range(0, 200_000, 100))

    with pytest.raises(InputError, match="covers more than 800 days"):
        read_trace(written(tmp_path, f"timestamp,count\n{rows}"))


def test_memory_does_not_grow_with_the_length_of_a_trace(tmp_path: Path) -> None:
    def peak_of(copies: int) -> int:
        path = tmp_path / f"{copies}.csv"
        with path.open("w") as file:
            file.write("timestamp,duration_ms\n")
            for _ in range(copies):
                file.writelines(f"{second},{second % 97}\n" for second in range(0, 86_400, 10))
        tracemalloc.start()
        read_trace(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak_of(4)
    assert peak_of(12) < 1.2 * peak_of(4)


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    path = written(tmp_path, "timestamp\n" + "".join(f"{second}\n" for second in range(50_000)))
    told: list[tuple[int, int]] = []

    read_trace(path, progress=lambda done, size: told.append((done, size)))

    assert len(told) >= 3
    assert told[-1] == (path.stat().st_size, path.stat().st_size)
    assert told == sorted(told)


# --- CloudWatch -----------------------------------------------------------------------------------------------------


def answer(**results: tuple[list[str], list[float]]) -> str:
    rows = [
        {"Id": name, "Label": name, "Timestamps": times, "Values": values, "StatusCode": "Complete"}
        for name, (times, values) in results.items()
    ]
    return json.dumps({"MetricDataResults": rows}, indent=2)


def test_get_metric_data_gives_counts_and_percentiles_newest_first_or_not(tmp_path: Path) -> None:
    times = ["2026-01-01T00:02:00+00:00", "2026-01-01T00:01:00+00:00", "2026-01-01T00:00:00+00:00"]
    text = answer(
        Invocations=(times, [30.0, 20.0, 10.0]),
        Duration=(times, [100.0, 100.0, 100.0]),
        Duration_p99=(times, [400.0, 300.0, 200.0]),
        Errors=(times, [0.0, 0.0, 0.0]),
    )

    trace = read_trace(written(tmp_path, text, "answer.json"))

    assert list(trace.counts) == [10, 20, 30]
    assert trace.duration_ms is not None
    assert trace.duration_ms.mean == pytest.approx(100)
    assert trace.duration_ms.quantile(0.99) == 300
    assert any("Errors" in note for note in trace.notes)


def test_get_metric_statistics_gives_counts(tmp_path: Path) -> None:
    points = [{"Timestamp": f"2026-01-01T00:0{minute}:00Z", "Sum": 5.0, "Unit": "Count"} for minute in (2, 0, 1)]

    trace = read_trace(written(tmp_path, json.dumps({"Label": "Invocations", "Datapoints": points})))

    assert list(trace.counts) == [5, 5, 5]


def test_a_metric_stream_gives_the_counts_of_one_function(tmp_path: Path) -> None:
    rows = [
        {
            "metric_name": name,
            "dimensions": {"FunctionName": "orders"},
            "timestamp": 1_700_000_040_000 + 60_000 * minute,
            "value": {"min": 1.0, "max": 9.0, "sum": total, "count": 4.0},
        }
        for minute in range(3)
        for name, total in (("Invocations", 4.0), ("Duration", 400.0))
    ]

    trace = read_trace(written(tmp_path, "\n".join(json.dumps(row) for row in rows)))

    assert list(trace.counts) == [4, 4, 4]
    assert trace.function == "orders"
    assert trace.duration_ms is not None
    assert trace.duration_ms.mean == 100


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"MetricDataResults": 5}', "no list"),
        ('{"MetricDataResults": [{"Label": "Invocations", "Timestamps": ["x"], "Values": []}]}', "1 timestamps and 0"),
        ('{"MetricDataResults": []}', "no Invocations"),
        ('{"MetricDataResults": [7]}', "no object"),
        ('{"MetricDataResults": [', "no valid JSON"),
        ('{"Label": "Errors", "Datapoints": [{}]}', "Errors"),
        ('{"Label": "Invocations", "Datapoints": [{"Timestamp": "x", "Sum": 1}]}', "the time is"),
    ],
)
def test_a_wrong_answer_of_cloudwatch_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_trace(written(tmp_path, text))


# --- Lambda's logs --------------------------------------------------------------------------------------------------

REPORT = (
    "REPORT RequestId: 8f5 Duration: {duration} ms Billed Duration: 13 ms "
    "Memory Size: 512 MB Max Memory Used: {used} MB"
)


def test_report_lines_as_aws_logs_tail_prints_them(tmp_path: Path) -> None:
    lines = [
        "2026-01-01T00:00:01.000000+00:00 2026/01/01/[1]abc START RequestId: 8f5 Version: 1",
        f"2026-01-01T00:00:02.000000+00:00 2026/01/01/[1]abc {REPORT.format(duration=12.5, used=80)}",
        f"2026-01-01T00:01:02.000000+00:00 2026/01/01/[1]abc {REPORT.format(duration=37.5, used=90)}",
    ]

    trace = read_trace(written(tmp_path, "\n".join(lines), "log.txt"))

    assert list(trace.counts) == [1, 1]
    assert trace.duration_ms is not None
    assert trace.duration_ms.mean == 25
    assert trace.memory_mb is not None
    assert trace.memory_mb.quantile(1) == 90


def test_json_reports_and_lambda_insights_give_duration_memory_and_cpu(tmp_path: Path) -> None:
    report = {
        "type": "platform.report",
        "time": "2026-01-01T00:00:02.000Z",
        "record": {"metrics": {"durationMs": 10.0}},
    }
    insight = {"timestamp": 1_767_225_662_000, "duration": 30.0, "cpu_total_time": 12, "used_memory_max": 99}
    lines = [json.dumps(report), json.dumps({"level": "INFO", "msg": "hi"}), json.dumps(insight)]

    trace = read_trace(written(tmp_path, "\n".join(lines)))

    assert list(trace.counts) == [1, 1]
    assert trace.cpu_ms is not None
    assert trace.cpu_ms.mean == 12
    assert trace.duration_ms is not None
    assert trace.duration_ms.mean == 20
    assert any("1 lines are no reports" in note for note in trace.notes)


def test_an_answer_of_filter_log_events_is_read_as_a_whole(tmp_path: Path) -> None:
    events = [
        {"timestamp": 1_767_225_602_000, "message": REPORT.format(duration=4, used=50)},
        {"timestamp": 1_767_225_672_000, "message": json.dumps({"type": "platform.report", "record": {"metrics": {}}})},
    ]
    path = written(tmp_path, json.dumps({"events": events, "searchedLogStreams": []}, indent=1))

    trace = read_trace(path)

    assert detect(path) is TraceFormat.LOG_EVENTS
    assert list(trace.counts) == [1, 1]


def test_reports_without_a_time_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="aws logs tail"):
        read_trace(written(tmp_path, REPORT.format(duration=1, used=1) + "\n"))


# --- Huawei and IBM -------------------------------------------------------------------------------------------------


def test_huawei_2023_has_a_column_for_each_function(tmp_path: Path) -> None:
    text = "day,time,0,1\n0,0,5,\n0,60,7,1\n"

    assert list(read_trace(written(tmp_path, text), function="0").counts) == [5, 7]
    assert list(read_trace(written(tmp_path, text), function="all").counts) == [5, 8]
    with pytest.raises(InputError, match="holds 2 functions"):
        read_trace(written(tmp_path, text))


def test_huawei_2025_has_cpu_memory_and_payload_of_each_request(tmp_path: Path) -> None:
    text = (
        "time_worker,requestID,funcName,totalCost_worker,cpu_usage,memory_usage,requestBodySize\n"
        "2600160.5,a,296,0.2,0.5,32.5,1018\n"
        "2600221.5,b,296,0.4,0.25,30.5,1020\n"
    )

    trace = read_trace(written(tmp_path, text))

    assert list(trace.counts) == [1, 1]
    assert trace.cpu_ms is not None
    assert trace.cpu_ms.mean == pytest.approx(100)
    assert trace.payload_bytes is not None
    assert trace.payload_bytes.mean == 1019


def test_ibm_applications_are_json_lines(tmp_path: Path) -> None:
    row = {"AppHash": "a1", "NumEvents": 3, "InvocationTimes": [1, 2, 70], "AppExecTimes": [5.0, 6.0, 7.0]}

    trace = read_trace(written(tmp_path, json.dumps(row)))

    assert list(trace.counts) == [2, 1]
    assert trace.duration_ms is not None
    assert trace.duration_ms.mean == 6
