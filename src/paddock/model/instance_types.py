"""EC2 instance types as managed instances use them: what one has and where it is offered.

Facts come from the catalogue; nothing here knows where they were read. What a system reserves of an instance, and which
types Lambda takes, are rules of others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from paddock.model.capacity_provider import Architecture
from paddock.model.ids import AvailabilityZone

_NAME = re.compile(r"(?P<family>(?P<series>[a-z]+)(?P<generation>\d+)(?P<attributes>[a-z0-9-]*))\.(?P<size>[a-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class InstanceTypeName:
    """`m8gd.2xlarge`: family `m8gd` = series `m`, generation 8, attributes `gd`; size `2xlarge`."""

    family: str
    series: str
    generation: int
    attributes: str
    size: str

    @property
    def is_metal(self) -> bool:
        return self.size.startswith("metal")

    def __str__(self) -> str:
        return f"{self.family}.{self.size}"


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One instance type in one region; `memory_gib` is what EC2 states, before anything is kept for the system.

    `cores` are physical cores: an Intel vCPU is half of one, a Graviton vCPU a whole one. `zones` is empty where the
    offering per zone is not known. `on_demand_usd_per_hour` is None where the price is not known, which is not zero.
    """

    name: str
    vcpu: int
    memory_gib: float
    architecture: Architecture
    cores: int | None = None
    manufacturer: str = ""
    network_baseline_gbps: float | None = None
    network_peak_gbps: float | None = None
    zones: tuple[AvailabilityZone, ...] = ()
    on_demand_usd_per_hour: Decimal | None = None

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]

    @property
    def size(self) -> str:
        return self.name.partition(".")[2]

    @property
    def memory_gib_per_vcpu(self) -> float:
        return self.memory_gib / self.vcpu


def parse_instance_type_name(name: str) -> InstanceTypeName | None:
    """None when `name` is not shaped like an instance type (it need not exist to be shaped like one)."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return InstanceTypeName(
        family=match["family"],
        series=match["series"],
        generation=int(match["generation"]),
        attributes=match["attributes"],
        size=match["size"],
    )


def instance_type_matches(name: str, pattern: str) -> bool:
    """Does `name` fit an allowed or excluded type of a capacity provider? `*` stands for any run of characters."""
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), name) is not None
