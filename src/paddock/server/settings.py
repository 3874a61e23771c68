"""What a server can be told, in one frozen value.

Order: defaults, then `settings.yaml` in the data directory, then `PADDOCK_*` variables, then flags. Each field's help
stands here once; the command line and `docs/reference/settings.md` are made from it. Knows no other part.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from paddock.controlplane.settings import DEFAULT_ASYNC_CONCURRENCY
from paddock.core.environment.slots import DEFAULT_SLOTS, SlotSettings
from paddock.model.errors import SettingsError
from paddock.server.capacity_settings import CapacitySettings

AuthMode = Literal["sigv4", "none"]
ApiRatesMode = Literal["aws", "off"]
IsolationRung = Literal["process", "namespaces"]
NetworkMode = Literal["host", "vpc"]
MAX_ROUTERS = 64
"""Each holds a connection to every agent."""
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"(eusc-)?[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-[0-9]")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
LEAST_SILENCE_SECONDS = 2.0
"""Agents report once a second, and one report may be late."""
ABOVE_ZERO = (
    "account_concurrency",
    "code_storage_gib",
    "capacity_provider_writes_per_second",
    "capacity_provider_reads_per_second",
    "get_function_per_second",
    "control_plane_requests_per_second",
    "default_lambda_environments",
    "default_lambda_idle_seconds",
    "instance_lifetime_hours",
    "leaked_slot_seconds",
    "async_retry_seconds",
    "async_concurrency",
    "close_seconds",
    "idle_images_gib",
)


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/paddock`, or `~/.local/share/paddock`."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "paddock"


@dataclass(frozen=True, slots=True)
class Settings(CapacitySettings):
    """Durations in seconds. `None` means: decided by the machine, as the help says."""

    data_dir: Path = field(
        default_factory=default_data_dir, metadata={"help": "where state, code, logs and runtimes are kept"}
    )
    host: str = field(default="127.0.0.1", metadata={"help": "address the endpoint listens on"})
    port: int = field(default=4600, metadata={"help": "port of the endpoint; 0 picks a free one"})
    auth: AuthMode = field(
        default="sigv4",
        metadata={"help": "`sigv4` checks every request's signature; `none` takes any, on loopback only"},
    )
    region: str = field(default="us-east-1", metadata={"help": "region in ARNs, zone names and credential scopes"})
    account_id: str = field(default="000000000000", metadata={"help": "twelve digits, the account in ARNs"})
    cores_per_vcpu: float | None = field(
        default=None,
        metadata={
            "help": "this machine's cores that one vCPU is worth; default: cores ÷ vCPUs of the provider's minimum "
            "fleet, at most 1"
        },
    )
    strict_cpu: bool = field(
        default=False,
        metadata={"help": "make a vCPU's worth a quota instead of a weight: idle cores cannot be borrowed"},
    )
    strict_runtimes: bool = field(
        default=False,
        metadata={"help": "refuse a runtime whose very version is not here instead of standing in the nearest"},
    )
    runtimes_dir: Path | None = field(
        default=None,
        metadata={"help": "interpreters and clients are installed in its `runtimes` folder; default: data_dir"},
    )
    network: NetworkMode = field(
        default="host",
        metadata={
            "help": "`host`: instances share this machine's network, subnets and security groups are checked and shown "
            "and nothing of them is enforced; `vpc`: each has an interface of its own in one of its provider's "
            "subnets, with its security groups (Linux, root). Instances keep what they were launched with"
        },
    )
    network_file: Path | None = field(
        default=None,
        metadata={"help": "YAML file that names other subnets and security groups than the default network's"},
    )
    instance_lifetime_hours: float = field(
        default=336.0,
        metadata={
            "help": "an instance is replaced before it is this old; AWS's launch material says 14 days, one AWS "
            "guide about 12 hours"
        },
    )
    instance_stale_seconds: float = field(
        default=3.0,
        metadata={
            "help": "an instance whose agent was not heard of for so long gets no new invocations; agents report once "
            "a second. More for a machine that stalls, so that nothing is taken for dead that is only slow"
        },
    )
    instance_lost_seconds: float = field(
        default=10.0, metadata={"help": "after so long it is replaced; at least the one before"}
    )
    leaked_slot_seconds: float = field(
        default=DEFAULT_SLOTS.leaked_seconds,
        metadata={
            "help": "handlers that outlived their timeout hold their slots; where they hold every slot of an "
            "environment, one of them for so long, it is replaced. AWS does not say what becomes of them"
        },
    )
    isolation_min: IsolationRung | None = field(
        default=None,
        metadata={
            "help": "the weakest isolation of functions to run with, `process` or `namespaces`; where it cannot be had "
            "the server does not start; default: the strongest this machine gives, whichever it is"
        },
    )
    async_retry_seconds: float = field(
        default=60.0,
        metadata={"help": "wait before the first retry of a failed asynchronous invoke; the second waits twice that"},
    )
    async_concurrency: int = field(
        default=DEFAULT_ASYNC_CONCURRENCY,
        metadata={
            "help": "asynchronous invocations in progress at once, of all functions together; those above it wait in "
            "the store. More drains a backlog sooner, fewer leaves slots to synchronous callers"
        },
    )
    routers: int = field(
        default=1,
        metadata={
            "help": "processes that answer invokes and share the port, the server's own among them; more than one "
            "pays where cores are left over"
        },
    )
    account_concurrency: int = field(
        default=1000,
        metadata={
            "help": "invocations of functions without a capacity provider that may run at once; what this machine has "
            "room for is a limit too"
        },
    )
    code_storage_gib: float = field(
        default=75.0,
        metadata={
            "help": "packages of all versions of functions and layers together; beyond it CodeStorageExceededException"
        },
    )
    api_rates: ApiRatesMode = field(
        default="off",
        metadata={
            "help": "`aws` refuses API requests beyond AWS's quotas per second with 429, as the next four set them; "
            "`off` refuses none"
        },
    )
    capacity_provider_writes_per_second: float = field(
        default=1.0, metadata={"help": "of capacity providers: create, update and delete together"}
    )
    capacity_provider_reads_per_second: float = field(
        default=15.0, metadata={"help": "of capacity providers: get and both lists together"}
    )
    get_function_per_second: float = field(default=100.0, metadata={"help": "GetFunction requests"})
    control_plane_requests_per_second: float = field(
        default=15.0, metadata={"help": "all other requests of Lambda's API together; invocations are none of them"}
    )
    default_lambda_environments: int | None = field(
        default=None,
        metadata={
            "help": "execution environments of functions without a capacity provider at once; default: 32 per core"
        },
    )
    default_lambda_idle_seconds: float = field(
        default=420.0,
        metadata={"help": "such an environment ends when nobody has invoked it for so long"},
    )
    hot_reload_dir: tuple[Path, ...] = field(
        default=(),
        metadata={
            "help": "directories that functions' code may be read from again whenever something changes in them, for "
            "development; several are separated by colons; default: none, and hot reload is off"
        },
    )
    idle_images_gib: float = field(
        default=4.0,
        metadata={
            "help": "unpacked images that no environment uses any more, kept on each instance in case one is started "
            "again; more starts the functions of default Lambda sooner, less spares the disk"
        },
    )
    images_dir: Path | None = field(
        default=None,
        metadata={
            "help": "directory below which ImageUri may name images on this machine, as `oci:PATH` or "
            "`docker-archive:PATH`; default: none may be named"
        },
    )
    function_url_domain: str = field(
        default="localhost",
        metadata={
            "help": "the end of function URLs' names, `<id>.lambda-url.<region>.localhost`; another one for clients on "
            "other machines, if its names lead to this server"
        },
    )
    close_seconds: float = field(
        default=5.0,
        metadata={
            "help": "what answers under way get when the server ends, before instances are told to end; callers whose "
            "invocation takes longer are cut off. A signal in the meantime ends the server at once"
        },
    )
    keep_instances: bool = field(
        default=False, metadata={"help": "leave instances running when the server ends on Ctrl-C or SIGTERM"}
    )

    def slot_settings(self) -> SlotSettings:
        """What agents make of the slots of their environments."""
        return SlotSettings(
            self.slot_poll_wait_seconds, self.slot_settling_seconds, self.slot_return_seconds, self.leaked_slot_seconds
        )

    @property
    def is_loopback(self) -> bool:
        return self.host in {"127.0.0.1", "::1", "localhost"} or self.host.startswith("127.")


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Merge the sources; a flag that is None was not given. Raises `SettingsError` naming source and setting."""
    data_dir = Path(str(flags.get("data_dir") or environ.get("PADDOCK_DATA_DIR") or default_data_dir()))
    settings = Settings(data_dir=data_dir.expanduser().absolute())
    settings = replace(settings, **_from_file(settings.data_dir / "settings.yaml"))
    settings = replace(settings, **_from_environment(environ))
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None and name != "data_dir"}
    settings = replace(settings, **given)
    _check(settings)
    _check_directories(settings)
    return settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise SettingsError(f"{path} must hold a mapping of settings")
    return {name: _converted(f"{path}: {name}", str(name), value) for name, value in loaded.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for setting in fields(Settings):
        variable = f"PADDOCK_{setting.name.upper()}"
        if setting.name != "data_dir" and environ.get(variable):
            found[setting.name] = _converted(variable, setting.name, environ[variable])
    return found


def _converted(where: str, name: str, value: object) -> object:
    hints = get_type_hints(Settings)
    if name not in hints or name == "data_dir":
        known = ", ".join(setting.name for setting in fields(Settings) if setting.name != "data_dir")
        raise SettingsError(f"{where}: no such setting; the settings are {known}")
    try:
        return _as_type(hints[name], value)
    except (ValueError, RuntimeError) as error:  # the latter is expanduser's, of a home that nobody has
        raise SettingsError(f"{where}: {value!r} is not usable: {error}") from error


def _as_type(hint: object, value: object) -> object:
    """Raises `ValueError` saying what is expected; Python's own words for it are no help to who writes a file."""
    wanted = [part for part in get_args(hint) if part is not type(None)] or [hint]
    if get_origin(hint) is tuple:
        return _paths(value)
    if value is None and type(None) in get_args(hint):
        return None
    expected = _EXPECTED.get(wanted[0], "a text")
    if value is None or isinstance(value, list | dict):
        raise ValueError(f"expected {expected}")
    text = str(value)
    if wanted[0] is bool:
        if text.lower() not in {"true", "false", "1", "0", "yes", "no"}:
            raise ValueError(f"expected {expected}")
        return text.lower() in {"true", "1", "yes"}
    if wanted[0] is Path:
        return Path(text).expanduser().absolute()
    if wanted[0] is int or wanted[0] is float:
        try:
            return int(text) if wanted[0] is int else float(text)
        except ValueError:
            raise ValueError(f"expected {expected}") from None
    return text


_EXPECTED: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path",
}
"""By the type of a setting; of every other one a text is expected, and the check says which may be given."""


