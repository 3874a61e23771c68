"""Instance types through the EC2 API: those that capacity providers may launch here, as the catalogue knows them."""

from __future__ import annotations

from typing import Any

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.ec2.errors import check_dry_run, ec2_error
from paddock.controlplane.ec2.filters import FilterTable, chosen
from paddock.controlplane.ec2.paging import paged, without_bounds
from paddock.model.instance_types import InstanceType, parse_instance_type_name
from paddock.model.zones import zone_id


async def describe_instance_types(api: Api, call: Call) -> Answer:
    params = call.params
    check_dry_run(params)
    without_bounds(params, "InstanceTypes", "instanceTypesSet")
    wanted = params.get("InstanceTypes", ())
    types = {each.name: each for each in api.instance_types()}
    missing = [each for each in dict.fromkeys(wanted) if each not in types]
    if missing:
        text = f"The following supplied instance types do not exist: [{', '.join(missing)}]"
        raise ec2_error("InvalidInstanceType", text)
    shown = [described(each) for name, each in types.items() if not wanted or name in wanted]
    page = paged(chosen(shown, params.get("Filters", ()), TYPE_FILTERS), params, lambda each: each["InstanceType"])
    return {"InstanceTypes": list(page.items), "NextToken": page.next_marker}


async def describe_instance_type_offerings(api: Api, call: Call) -> Answer:
    params = call.params
    check_dry_run(params)
    location_type = params.get("LocationType", "region")
    shown = [
        {"InstanceType": each.name, "LocationType": location_type, "Location": location}
        for each in api.instance_types()
        for location in _locations(each, location_type, api)
    ]
    page = paged(chosen(shown, params.get("Filters", ()), OFFERING_FILTERS), params, _offering)
    return {"InstanceTypeOfferings": list(page.items), "NextToken": page.next_marker}


def described(each: InstanceType) -> dict[str, Any]:
    """Members about which the catalogue knows nothing are left out."""
    name = parse_instance_type_name(each.name)
    cores = each.cores or each.vcpu
    processor: dict[str, Any] = {"SupportedArchitectures": [each.architecture.value]}
    if each.manufacturer:
        processor["Manufacturer"] = each.manufacturer
    return {
        "InstanceType": each.name,
        "CurrentGeneration": True,
        "FreeTierEligible": False,
        "SupportedUsageClasses": ["on-demand"],
        "SupportedVirtualizationTypes": ["hvm"],
        "Hypervisor": "nitro",
        "BareMetal": name is not None and name.is_metal,
        "BurstablePerformanceSupported": False,
        "InstanceStorageSupported": name is not None and "d" in name.attributes,
        "ProcessorInfo": processor,
        "VCpuInfo": {
            "DefaultVCpus": each.vcpu,
            "DefaultCores": cores,
            "DefaultThreadsPerCore": each.vcpu // cores,
        },
        "MemoryInfo": {"SizeInMiB": int(each.memory_gib * 1024)},
        "NetworkInfo": _network(each),
        "SupportedInRegion": True,
    }


def _network(each: InstanceType) -> dict[str, Any]:
    baseline, peak = each.network_baseline_gbps, each.network_peak_gbps
    if baseline is None or peak is None:
        return {"EnaSupport": "required"}
    performance = f"{'' if baseline >= peak else 'Up to '}{peak:g} Gigabit"
    card = {
        "NetworkCardIndex": 0,
        "NetworkPerformance": performance,
        "BaselineBandwidthInGbps": baseline,
        "PeakBandwidthInGbps": peak,
    }
    return {"EnaSupport": "required", "NetworkPerformance": performance, "NetworkCards": [card]}


def _locations(each: InstanceType, location_type: str, api: Api) -> list[str]:
    zones = each.zones or tuple(sorted({subnet.zone for subnet in api.network.subnets}))
    match location_type:
        case "region":
            return [api.place.region]
        case "availability-zone":
            return list(zones)
        case "availability-zone-id":
            return [zone_id(zone) for zone in zones]
        case _:
            return []


def _offering(shown: Any) -> str:
    return f"{shown['InstanceType']} {shown['Location']}"


TYPE_FILTERS = FilterTable(
    paths={
        "bare-metal": "BareMetal",
        "burstable-performance-supported": "BurstablePerformanceSupported",
        "current-generation": "CurrentGeneration",
        "free-tier-eligible": "FreeTierEligible",
        "hypervisor": "Hypervisor",
        "instance-storage-supported": "InstanceStorageSupported",
        "instance-type": "InstanceType",
        "memory-info.size-in-mib": "MemoryInfo.SizeInMiB",
        "network-info.ena-support": "NetworkInfo.EnaSupport",
        "network-info.network-performance": "NetworkInfo.NetworkPerformance",
        "processor-info.supported-architecture": "ProcessorInfo.SupportedArchitectures",
        "supported-usage-class": "SupportedUsageClasses",
        "supported-virtualization-type": "SupportedVirtualizationTypes",
        "vcpu-info.default-cores": "VCpuInfo.DefaultCores",
        "vcpu-info.default-threads-per-core": "VCpuInfo.DefaultThreadsPerCore",
        "vcpu-info.default-vcpus": "VCpuInfo.DefaultVCpus",
    },
    never_set=(
        "auto-recovery-supported",
        "dedicated-hosts-supported",
        "ebs-info.",
        "hibernation-supported",
        "instance-storage-info.",
        "network-info.",
        "nitro-",
        "processor-info.",
        "reboot-migration-support",
        "supported-boot-mode",
        "supported-root-device-type",
        "vcpu-info.",
    ),
)

OFFERING_FILTERS = FilterTable(paths={"instance-type": "InstanceType", "location": "Location"})

OPERATIONS = (
    Operation(
        "ec2",
        "DescribeInstanceTypes",
        describe_instance_types,
        "partial",
        "the types capacity providers may launch; nothing about disks, EBS and boot modes",
    ),
    Operation("ec2", "DescribeInstanceTypeOfferings", describe_instance_type_offerings),
)
