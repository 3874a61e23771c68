"""The network of an instance: its interface in one of the provider's subnets, or this machine's own network.

Every way is blocking (netlink, files) and is called from threads. What is attached outlives the server, so `attached`
is the truth and an implementation keeps nothing in memory that it cannot find again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from paddock.model.ids import InstanceId, SecurityGroupId, SubnetId

RESOLVER_ADDRESS = "169.254.169.253"
"""Where VPCs have their resolver. The loopback of each namespace has it, so that no rule and no route stands between;
the agent listens there.
"""


@dataclass(frozen=True, slots=True)
class Attachment:
    """`namespace` is what the agent enters before it does anything else; `interface` the name of the instance's
    interface in there, by whose counters its traffic is measured.
    """

    namespace: Path
    interface: str
    private_ip_address: str


class NetworkError(Exception):
    """What this machine refused, in a line; another try may do better."""


class NetworkUse(NamedTuple):
    """What an instance moved to and from anywhere but itself, in bytes since a moment that stays the same; None where
    nobody counts.
    """

    in_bytes: int | None = None
    out_bytes: int | None = None


NOT_COUNTED = NetworkUse()


class NetworkMeter(Protocol):
    def used(self) -> NetworkUse:
        """Called every second beside invocations: for ways that take microseconds."""
        ...


class InstanceNetwork(Protocol):
    def attach(
        self, instance_id: InstanceId, subnet_id: SubnetId, security_group_ids: tuple[SecurityGroupId, ...]
    ) -> Attachment | None:
        """The same again for an instance that is attached already; None where instances share the machine's network.
        Raises `LaunchError` with AWS's reason code, for example when a subnet has no free address.
        """
        ...

    def detach(self, instance_id: InstanceId) -> None:
        """Nothing of the instance is left in the network. Unknown ids are already detached. Raises
        `NetworkError`, `OSError`.
        """
        ...

    def attached(self) -> Mapping[InstanceId, Attachment]:
        """Raises `NetworkError`, `OSError`."""
        ...
