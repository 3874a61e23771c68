"""Managed instances on this machine: each is an agent under its watchdog, in a session and a directory of its own.

Keeps nothing in memory that the directories do not say: a new server finds the instances of the last one. Enforces what
the agent's cgroups enforce and says so; whose network an instance is in, `attachments` knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from paddock.core.environment.slots import DEFAULT_SLOTS, SlotSettings
from paddock.launchers.attachments import Attachments
from paddock.launchers.cgroups import tried_group
from paddock.launchers.instance_directory import (
    InstanceDirectory,
    NotPrivate,
    RecordedProcess,
    reap_children_of_ours,
    socket_directory,
)
from paddock.launchers.processes import send_signal
from paddock.model.ids import AvailabilityZone, CapacityProviderName, InstanceId
from paddock.model.states import InstancePhase, StateReasonCode
from paddock.ports.clock import Clock
from paddock.ports.instance_network import Attachment
from paddock.ports.launcher import LauncherCapabilities, LaunchError, LaunchRequest, ObservedInstance
from paddock.wire.bootstrap import UNIX_PREFIX, AgentBootstrap, decode_bootstrap, encode_bootstrap

_POLL_SECONDS = 0.05
"""Between two looks whether an agent has gone."""
_TAIL_BYTES = 2000
"""Of an agent's log, where its last line is."""
_ROUTINE = re.compile(r"[-0-9]{10} [:,0-9]{12} (DEBUG|INFO) ")
_is_instance_id = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}").fullmatch


@dataclass(frozen=True, slots=True)
class LocalIsolation:
    """`minimum` is the rung below which no agent may run anything, `found` says in a line what this machine gives."""

    minimum: str | None = None
    found: str = "as each agent finds it"


_NOTHING_DEMANDED = LocalIsolation()


@dataclass(frozen=True, slots=True)
class AgentTerms:
    """What each agent is told beside its instance: see `AgentBootstrap`. And when it begins and what is left of it."""

    strict_runtimes: bool = False
    fence_after_seconds: float | None = None
    slots: SlotSettings = DEFAULT_SLOTS
    machine_ports: tuple[int, ...] = ()
    idle_image_bytes: int | None = None
    start_seconds: float = 15.0
    """An agent that has not even claimed its directory by then will not come."""
    ended_kept: int = 200
    """Directories of ended instances that are kept, for their logs and so that their ids are known."""


_NO_TERMS = AgentTerms()


