"""A layer: code and data that functions share. Its versions count up and are never changed, only deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from paddock.model.function import Code
from paddock.model.ids import LayerName
from paddock.model.resource_policy import Permission


@dataclass(frozen=True, slots=True)
class Layer:
    """What its versions share. `next_version` is never given out twice, also not after a deletion."""

    name: LayerName
    next_version: int = 1


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """What it says it is compatible with is for those who choose: nothing holds a function to it, as on AWS."""

    layer_name: LayerName
    version: int
    code: Code
    created_at: datetime
    description: str = ""
    license_info: str | None = None
    compatible_runtimes: tuple[str, ...] = ()
    compatible_architectures: tuple[str, ...] = ()
    permissions: tuple[Permission, ...] = ()
    policy_revision_id: str | None = None

    def is_compatible(self, runtime: str | None, architecture: str | None) -> bool:
        """Whether it is found by them, where they are asked for: a version that says nothing is not, as on AWS."""
        return runtime in (None, *self.compatible_runtimes) and architecture in (None, *self.compatible_architectures)
