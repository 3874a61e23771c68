"""What the vCPUs of an instance are worth on this machine.

By default the vCPUs of a provider's first instances share the machine's cores, and no vCPU is worth more than a core.
Later instances get the same per vCPU: what runs must not become slower or faster because the fleet changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from paddock.ports.store import InstanceIntent


def cores_per_vcpu(
    setting: float | None, machine_cores: float, present: Iterable[InstanceIntent], launched_vcpu: int
) -> float:
    """`present` are the provider's instances, `launched_vcpu` the vCPUs that are launched together now."""
    if setting is not None:
        return setting
    for intent in present:
        return intent.entitled_cores / intent.instance_type.vcpu
    return min(1.0, machine_cores / launched_vcpu)