class LocalLauncher:
    """`data_dir` holds `instances/`; the installed runtimes are there too unless `runtimes_dir` names another place.
    Without `attachments` every instance is in this machine's network.
    """

    def __init__(
        self,
        data_dir: Path,
        clock: Clock,
        *,
        region: str,
        account_id: str,
        terms: AgentTerms = _NO_TERMS,
        runtimes_dir: Path | None = None,
        isolation: LocalIsolation = _NOTHING_DEMANDED,
        attachments: Attachments | None = None,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._runtimes_dir = (runtimes_dir or data_dir).absolute()
        self._instances = self._data_dir / "instances"
        self._clock = clock
        self._region = region
        self._account_id = account_id
        self._terms = terms
        self._isolation = isolation
        self._attachments = attachments or Attachments()
        self._ending: set[InstanceId] = set()
        self._capabilities: LauncherCapabilities | None = None

    # The port

    async def launch(self, request: LaunchRequest) -> None:
        await asyncio.to_thread(self._launch, request)

    async def terminate(self, instance_id: InstanceId, grace_seconds: float) -> None:
        await asyncio.to_thread(self._terminate, instance_id, grace_seconds)

    async def list(self) -> tuple[ObservedInstance, ...]:
        return await asyncio.to_thread(self._list)

    def capabilities(self) -> LauncherCapabilities:
        if self._capabilities is None:
            with tried_group() as group:
                self._capabilities = LauncherCapabilities(
                    name="local",
                    cpu_enforced=group is not None and group.weighs_cpu,
                    memory_enforced=group is not None,
                    network=self._attachments.name,
                    isolation=self._isolation.found,
                )
        return self._capabilities

    # Launch

    def _launch(self, request: LaunchRequest) -> None:
        directory = self._directory(request.instance_id)
        if directory is None:
            raise LaunchError(StateReasonCode.INVALID_CONFIGURATION, "no instance id", transient=False)
        if directory.process() is not None:
            if directory.is_held() and not directory.stopping.exists():
                return
            raise LaunchError(StateReasonCode.INTERNAL_ERROR, f"{request.instance_id} has run already", transient=False)
        try:
            with self._attachments.launching(request) as attachment:
                directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                sockets = socket_directory(directory.path, os.environ.get("XDG_RUNTIME_DIR"))
                bootstrap = self._bootstrap(request, directory, sockets, attachment)
                _write_private(directory.bootstrap, encode_bootstrap(bootstrap))
                self._spawn(directory)
        except NotPrivate as error:
            raise LaunchError(StateReasonCode.INVALID_CONFIGURATION, str(error), transient=False) from error
        except OSError as error:
            raise _refused(error) from error

    def _bootstrap(
        self, request: LaunchRequest, directory: InstanceDirectory, sockets: Path, attachment: Attachment | None
    ) -> AgentBootstrap:
        return AgentBootstrap(
            instance_id=request.instance_id,
            provider=request.provider,
            zone=request.zone,
            subnet_id=request.subnet_id,
            address=f"{UNIX_PREFIX}{sockets}/agent.sock",
            token=request.token,
            directory=str(directory.path),
            data_dir=str(self._runtimes_dir),
            entitled_cores=request.entitled_cores,
            strict_cpu=request.strict_cpu,
            vcpu=request.instance_type.vcpu,
            memory_mb=int(request.instance_type.memory_gib * 1024),
            region=self._region,
            account_id=self._account_id,
            strict_runtimes=self._terms.strict_runtimes,
            fence_after_seconds=self._terms.fence_after_seconds,
            slots=self._terms.slots,
            isolation_min=self._isolation.minimum,
            network_namespace=str(attachment.namespace) if attachment else None,
            network_interface=attachment.interface if attachment else None,
            private_ip_address=attachment.private_ip_address if attachment else None,
            server_file=str(self._data_dir / "server.json"),
            machine_ports=self._terms.machine_ports,
            idle_image_bytes=self._terms.idle_image_bytes,
        )

    def _spawn(self, directory: InstanceDirectory) -> None:
        """A second agent for the same directory ends at once: the first one holds the lock."""
        log = os.open(directory.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "paddock.agent", "--bootstrap", str(directory.bootstrap)],
                cwd=directory.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

        def wait() -> None:
            process.wait()
            if directory.process() is None:
                # It ended before it had claimed its directory. Where there is none any more, nobody asks.
                with contextlib.suppress(OSError):
                    directory.never_began.touch()

        threading.Thread(target=wait, name=f"wait-{process.pid}", daemon=True).start()

    # Terminate

    def _terminate(self, instance_id: InstanceId, grace_seconds: float) -> None:
        directory = self._directory(instance_id)
        if directory is None or not directory.bootstrap.exists():
            return
        if not directory.stopping.exists():
            until = self._clock.now().timestamp() + grace_seconds
            _write_private(directory.stopping, f"{until:.3f}\n".encode())
        self._end_in_background(instance_id, directory)

    def _end_in_background(self, instance_id: InstanceId, directory: InstanceDirectory) -> None:
        """A thread, because the port's caller does not wait; should this process end, the next `list` takes over."""
        if instance_id in self._ending:
            return
        self._ending.add(instance_id)

        def end() -> None:
            try:
                self._end(directory)
            finally:
                self._ending.discard(instance_id)

        threading.Thread(target=end, name=f"end-{instance_id}", daemon=True).start()

    def _end(self, directory: InstanceDirectory) -> None:
        """SIGTERM, the grace that was granted, then SIGKILL to all that is left."""
        recorded = directory.process()
        if recorded is not None and recorded.lives:
            send_signal(recorded.pid, signal.SIGTERM)
            left = _stopping_until(directory) - self._clock.now().timestamp()
            _wait_until_dead(recorded, left)
        self._clear(directory, decode_bootstrap(directory.bootstrap.read_bytes()))

    def _clear(self, directory: InstanceDirectory, bootstrap: AgentBootstrap) -> None:
        """Nothing of the instance runs or lies about any more, save its record and its log."""
        sockets = _socket_directory_of(bootstrap)
        directory.kill(sockets)
        if bootstrap.network_namespace is not None:
            self._attachments.detach(InstanceId(bootstrap.instance_id))
        shutil.rmtree(sockets, ignore_errors=True)
        _remove_code(directory.code)

    # List

    def _list(self) -> tuple[ObservedInstance, ...]:
        unclaimed = self._attachments.maybe_unclaimed()
        try:
            paths = [path for path in self._instances.iterdir() if path.is_dir()]
        except OSError:
            paths = []
        observed = [self._observe(InstanceDirectory(path)) for path in paths]
        found = sorted((one for one in observed if one is not None), key=lambda one: one.instance_id)
        ended = [one for one in found if one.phase is InstancePhase.TERMINATED]
        self._attachments.detach_unclaimed(unclaimed, {one.instance_id for one in found if one not in ended})
        self._forget_oldest(ended)
        return tuple(found)

    def _observe(self, directory: InstanceDirectory) -> ObservedInstance | None:
        try:
            bootstrap = decode_bootstrap(directory.bootstrap.read_bytes())
            begun_at = directory.bootstrap.stat().st_mtime
        except (OSError, msgspec.DecodeError):
            return None
        phase, reason = self._phase(directory, bootstrap, begun_at)
        return ObservedInstance(
            instance_id=InstanceId(bootstrap.instance_id),
            provider=CapacityProviderName(bootstrap.provider),
            phase=phase,
            zone=AvailabilityZone(bootstrap.zone),
            address=bootstrap.address,
            token=bootstrap.token,
            started_at=datetime.fromtimestamp(begun_at, UTC),
            reason=reason,
            private_ip_address=bootstrap.private_ip_address,
        )

    def _phase(
        self, directory: InstanceDirectory, bootstrap: AgentBootstrap, begun_at: float
    ) -> tuple[InstancePhase, str | None]:
        instance_id = InstanceId(bootstrap.instance_id)
        recorded = directory.process()
        reap_children_of_ours(recorded)
        if instance_id in self._ending:
            return InstancePhase.STOPPING, None
        if directory.is_held():
            if directory.stopping.exists():
                self._end_in_background(instance_id, directory)
                return InstancePhase.STOPPING, None
            is_up = Path(bootstrap.address.removeprefix(UNIX_PREFIX)).exists()
            return (InstancePhase.RUNNING if is_up else InstancePhase.PENDING), None
        ended_early = directory.never_began.exists()
        if (
            recorded is None
            and not ended_early
            and self._clock.now().timestamp() - begun_at < self._terms.start_seconds
        ):
            return InstancePhase.PENDING, None
        if _socket_directory_of(bootstrap).exists():
            self._clear(directory, bootstrap)
        if directory.stopping.exists():
            return InstancePhase.TERMINATED, None
        if recorded is None and not ended_early:
            within = f"{self._terms.start_seconds:g} s"
            return InstancePhase.TERMINATED, f"no agent began within {within}: {_last_line(directory.log)}"
        return InstancePhase.TERMINATED, f"the agent's process ended: {_last_words(directory.log)}"

    def _forget_oldest(self, ended: Sequence[ObservedInstance]) -> None:
        by_age = sorted(ended, key=lambda one: (one.started_at is not None, one.started_at))
        for one in by_age[: max(0, len(by_age) - self._terms.ended_kept)]:
            shutil.rmtree(self._instances / one.instance_id, ignore_errors=True)

    # Places

    def _directory(self, instance_id: InstanceId) -> InstanceDirectory | None:
        if _is_instance_id(instance_id) is None:
            return None
        return InstanceDirectory(self._instances / instance_id)


def _socket_directory_of(bootstrap: AgentBootstrap) -> Path:
    return Path(bootstrap.address.removeprefix(UNIX_PREFIX)).parent


def _refused(error: OSError) -> LaunchError:
    if error.errno in {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}:
        text = f"this machine has no room for another process ({error.strerror})"
        return LaunchError(StateReasonCode.INSUFFICIENT_CAPACITY, text, transient=True)
    if error.errno == errno.ENOSPC:
        return LaunchError(StateReasonCode.INSUFFICIENT_CAPACITY, "the disk is full", transient=True)
    return LaunchError(StateReasonCode.INTERNAL_ERROR, str(error), transient=False)


def _write_private(path: Path, content: bytes) -> None:
    """In one step, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)


def _stopping_until(directory: InstanceDirectory) -> float:
    try:
        return float(directory.stopping.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def _wait_until_dead(recorded: RecordedProcess, seconds: float) -> None:
    for _ in range(max(0, int(seconds / _POLL_SECONDS))):
        reap_children_of_ours(recorded)
        if not recorded.lives:
            return
        time.sleep(_POLL_SECONDS)


def _remove_code(code: Path) -> None:
    """It was made read-only."""
    if not code.is_dir():
        return
    for parent, names, _ in os.walk(code):
        for name in names:
            with contextlib.suppress(OSError):
                Path(parent, name).chmod(0o700)
    shutil.rmtree(code, ignore_errors=True)


def _last_words(log: Path) -> str:
    """What it said last, unless that was routine: then it was ended from outside, and no line of it says why."""
    line = _last_line(log)
    return "it said nothing of why" if _ROUTINE.match(line) else line


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return "it left no log"
    return next((line for line in reversed(lines) if line.strip()), "it left no log")
