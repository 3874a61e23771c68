from dataclasses import replace
from datetime import timedelta

import pytest

from paddock.controlplane.cloudwatch.fleet_meter import FleetMeter
from paddock.controlplane.fleet_records import EnvironmentRecord, InstanceRecord
from paddock.controlplane.inventory import Inventory
from paddock.model.ids import CapacityProviderName
from paddock.model.metrics import Summary
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.ports.metrics import MetricSample
from paddock.wire.agent import EnvironmentReport, EnvironmentSpec, Report
from tests.controlplane.ec2.fleet_in_memory import running
from tests.controlplane.harness import NOON

STEADY = CapacityProviderName("steady")
GIB = 1024**3


def spec(number: int) -> EnvironmentSpec:
    return EnvironmentSpec(
        environment_id=f"env-{number}",
        function_name="hello",
        function_arn="arn",
        version="1",
        revision="r",
        runtime="python3.13",
        handler="app.handler",
        code_sha256="x",
        memory_mb=2048,
        vcpu=1.0,
        max_concurrency=16,
        timeout_seconds=3,
        init_timeout_seconds=10,
        log_group="g",
        log_stream="s",
    )


class PlayedInstance:
    """An m7i.xlarge (4 vCPU, worth 2 cores here; 16 GiB) with environments of one vCPU and 2 GiB."""

    def __init__(self, inventory: Inventory, number: int, environments: int = 1) -> None:
        self.inventory = inventory
        self.record: InstanceRecord = running(inventory, number, NOON, letter="a")
        self.record.heard_at = None
        self.second = 0
        for each in range(environments):
            made = EnvironmentRecord(spec(number * 10 + each), self.record.instance_id, NOON, EnvironmentPhase.STARTING)
            self.record.environments[made.environment_id] = made

    def report(
        self,
        *,
        cores: float = 0.0,
        in_flight: int = 0,
        peak: int = 0,
        phase: str = "ready",
        disk: tuple[int, int] | None = None,
        network: tuple[int, int] | None = None,
        peak_memory_bytes: int = GIB,
    ) -> None:
        """A second later: all environments alike, the instance as much as all of them."""
        self.second += 1
        at = NOON + timedelta(seconds=self.second)
        environments = [
            EnvironmentReport(
                environment_id=str(environment_id),
                phase=phase,
                in_flight=in_flight,
                peak_in_flight=peak,
                slots=16,
                cpu_seconds=self.second * cores,
                memory_bytes=GIB,
                peak_memory_bytes=peak_memory_bytes,
            )
            for environment_id in self.record.environments
        ]
        report = Report(
            instance_id=self.record.instance_id,
            generation=1,
            at=at.timestamp(),
            cpu_seconds=self.second * cores * len(environments),
            entitled_cores=2.0,
            memory_bytes=GIB * len(environments),
            environments=tuple(environments),
            disk_read_bytes=None if disk is None else disk[0],
            disk_write_bytes=None if disk is None else disk[1],
            network_in_bytes=None if network is None else network[0],
            network_out_bytes=None if network is None else network[1],
        )
        self.inventory.reported(self.record, report, now=at, monotonic=at.timestamp())


def measured(meter: FleetMeter, inventory: Inventory) -> list[MetricSample]:
    for record in inventory.instances.values():
        meter.look(STEADY, record)
    return meter.take()


def of_instances(samples: list[MetricSample]) -> dict[str, Summary]:
    wanted = (("CapacityProviderName", "steady"), ("InstanceType", "m7i.xlarge"))
    return {sample.metric.name: sample.summary for sample in samples if sample.metric.dimensions == wanted}


def of_environments(samples: list[MetricSample]) -> dict[str, Summary]:
    wanted = (("CapacityProviderName", "steady"), ("FunctionName", "hello"), ("Resource", "hello:1"))
    return {sample.metric.name: sample.summary for sample in samples if sample.metric.dimensions == wanted}


def test_utilisation_is_use_over_entitlement() -> None:
    inventory, meter = Inventory(), FleetMeter()
    instance = PlayedInstance(inventory, 1, environments=2)
    instance.report(cores=0.25)
    first = measured(meter, inventory)
    assert "CPUUtilization" not in of_instances(first)
    instance.report(cores=0.25)
    samples = measured(meter, inventory)
    instances, environments = of_instances(samples), of_environments(samples)
    assert instances["CPUUtilization"].average == pytest.approx(25.0)
    assert environments["ExecutionEnvironmentCPUUtilization"].average == pytest.approx(50.0)
    assert environments["ExecutionEnvironmentCPUUtilization"].count == 2
    assert instances["MemoryUtilization"].average == pytest.approx(100 * 2 / 16)
    assert environments["ExecutionEnvironmentMemoryUtilization"].average == pytest.approx(50.0)


def test_insights_are_the_same_figures_by_function_and_by_version() -> None:
    inventory, meter = Inventory(), FleetMeter()
    instance = PlayedInstance(inventory, 1, environments=2)
    instance.report(cores=0.25)
    measured(meter, inventory)
    instance.report(cores=0.25)
    samples = measured(meter, inventory)
    for dimensions in ((("function_name", "hello"),), (("function_name", "hello"), ("version", "1"))):
        found = {each.metric.name: each.summary for each in samples if each.metric.dimensions == dimensions}
        assert found["cpu_utilization"].average == found["cpu_utilization_max"].maximum == pytest.approx(50.0)
        assert found["cpu_total_time"].total == pytest.approx(2 * 250)
        assert found["memory_utilization"].average == found["memory_utilization_max"].maximum == pytest.approx(50.0)


