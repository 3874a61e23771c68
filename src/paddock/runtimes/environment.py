"""The variables of an execution environment's processes: the set that AWS documents, and nothing of our own.

Pure. Sources: AWS Lambda developer guide "Defined runtime environment variables"; AWS's open agent code (Runtime
Interface Emulator, Managed Instances tree) for what an extension gets and what an image does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath

from paddock.model.environment_variables import OVERRIDABLE, customer_variables

MANAGED_INSTANCES = "lambda-managed-instances"
ON_DEMAND = "on-demand"
CONTAINER_CREDENTIALS = frozenset({"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"})
"""Names that AWS does not reserve: SDKs ask what they name for credentials."""


class ProcessKind(StrEnum):
    RUNTIME = "runtime"
    EXTENSION = "extension"


class PackageType(StrEnum):
    ZIP = "Zip"
    IMAGE = "Image"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the four directories of an environment are. AWS's places need a mount namespace; without one, they lie
    elsewhere.
    """

    task_root: PurePath
    runtime_dir: PurePath
    lang_dir: PurePath
    opt_dir: PurePath

    @property
    def path(self) -> str:
        return f"{self.lang_dir}/bin:/usr/local/bin:/usr/bin/:/bin:{self.opt_dir}/bin"

    @property
    def library_path(self) -> str:
        task, runtime = self.task_root, self.runtime_dir
        return f"{self.lang_dir}/lib:/lib64:/usr/lib64:{runtime}:{runtime}/lib:{task}:{task}/lib:{self.opt_dir}/lib"


AWS_LAYOUT = Layout(PurePath("/var/task"), PurePath("/var/runtime"), PurePath("/var/lang"), PurePath("/opt"))


@dataclass(frozen=True, slots=True)
class XRayDaemon:
    address: str = "169.254.100.1"
    port: int = 2000


@dataclass(frozen=True, slots=True)
class MetadataEndpoint:
    """`api` is host:port; the token is a secret."""

    api: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CredentialEndpoint:
    """Where SDKs fetch credentials and come back for newer ones; the token is a secret."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """What is known of a function version and its environment when a process of it is started.

    `max_concurrency` is None for default Lambda (one request at a time); `credentials` are variables by name
    (`AWS_ACCESS_KEY_ID`, ...); `telemetry_socket` is where a runtime worker fetches its log connection, if that is
    used.
    """

    function_name: str
    version: str
    memory_mb: int
    handler: str
    region: str
    runtime_api: str
    log_group: str
    log_stream: str
    max_concurrency: int | None
    initialization_type: str | None = None
    """None: what follows from `max_concurrency`."""
    package_type: PackageType = PackageType.ZIP
    log_format: str = "JSON"
    log_level: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    customer: Mapping[str, str] = field(default_factory=dict, repr=False)
    xray: XRayDaemon = field(default_factory=XRayDaemon)
    metadata: MetadataEndpoint | None = None
    credential_endpoint: CredentialEndpoint | None = None
    """In place of `credentials`, which SDKs would take first and never renew."""
    telemetry_socket: PurePath | None = None


def managed_environment(facts: EnvironmentFacts, layout: Layout, process: ProcessKind) -> dict[str, str]:
    """All variables of one process. A customer's value wins for the eight overridable names and for names the platform
    does not use.
    """
    variables = _common(facts)
    if facts.package_type is PackageType.ZIP:
        variables |= {
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PATH": layout.path,
            "LD_LIBRARY_PATH": layout.library_path,
        }
    if process is ProcessKind.RUNTIME:
        variables |= _runtime_only(facts, layout)
    allowed = {
        name: value
        for name, value in customer_variables(facts.customer).items()
        if name in OVERRIDABLE or name not in variables
    }
    return variables | allowed


def _common(facts: EnvironmentFacts) -> dict[str, str]:
    initialization_type = ON_DEMAND if facts.max_concurrency is None else MANAGED_INSTANCES
    variables = {
        "AWS_LAMBDA_RUNTIME_API": facts.runtime_api,
        "AWS_LAMBDA_INITIALIZATION_TYPE": facts.initialization_type or initialization_type,
        "AWS_REGION": facts.region,
        "AWS_DEFAULT_REGION": facts.region,
        "AWS_LAMBDA_FUNCTION_NAME": facts.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": facts.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(facts.memory_mb),
        "AWS_LAMBDA_LOG_FORMAT": facts.log_format,
        **_credentials(facts),
    }
    if facts.log_level is not None:
        variables["AWS_LAMBDA_LOG_LEVEL"] = facts.log_level
    if facts.metadata is not None:
        variables["AWS_LAMBDA_METADATA_API"] = facts.metadata.api
        variables["AWS_LAMBDA_METADATA_TOKEN"] = facts.metadata.token
    return variables


def _credentials(facts: EnvironmentFacts) -> Mapping[str, str]:
    """A customer's own credential endpoint is left alone."""
    endpoint = facts.credential_endpoint
    if endpoint is None:
        return facts.credentials
    if CONTAINER_CREDENTIALS & facts.customer.keys():
        return {}
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": endpoint.token,
    }


def _runtime_only(facts: EnvironmentFacts, layout: Layout) -> dict[str, str]:
    variables = {
        "AWS_LAMBDA_LOG_GROUP_NAME": facts.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": facts.log_stream,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": f"{facts.xray.address}:{facts.xray.port}",
        "_AWS_XRAY_DAEMON_ADDRESS": facts.xray.address,
        "_AWS_XRAY_DAEMON_PORT": str(facts.xray.port),
        "LAMBDA_TASK_ROOT": str(layout.task_root),
        "LAMBDA_RUNTIME_DIR": str(layout.runtime_dir),
    }
    if facts.max_concurrency is not None:
        variables["AWS_LAMBDA_MAX_CONCURRENCY"] = str(facts.max_concurrency)
    if facts.package_type is PackageType.ZIP:
        variables["_HANDLER"] = facts.handler
    else:
        variables["AWS_EXECUTION_ENV"] = "AWS_Lambda_Image"
    if facts.telemetry_socket is not None:
        variables["_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"] = str(facts.telemetry_socket)
    return variables
