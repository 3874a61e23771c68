"""What a launcher hands to the agent of a new instance, as one private JSON file. No logic, no I/O.

The file holds the token that opens the agent's connection: it is readable by its owner only and never logged.
"""

from __future__ import annotations

import msgspec

from paddock.core.environment.slots import DEFAULT_SLOTS, SlotSettings

UNIX_PREFIX = "unix:"


class AgentBootstrap(msgspec.Struct, frozen=True, omit_defaults=True):
    """`address` is where the agent listens (`unix:/path`); `directory` is the instance's own, `data_dir` the one that
    holds the installed runtimes. `entitled_cores` is what the instance's vCPUs are worth on this machine.

    `isolation_min` is the rung below which nothing may run. `fence_after_seconds`: end the instance when no server
    has been connected for so long; None: go on for ever. `slots`: what the operator set of environments' slots, and
    `idle_image_bytes` of images that nothing uses any more; None: as the agent has it.

    `network_namespace` is entered before anything else; `network_interface` and `private_ip_address` are the instance's
    in there. None, all three: it lives in the machine's network. `server_file` says under `url` where in that network
    this installation's endpoint listens, while a server runs; it is read whenever that is asked: another server may
    listen elsewhere. `machine_ports`: what of the machine's loopback the operator opened to instances that left it.
    """

    instance_id: str
    provider: str
    zone: str
    subnet_id: str
    address: str
    token: str
    directory: str
    data_dir: str
    entitled_cores: float
    strict_cpu: bool
    vcpu: int
    memory_mb: int
    region: str
    account_id: str
    strict_runtimes: bool = False
    fence_after_seconds: float | None = None
    isolation_min: str | None = None
    slots: SlotSettings = DEFAULT_SLOTS
    network_namespace: str | None = None
    network_interface: str | None = None
    private_ip_address: str | None = None
    server_file: str | None = None
    machine_ports: tuple[int, ...] = ()
    idle_image_bytes: int | None = None

    def __repr__(self) -> str:
        return f"AgentBootstrap({self.instance_id!r})"


def encode_bootstrap(bootstrap: AgentBootstrap) -> bytes:
    return msgspec.json.encode(bootstrap)


def decode_bootstrap(text: bytes) -> AgentBootstrap:
    """Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return msgspec.json.decode(text, type=AgentBootstrap)