def test_a_short_peak_of_memory_is_in_the_maximum_also_of_a_report_that_nobody_looked_at() -> None:
    inventory, meter = Inventory(), FleetMeter()
    instance = PlayedInstance(inventory, 1)
    instance.report(peak_memory_bytes=int(1.5 * GIB))
    instance.report()

    def insights() -> dict[str, Summary]:
        wanted = (("function_name", "hello"),)
        return {
            each.metric.name: each.summary for each in measured(meter, inventory) if each.metric.dimensions == wanted
        }

    first = insights()
    assert first["memory_utilization"].maximum == pytest.approx(50.0)
    assert first["memory_utilization_max"].maximum == pytest.approx(75.0)
    instance.report()
    assert insights()["memory_utilization_max"].maximum == pytest.approx(50.0)


def test_bytes_of_storage_are_those_since_the_report_before() -> None:
    inventory, meter = Inventory(), FleetMeter()
    one, other = PlayedInstance(inventory, 1), PlayedInstance(inventory, 2)
    one.report(disk=(1000, 50))
    other.report(disk=(7, 7))
    assert "DiskReadBytes" not in of_instances(measured(meter, inventory))
    one.report(disk=(1500, 50))
    other.report(disk=(17, 7))
    found = of_instances(measured(meter, inventory))
    assert (found["DiskReadBytes"].total, found["DiskReadBytes"].count) == (510.0, 2)
    assert found["DiskWriteBytes"].total == 0.0


def test_bytes_of_the_network_are_those_since_the_report_before() -> None:
    inventory, meter = Inventory(), FleetMeter()
    one, other = PlayedInstance(inventory, 1), PlayedInstance(inventory, 2)
    one.report(network=(1000, 50))
    other.report()
    assert "NetworkIn" not in of_instances(measured(meter, inventory))
    one.report(network=(1500, 60))
    other.report(network=(9000, 9000))
    found = of_instances(measured(meter, inventory))
    assert (found["NetworkIn"].total, found["NetworkIn"].count) == (500.0, 1)
    assert found["NetworkOut"].total == 10.0


def test_where_nobody_counts_it_is_no_data() -> None:
    inventory, meter = Inventory(), FleetMeter()
    instance = PlayedInstance(inventory, 1)
    instance.report()
    measured(meter, inventory)
    instance.report()
    found = of_instances(measured(meter, inventory))
    assert "MemoryUtilization" in found
    assert not {"DiskReadBytes", "DiskWriteBytes", "NetworkIn", "NetworkOut"} & found.keys()


def test_a_report_is_measured_once() -> None:
    inventory, meter = Inventory(), FleetMeter()
    instance = PlayedInstance(inventory, 1)
    instance.report(cores=0.5)
    measured(meter, inventory)
    again = measured(meter, inventory)
    assert "MemoryUtilization" not in of_instances(again)
    assert set(of_environments(again)) == {"ExecutionEnvironmentCount"}
    instance.report(cores=0.5)
    instance.report(cores=0.5)
    assert of_instances(measured(meter, inventory))["CPUUtilization"].average == pytest.approx(25.0)


def test_each_instance_of_a_type_gives_a_value() -> None:
    inventory, meter = Inventory(), FleetMeter()
    idle, busy = PlayedInstance(inventory, 1), PlayedInstance(inventory, 2)
    idle.report(cores=0.0)
    busy.report(cores=1.0)
    measured(meter, inventory)
    idle.report(cores=0.0)
    busy.report(cores=1.0)
    found = of_instances(measured(meter, inventory))["CPUUtilization"]
    assert (found.count, found.minimum) == (2, 0.0)
    assert found.maximum == pytest.approx(50.0)


def test_allocated_is_reserved_and_available_is_left_beside_the_systems_share() -> None:
    inventory, meter = Inventory(), FleetMeter()
    for number in (1, 2):
        PlayedInstance(inventory, number, environments=2).report()
    found = {name: summary.total for name, summary in of_instances(measured(meter, inventory)).items()}
    assert (found["vCPUAllocated"], found["vCPUAvailable"]) == (4, 2)
    assert (found["MemoryAllocated"], found["MemoryAvailable"]) == (8 * GIB, 22 * GIB)


def test_nothing_is_available_on_an_instance_that_is_being_emptied() -> None:
    inventory, meter = Inventory(), FleetMeter()
    instance = PlayedInstance(inventory, 1)
    instance.report()
    instance.record.intent = replace(instance.record.intent, draining=True)
    found = {name: summary.total for name, summary in of_instances(measured(meter, inventory)).items()}
    assert (found["vCPUAllocated"], found["vCPUAvailable"]) == (1, 0)


def test_concurrency_is_the_most_at_once_and_its_limit_the_slots() -> None:
    inventory, meter = Inventory(), FleetMeter()
    instance = PlayedInstance(inventory, 1)
    instance.report(in_flight=2, peak=9)
    found = of_environments(measured(meter, inventory))
    assert found["ExecutionEnvironmentConcurrency"].maximum == 9
    assert found["ExecutionEnvironmentConcurrencyLimit"].maximum == 16
    assert found["ExecutionEnvironmentCount"].total == 1


@pytest.mark.parametrize("phase", [InstancePhase.PENDING, InstancePhase.LOST, InstancePhase.STOPPING])
def test_instances_that_do_not_run_give_no_data(phase: InstancePhase) -> None:
    inventory, meter = Inventory(), FleetMeter()
    instance = PlayedInstance(inventory, 1)
    instance.report()
    instance.record.phase = phase
    assert measured(meter, inventory) == []


def test_environments_that_start_give_no_data() -> None:
    inventory, meter = Inventory(), FleetMeter()
    PlayedInstance(inventory, 1).report(phase="starting")
    samples = measured(meter, inventory)
    assert of_environments(samples) == {}
    assert of_instances(samples)["vCPUAllocated"].total == 1
