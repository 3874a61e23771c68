"""An EC2 instance type as placement and pricing see it. The figures come from `paddock.catalogue`."""

from __future__ import annotations

from dataclasses import dataclass

from paddock.model.capacity_provider import Architecture


@dataclass(frozen=True, slots=True)
class InstanceType:
    """`memory_gib` is what EC2 states for the type; what Paddock keeps for the system is placement's business."""

    name: str
    vcpu: int
    memory_gib: float
    architecture: Architecture

    @property
    def family(self) -> str:
        """`m7g` of `m7g.xlarge`."""
        return self.name.partition(".")[0]
