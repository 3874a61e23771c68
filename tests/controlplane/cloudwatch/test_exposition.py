import pytest

from paddock.controlplane.cloudwatch.exposition import exposition, gauge_name
from paddock.controlplane.cloudwatch.names import UNITS
from paddock.model.metrics import metric_id, summary_of
from paddock.ports.metrics import MetricSample


@pytest.mark.parametrize(
    ("name", "gauge"),
    [
        ("CPUUtilization", "paddock_cpu_utilization_percent"),
        ("vCPUAvailable", "paddock_vcpu_available"),
        ("MemoryAllocated", "paddock_memory_allocated_bytes"),
        ("DiskReadBytes", "paddock_disk_read_bytes"),
        ("NetworkIn", "paddock_network_in_bytes"),
        ("ExecutionEnvironmentCPUUtilization", "paddock_execution_environment_cpu_utilization_percent"),
        ("ExecutionEnvironmentConcurrencyLimit", "paddock_execution_environment_concurrency_limit"),
    ],
)
def test_names_are_awss_with_the_unit_last(name: str, gauge: str) -> None:
    assert gauge_name(name, UNITS[name]) == gauge


def test_lines_are_grouped_by_name_and_labels_escaped() -> None:
    def sample(name: str, kind: str, values: dict[float, float]) -> MetricSample:
        return MetricSample(metric_id("AWS/Lambda", name, {"InstanceType": kind}), UNITS[name], summary_of(values))

    text = exposition(
        [
            sample("CPUUtilization", 'a"b\\c', {10.0: 1, 20.0: 1}),
            sample("vCPUAvailable", "m7i.xlarge", {6.0: 1}),
            sample("CPUUtilization", "m7i.xlarge", {30.0: 1}),
        ],
        {},
    )
    assert text.splitlines() == [
        "# HELP paddock_cpu_utilization_percent AWS's CPUUtilization.",
        "# TYPE paddock_cpu_utilization_percent gauge",
        r'paddock_cpu_utilization_percent{instance_type="a\"b\\c"} 15',
        'paddock_cpu_utilization_percent{instance_type="m7i.xlarge"} 30',
        "# HELP paddock_vcpu_available AWS's vCPUAvailable.",
        "# TYPE paddock_vcpu_available gauge",
        'paddock_vcpu_available{instance_type="m7i.xlarge"} 6',
    ]


def test_without_a_fleet_there_is_nothing() -> None:
    assert exposition([], {}) == ""


def test_of_concurrency_the_most_is_shown() -> None:
    metric = metric_id("AWS/Lambda", "ExecutionEnvironmentConcurrency", {"FunctionName": "hello"})
    assert exposition([MetricSample(metric, "Count", summary_of({1.0: 3, 9.0: 1}))], {}).splitlines()[-1].endswith(" 9")


def test_what_is_counted_is_a_counter_and_no_gauge() -> None:
    metric = metric_id("AWS/Lambda", "DiskReadBytes", {"InstanceType": "m7i.xlarge"})
    last = MetricSample(metric, "Bytes", summary_of({4096.0: 1}))
    assert exposition([last], {metric: 12288.0}).splitlines() == [
        "# HELP paddock_disk_read_bytes_total AWS's DiskReadBytes.",
        "# TYPE paddock_disk_read_bytes_total counter",
        'paddock_disk_read_bytes_total{instance_type="m7i.xlarge"} 12288',
    ]


def test_names_of_insights_are_left_out() -> None:
    metric = metric_id("LambdaInsights", "cpu_utilization", {"function_name": "hello"})
    assert exposition([MetricSample(metric, "Percent", summary_of({1.0: 1}))], {}) == ""
