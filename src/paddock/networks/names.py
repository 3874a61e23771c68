"""How everything of one installation is called, and which addresses are free. Pure.

What is in the kernel is found again by these names, and those of two installations never meet.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from paddock.model.ids import InstanceId, SecurityGroupId, SubnetId
from paddock.networks.rules import TABLE_PREFIX, UPLINK_PREFIX, Member

GATEWAY = "169.254.1.1"
"""The router's address at the end of each instance's cable: the same on all, since each cable is a world of its own."""
INSTANCE_INTERFACE = "eth0"
RESERVED_FIRST = 4
RESERVED_LAST = 1
"""Of each subnet, by AWS: network, router, DNS, one for later, and broadcast (VPC user guide, subnet CIDR blocks)."""
MAX_ALIAS_BYTES = 255
"""IFALIASZ of linux/if.h, less its end."""

_UPLINK_BLOCK = ipaddress.IPv4Network("169.254.64.0/18")
"""Link-local, so that no route of anybody leads there; clouds keep their services above 169.254.169."""
_PAIRS = _UPLINK_BLOCK.num_addresses // 2


@dataclass(frozen=True, slots=True)
class Pair:
    """The addresses of the cable between machine and router."""

    machine: str
    router: str


@dataclass(frozen=True, slots=True)
class Names:
    digest: str

    @classmethod
    def of(cls, installation: Path) -> Names:
        return cls(sha256(bytes(installation.resolve())).hexdigest()[:10])

    @property
    def router(self) -> str:
        """The router's namespace; those of instances begin with it."""
        return f"paddock-{self.digest}"

    @property
    def probe(self) -> str:
        return f"paddock-probe-{self.digest}"

    @property
    def uplink(self) -> str:
        """The machine's end of the cable to the router: 15 characters is all that Linux allows."""
        return f"{UPLINK_PREFIX}{self.digest}"

    @property
    def table(self) -> str:
        """In the machine."""
        return f"{TABLE_PREFIX}{self.digest}"

    def namespace(self, instance_id: InstanceId) -> str:
        return f"{self.router}-{instance_id}"

    def instance_of(self, namespace: str) -> InstanceId | None:
        prefix = f"{self.router}-"
        return InstanceId(namespace.removeprefix(prefix)) if namespace.startswith(prefix) else None

    def pairs(self) -> Iterator[Pair]:
        """All that an uplink may have, those that hardly anyone else begins with first."""
        start = int(self.digest, 16) % _PAIRS
        for number in range(_PAIRS):
            first = 2 * ((start + number) % _PAIRS)
            yield Pair(str(_UPLINK_BLOCK[first]), str(_UPLINK_BLOCK[first + 1]))


def interface_of(instance_id: InstanceId) -> str:
    """The router's end of an instance's cable."""
    return f"i{sha256(instance_id.encode()).hexdigest()[:12]}"


def described(member: Member) -> str:
    """What stands on the interface of an instance, so that it is known again."""
    groups = ",".join(member.security_group_ids)
    return f"{member.instance_id} {member.private_ip_address} {member.subnet_id} {groups}"


def member_of(interface: str, alias: str) -> Member | None:
    words = alias.split(" ")
    if len(words) != 4 or interface_of(InstanceId(words[0])) != interface:
        return None
    instance_id, address, subnet_id, groups = words
    return Member(
        InstanceId(instance_id),
        interface,
        address,
        SubnetId(subnet_id),
        tuple(SecurityGroupId(group) for group in groups.split(",")),
    )


def free_address(cidr_block: str, taken: Collection[str], instance_id: InstanceId) -> str | None:
    """Where the search begins depends on the instance, so that an address is seldom used again soon."""
    block = ipaddress.IPv4Network(cidr_block)
    count = block.num_addresses - RESERVED_FIRST - RESERVED_LAST
    if count <= 0:
        return None
    start = int(sha256(instance_id.encode()).hexdigest(), 16) % count
    tried = (str(block[RESERVED_FIRST + (start + number) % count]) for number in range(count))
    return next((address for address in tried if address not in taken), None)
