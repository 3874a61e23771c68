from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.controlplane.harness import OFFERED, Harness


def names(harness: Harness, **params: Any) -> list[str]:
    return [each["InstanceType"] for each in harness.ec2.describe_instance_types(**params)["InstanceTypes"]]


def test_types_are_those_that_can_be_launched(harness: Harness) -> None:
    assert names(harness) == sorted(OFFERED)
    shown = harness.ec2.describe_instance_types(InstanceTypes=["m7i.xlarge"])["InstanceTypes"][0]
    assert shown["VCpuInfo"] == {"DefaultVCpus": 4, "DefaultCores": 2, "DefaultThreadsPerCore": 2}
    assert shown["MemoryInfo"] == {"SizeInMiB": 16384}
    assert shown["ProcessorInfo"]["SupportedArchitectures"] == ["x86_64"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("processor-info.supported-architecture", "arm64", ["c7g.xlarge", "m7g.large"]),
        ("vcpu-info.default-vcpus", "8", ["r7i.2xlarge"]),
        ("instance-type", "m7*", ["m7g.large", "m7i.xlarge"]),
        ("memory-info.size-in-mib", "8192", ["c7g.xlarge", "m7g.large"]),
        ("ebs-info.nvme-support", "required", []),
    ],
)
def test_types_are_filtered(harness: Harness, name: str, value: str, found: list[str]) -> None:
    assert names(harness, Filters=[{"Name": name, "Values": [value]}]) == found


@pytest.mark.parametrize("name", ["t2.micro", "no-such.type"])
def test_a_type_that_is_not_there_has_ec2s_error(harness: Harness, name: str) -> None:
    with pytest.raises(ClientError) as raised:
        names(harness, InstanceTypes=[name])
    assert raised.value.response["Error"] == {
        "Code": "InvalidInstanceType",
        "Message": f"The following supplied instance types do not exist: [{name}]",
    }


def test_offerings_by_zone(harness: Harness) -> None:
    answer = harness.ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["m7i.xlarge"]}]
    )
    assert [(each["InstanceType"], each["Location"]) for each in answer["InstanceTypeOfferings"]] == [
        ("m7i.xlarge", f"us-east-1{letter}") for letter in "abc"
    ]
