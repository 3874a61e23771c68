"""A VPC on this machine: a router and one namespace for each instance, cabled together; IPv4 only. Linux with root.

The kernel is the memory: what is attached stands on the interfaces. Leaves DNS (but for its address) and endpoints to
who lives in the namespaces, and knows nothing of agents.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from paddock.model.ids import InstanceId, SecurityGroupId, SubnetId
from paddock.model.network import Network, Subnet
from paddock.model.states import StateReasonCode
from paddock.networks import links, machine, namespaces, nft
from paddock.networks.names import (
    GATEWAY,
    INSTANCE_INTERFACE,
    MAX_ALIAS_BYTES,
    Names,
    described,
    free_address,
    interface_of,
    member_of,
)
from paddock.networks.rules import UPLINK, Member, machine_rules, router_rules
from paddock.ports.instance_network import RESOLVER_ADDRESS, Attachment, NetworkError
from paddock.ports.launcher import LaunchError

_ROUTER_SWITCHES = {
    "net/ipv4/ip_forward": "1",
    # Whatever this machine has: who sends what is for our rules to say.
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv6/conf/default/disable_ipv6": "1",
}
_FAULTS = (OSError, nft.NftError, links.LinkError, machine.NoUplink)


class VpcNetwork:
    """`installation` is the data directory: what two of them make never meets.

    The machine is the network namespace of whoever calls. `refresh` belongs to the start of a server, and to whenever
    this machine's ways out may have changed.
    """

    def __init__(self, network: Network, *, installation: Path) -> None:
        self._network = network
        self._names = Names.of(installation)
        self._router = namespaces.NAMED / self._names.router
        self._threads = threading.Lock()

    # The port

    def attach(
        self, instance_id: InstanceId, subnet_id: SubnetId, security_group_ids: tuple[SecurityGroupId, ...]
    ) -> Attachment:
        subnet = self._network.subnet(subnet_id)
        if subnet is None:
            raise LaunchError(StateReasonCode.INVALID_SUBNET, f"there is no {subnet_id}", transient=False)
        groups = security_group_ids or (self._network.default_security_group_id,)
        unknown = [each for each in groups if self._network.security_group(each) is None]
        if unknown:
            text = f"there is no {', '.join(unknown)}"
            raise LaunchError(StateReasonCode.INVALID_SECURITY_GROUP, text, transient=False)
        try:
            with self._alone():
                return self._attachment(self._attach_whole(instance_id, subnet, groups))
        except _FAULTS as error:
            text = f"{instance_id} cannot be attached to {subnet_id}: {error}"
            raise LaunchError(StateReasonCode.INTERNAL_ERROR, text, transient=True) from error

    def detach(self, instance_id: InstanceId) -> None:
        """Raises `NetworkError` when the kernel refuses; then it may be tried again."""
        with self._alone(), _told_plainly(f"{instance_id} cannot be detached"):
            self._unplug(instance_id)
            self._settle(self._members())

    def attached(self) -> Mapping[InstanceId, Attachment]:
        with self._alone(), _told_plainly("what is attached cannot be read"):
            return {each: self._attachment(member) for each, member in self._members().items()}

    # Beyond the port

    @property
    def is_there(self) -> bool:
        """Somebody was attached and has not been detached, perhaps by an earlier server. Anyone may ask."""
        return namespaces.exists(self._router)

    def refresh(self) -> None:
        """The rules of the present network, this machine's present ways out, and no leftovers of what was cut short."""
        with self._alone(), _told_plainly("the network cannot be refreshed"):
            members = self._members()
            if members:
                self._open_router()
            self._settle(members)
            machine.refresh(self._names)

    def remove_all(self) -> None:
        """Nothing is left of this installation's network; instances that still run are cut off."""
        with self._alone(), _told_plainly("the network cannot be removed"):
            for instance_id in self._found_namespaces():
                self._unplug(instance_id)
            self._settle({})

    def hindrances(self) -> tuple[str, ...]:
        """What of this machine keeps instances from what is outside, a line each, with what helps."""
        with _told_plainly("this machine's rules cannot be read"):
            return machine.hindrances(self._names)

    def unavailable_because(self) -> str | None:
        """None when namespaces, cables and rules can be made here: found out by making and removing them."""
        missing = _missing()
        if missing is not None:
            return missing
        probe = namespaces.NAMED / self._names.probe
        try:
            with self._alone():
                namespaces.create(probe)
                try:
                    namespaces.inside(probe, lambda: _try_out(probe, self._network, self._names))
                finally:
                    namespaces.remove(probe)
        except _FAULTS as error:
            return f"no network can be made here ({error}): it takes root with CAP_SYS_ADMIN and CAP_NET_ADMIN"
        return None

    # Steps

    def _attach_whole(self, instance_id: InstanceId, subnet: Subnet, groups: tuple[SecurityGroupId, ...]) -> Member:
        try:
            return self._attach(instance_id, subnet, groups)
        except _FAULTS:
            with suppress(*_FAULTS):
                self._unplug(instance_id)
                self._settle(self._members())
            raise

    def _attach(self, instance_id: InstanceId, subnet: Subnet, groups: tuple[SecurityGroupId, ...]) -> Member:
        members = self._members()
        member = members.get(instance_id)
        if member is None:
            taken = {each.private_ip_address for each in members.values()}
            address = free_address(subnet.cidr_block, taken, instance_id)
            if address is None:
                text = f"{subnet.subnet_id} ({subnet.cidr_block}) has no free address"
                raise LaunchError(StateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES, text, transient=True)
            member = Member(instance_id, interface_of(instance_id), address, subnet.subnet_id, groups)
            if len(described(member)) > MAX_ALIAS_BYTES:
                text = f"the ids of {instance_id}, its subnet and its groups are too long together"
                raise LaunchError(StateReasonCode.INVALID_CONFIGURATION, text, transient=False)
            self._open_router()
            self._plug_in(member)
            members[instance_id] = member
        self._settle(members)
        return member

    def _open_router(self) -> None:
        namespaces.create(self._router)

        def prepare() -> None:
            for name, value in _ROUTER_SWITCHES.items():
                if (Path("/proc/sys") / name).exists():
                    machine.write(Path("/proc/sys") / name, value)

        namespaces.inside(self._router, prepare)
        machine.connect(self._names, self._router)

    def _plug_in(self, member: Member) -> None:
        """The alias comes last: a cable without one was cut short, and its instance is nobody's."""
        namespace = namespaces.NAMED / self._names.namespace(member.instance_id)
        self._unplug(member.instance_id)
        namespaces.create(namespace)

        def near_end() -> None:
            links.forget_flows(member.private_ip_address)
            links.add_pair(member.interface, INSTANCE_INTERFACE, namespace)
            links.add_address(member.interface, GATEWAY)
            links.set_up(member.interface)
            links.add_route(f"{member.private_ip_address}/32", member.interface)

        def far_end() -> None:
            machine.without_ipv6(INSTANCE_INTERFACE)
            links.set_up("lo")
            links.add_address("lo", RESOLVER_ADDRESS)
            links.add_address(INSTANCE_INTERFACE, member.private_ip_address)
            links.set_up(INSTANCE_INTERFACE)
            links.add_route(f"{GATEWAY}/32", INSTANCE_INTERFACE)
            links.add_route("default", INSTANCE_INTERFACE, GATEWAY)

        namespaces.inside(self._router, near_end)
        namespaces.inside(namespace, far_end)
        namespaces.inside(self._router, lambda: links.set_alias(member.interface, described(member)))

    def _unplug(self, instance_id: InstanceId) -> None:
        if namespaces.exists(self._router):
            namespaces.inside(self._router, lambda: links.remove(interface_of(instance_id)))
        namespaces.remove(namespaces.NAMED / self._names.namespace(instance_id))

    def _settle(self, members: Mapping[InstanceId, Member]) -> None:
        """What there is, is made to be what there should be for these."""
        for instance_id in self._found_namespaces():
            if instance_id not in members:
                self._unplug(instance_id)
        if members:
            rules = router_rules(self._network, list(members.values()))
            namespaces.inside(self._router, lambda: nft.apply(rules))
            return
        machine.disconnect(self._names)
        namespaces.remove(self._router)

    def _members(self) -> dict[InstanceId, Member]:
        if not namespaces.exists(self._router):
            return {}
        found = (member_of(each.name, each.alias) for each in namespaces.inside(self._router, links.links))
        return {each.instance_id: each for each in found if each is not None}

    def _found_namespaces(self) -> list[InstanceId]:
        """Of instances, whole or not."""
        try:
            names = sorted(path.name for path in namespaces.NAMED.iterdir())
        except OSError:
            return []
        found = (self._names.instance_of(name) for name in names)
        return [each for each in found if each is not None]

    def _attachment(self, member: Member) -> Attachment:
        namespace = namespaces.NAMED / self._names.namespace(member.instance_id)
        return Attachment(namespace, INSTANCE_INTERFACE, member.private_ip_address)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One thread of one installation at a time: what all of them share is this machine."""
        with self._threads:
            namespaces.NAMED.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(namespaces.NAMED, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)


@contextmanager
def _told_plainly(what: str) -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise NetworkError(f"{what}: {error}") from error


def _missing() -> str | None:
    if sys.platform != "linux":
        return "it takes Linux: there are no network namespaces elsewhere"
    if find_spec("pyroute2") is None:
        return "the Python package pyroute2 is not installed: pip install pyroute2"
    if shutil.which("nft") is None:
        return "nft is not installed: apt install nftables"
    return None


def _try_out(probe: Path, network: Network, names: Names) -> None:
    """All that this kernel must know, in a place that goes afterwards."""
    links.add_pair(names.uplink, UPLINK, probe)
    machine.write(Path("/proc/sys/net/ipv4/conf") / UPLINK / "forwarding", "1")
    nft.apply(router_rules(network, ()))
    nft.apply(machine_rules(names.table, names.uplink, GATEWAY, (), ()))
