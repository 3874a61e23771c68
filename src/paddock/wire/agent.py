"""Messages between the server (control plane, router) and the agent of one managed instance.

A connection opens with `ServerHello` and `AgentHello`. `Configure` carries the whole desired configuration with a
generation; the agent refuses an older one, and the same one with other contents. Encoded as msgpack by msgspec; tags
are the class names.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from paddock.wire import PROTOCOL_VERSION

Role = Literal["control", "router"]


class Message(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Base of the control messages; the tag is the class name."""


# Server to agent


class ServerHello(Message, frozen=True):
    """First on every connection. `token` is the instance's bootstrap secret; `server_id` names the server process."""

    role: Role
    token: str
    server_id: str
    protocol_version: int = PROTOCOL_VERSION


class ImageSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """That the code is an image, whose manifest `code_sha256` names; and what stands in for what it says of itself."""

    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str | None = None


class EnvironmentSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """One execution environment the agent should run. Times in seconds, memory in MB, vCPU as in AWS's ratio.

    `draining`: take no new invocations, finish those in flight, then end. `credentials` never reach a log. `layers` are
    packages by their hashes, as the code is; a later one lies over an earlier one at `/opt`. `architecture` is what the
    function says it is for, empty when nobody asked. `tenant_id`: the only one it serves, empty where the function has
    none. `credentials_end_at` (epoch seconds) of those that cannot be renewed in it.
    """

    environment_id: str
    function_name: str
    function_arn: str
    version: str
    revision: str
    runtime: str
    handler: str
    code_sha256: str
    memory_mb: int
    vcpu: float
    max_concurrency: int
    timeout_seconds: float
    init_timeout_seconds: float
    log_group: str
    log_stream: str
    application_log_level: str | None = None
    system_log_level: str = "INFO"
    ephemeral_storage_mb: int = 512
    environment_variables: dict[str, str] = {}
    credentials: dict[str, str] = {}
    tracing_active: bool = False
    draining: bool = False
    initialization_type: str = "lambda-managed-instances"
    log_format: str = "JSON"
    image: ImageSpec | None = None
    layers: tuple[str, ...] = ()
    architecture: str = ""
    tenant_id: str = ""
    credentials_end_at: float | None = None


class AgentConfiguration(msgspec.Struct, frozen=True):
    """The whole of what the instance should run; what is not named here ends."""

    generation: int
    environments: tuple[EnvironmentSpec, ...]


class Configure(Message, frozen=True):
    configuration: AgentConfiguration


class CodeChunk(Message, frozen=True):
    """An answer to `FetchCode`. `error` ends the transfer; `last` marks its end."""

    code_sha256: str
    offset: int
    data: bytes
    last: bool
    error: str | None = None


class AcknowledgeLogs(Message, frozen=True):
    """Every batch up to this sequence is safe; the agent forgets them."""

    sequence: int


class RenewCredentials(Message, frozen=True):
    """What functions are to sign with from now on, as variables; also first after a hello. Never reaches a log."""

    variables: dict[str, str]

    def __repr__(self) -> str:
        return "RenewCredentials()"


class Shutdown(Message, frozen=True):
    """End all environments (reason `spindown`), then the agent. In-flight work gets `grace_seconds`."""

    grace_seconds: float


# Agent to server


class AgentHello(Message, frozen=True):
    instance_id: str
    agent_version: str
    pid: int
    generation: int
    environments: tuple[EnvironmentSpec, ...]
    isolation: str
    protocol_version: int = PROTOCOL_VERSION


class ConfigurationAccepted(Message, frozen=True):
    generation: int


class ConfigurationRefused(Message, frozen=True):
    generation: int
    held_generation: int
    reason: str


class EnvironmentFailureReport(msgspec.Struct, frozen=True):
    """`error_type` as in the Runtime API (`Runtime.ImportModuleError`, `Sandbox.Timedout`), `reason_code` AWS's
    StateReasonCode.
    """

    error_type: str
    reason_code: str
    text: str
    init: bool


class EnvironmentReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """State of one environment. `cpu_seconds` is cumulative use, `memory_bytes` what it holds now.

    `peak_memory_bytes` is the most it held since the report before, however short; zero where nobody looked. `slots`
    is how many invocations it can hold at present (less than its maximum when runtime workers have died).
    """

    environment_id: str
    phase: str
    in_flight: int = 0
    peak_in_flight: int = 0
    slots: int = 0
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    peak_memory_bytes: int = 0
    started_at: float = 0.0
    ready_at: float | None = None
    runtime_version: str = ""
    runtime_note: str = ""
    failure: EnvironmentFailureReport | None = None


class Report(Message, frozen=True):
    """The heartbeat: everything the instance is and does, once a second. What its processes moved to and from storage,
    and over its own interface, is cumulative, None where nobody counts.
    """

    instance_id: str
    generation: int
    at: float
    cpu_seconds: float
    entitled_cores: float
    memory_bytes: int
    environments: tuple[EnvironmentReport, ...]
    dropped_log_records: int = 0
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None
    network_in_bytes: int | None = None
    network_out_bytes: int | None = None


class EnvironmentChanged(Message, frozen=True):
    """An environment became ready, began to drain or ended: said at once, without waiting for the next report."""

    environment: EnvironmentReport


class FetchCode(Message, frozen=True):
    code_sha256: str


class LogRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`at_ms` is epoch milliseconds; `message` one line without its newline; `request_id` is empty where nobody knows
    which invocation wrote the line.
    """

    at_ms: int
    message: bytes
    request_id: str = ""


class LogBatch(Message, frozen=True):
    """Lines of one stream. Kept by the agent, within bounds, until acknowledged. `plain` ones are kept as they are."""

    sequence: int
    log_group: str
    log_stream: str
    records: tuple[LogRecord, ...]
    plain: bool = False


ServerMessage = ServerHello | Configure | CodeChunk | AcknowledgeLogs | RenewCredentials | Shutdown
AgentMessage = (
    AgentHello | ConfigurationAccepted | ConfigurationRefused | Report | EnvironmentChanged | FetchCode | LogBatch
)

encoder = msgspec.msgpack.Encoder()
server_message_decoder = msgspec.msgpack.Decoder(ServerMessage)
agent_message_decoder = msgspec.msgpack.Decoder(AgentMessage)


# Headers of the data frames: arrays, because they are encoded once per invocation


class InvokeHeader(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What `/next` will show of an invocation. `timeout_ms` starts when the agent hands the event to a runtime."""

    environment_id: str
    invocation_id: str
    invoked_function_arn: str
    timeout_ms: int
    trace_header: str = ""
    client_context: str = ""
    cognito_identity: str = ""
    content_type: str = "application/json"
    streaming: bool = False
    tail: bool = False


class ResultHeader(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a call ended.

    `outcome`: "ok"; "function_error" (the body is the runtime's error document, `error_type` its type); "refused" (no
    slot, not ready,
    draining or unknown environment: nothing was started, another environment may take it; `error_type` says which).
    `slot_held`: the handler still runs although the call is over; `SLOT_RELEASED` follows.
    `log_tail`: the end of the invocation's log in base64, where it was asked for.
    """

    outcome: Literal["ok", "function_error", "refused"]
    error_type: str = ""
    content_type: str = ""
    duration_us: int = 0
    slot_held: bool = False
    log_tail: str = ""


class StreamHeader(msgspec.Struct, frozen=True, array_like=True, gc=False):
    content_type: str


class SlotReleased(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`extensions_us`: how long extensions went on after the runtime had answered; None where none heard of it."""

    environment_id: str
    invocation_id: str
    extensions_us: int | None = None


invoke_header_decoder = msgspec.msgpack.Decoder(InvokeHeader)
result_header_decoder = msgspec.msgpack.Decoder(ResultHeader)
stream_header_decoder = msgspec.msgpack.Decoder(StreamHeader)
slot_released_decoder = msgspec.msgpack.Decoder(SlotReleased)