def _paths(value: object) -> tuple[Path, ...]:
    parts = [] if value is None else value if isinstance(value, list) else str(value).split(os.pathsep)
    if isinstance(value, dict) or not all(isinstance(part, str) for part in parts):
        raise ValueError(f"expected paths, in a list or separated by {os.pathsep}")
    return tuple(Path(part).expanduser().absolute() for part in parts if part)


def _check(settings: Settings) -> None:
    _check_choice("auth", settings.auth, get_args(AuthMode))
    _check_choice("api_rates", settings.api_rates, get_args(ApiRatesMode))
    _check_choice("network", settings.network, get_args(NetworkMode))
    if settings.isolation_min is not None:
        _check_choice("isolation_min", settings.isolation_min, get_args(IsolationRung))
    if settings.auth == "none" and not settings.is_loopback:
        raise SettingsError(f"--auth none is for loopback only; with --host {settings.host} anyone could run code here")
    if not 0 <= settings.port <= 65535:
        raise SettingsError(f"port must be 0 to 65535, not {settings.port}")
    _check_place(settings)
    if settings.cores_per_vcpu is not None and not 0 < settings.cores_per_vcpu <= 1:
        raise SettingsError("cores_per_vcpu must be above 0 and at most 1")
    if not _DOMAIN.fullmatch(settings.function_url_domain):
        raise SettingsError(
            f"function_url_domain must be a name of a-z, 0-9, - and dots, not {settings.function_url_domain!r}"
        )
    if not 1 <= settings.routers <= MAX_ROUTERS:
        raise SettingsError(f"routers must be 1 to {MAX_ROUTERS}, not {settings.routers}")
    for name in ABOVE_ZERO:
        value = getattr(settings, name)
        if value is not None and not 0 < value < math.inf:
            raise SettingsError(f"{name} must be above 0")
    _check_lease(settings)
    settings.check()


def _check_place(settings: Settings) -> None:
    """ARNs of anything else would not pass the checks of AWS's service models."""
    if not _ACCOUNT_ID.fullmatch(settings.account_id):
        raise SettingsError(f"account_id must be twelve digits, not {settings.account_id!r}")
    if not _REGION.fullmatch(settings.region):
        raise SettingsError(f"region must be a name like us-east-1, not {settings.region!r}")


def _check_lease(settings: Settings) -> None:
    if not LEAST_SILENCE_SECONDS <= settings.instance_stale_seconds <= settings.instance_lost_seconds < math.inf:
        raise SettingsError(
            f"instance_stale_seconds must be at least {LEAST_SILENCE_SECONDS:g}, and at most instance_lost_seconds, "
            f"which is {settings.instance_lost_seconds:g}"
        )


def _check_directories(settings: Settings) -> None:
    if settings.images_dir is not None and not settings.images_dir.is_dir():
        raise SettingsError(f"images_dir: {settings.images_dir} is no directory")
    for directory in settings.hot_reload_dir:
        if not directory.is_dir():
            raise SettingsError(f"hot_reload_dir: {directory} is no directory")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
