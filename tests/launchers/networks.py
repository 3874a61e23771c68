"""A network of instances that is only written down. It outlives the launchers that use it, as the real one does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from paddock.model.ids import InstanceId, SecurityGroupId, SubnetId
from paddock.ports.instance_network import Attachment, NetworkError
from paddock.ports.launcher import LaunchError


class WrittenNetwork:
    """`namespace` and `interface` are what every instance gets. `refusal` is raised by the next attach, `failures` by
    as many detaches.
    """

    def __init__(self, namespace: Path = Path("/nowhere"), interface: str = "lo") -> None:
        self.given: dict[InstanceId, tuple[SubnetId, tuple[SecurityGroupId, ...]]] = {}
        self.refusal: LaunchError | None = None
        self.failures = 0
        self.asked = 0
        self._namespace = namespace
        self._interface = interface

    def attach(
        self, instance_id: InstanceId, subnet_id: SubnetId, security_group_ids: tuple[SecurityGroupId, ...]
    ) -> Attachment:
        if self.refusal is not None:
            raise self.refusal
        self.given.setdefault(instance_id, (subnet_id, security_group_ids))
        return self._attachment()

    def detach(self, instance_id: InstanceId) -> None:
        if self.failures:
            self.failures -= 1
            raise NetworkError("the interface is busy")
        self.given.pop(instance_id, None)

    def attached(self) -> Mapping[InstanceId, Attachment]:
        self.asked += 1
        return dict.fromkeys(self.given, self._attachment())

    def _attachment(self) -> Attachment:
        return Attachment(self._namespace, self._interface, "10.231.0.4")
