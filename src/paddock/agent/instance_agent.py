"""The agent of one managed instance: takes configurations, makes them so, passes calls on, reports.

Owns the environments (one task each, in one task group) and the links to servers. Goes on serving while no server is
there, unless told to fence itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from paddock import __version__
from paddock.agent.calls import Call
from paddock.agent.code_store import CodeStore
from paddock.agent.credentials import FunctionCredentials
from paddock.agent.discarding import discard_code
from paddock.agent.disk import DiskMeter
from paddock.agent.environment import ExecutionEnvironment
from paddock.agent.facilities import Facilities
from paddock.agent.images import ImageStore
from paddock.agent.ledger import ConfigurationLedger
from paddock.agent.limits import (
    ENDED_REPORTED_SECONDS,
    LAST_WORDS_SECONDS,
    LOG_FLUSH_SECONDS,
    MAX_LINKS,
    REPORT_SECONDS,
)
from paddock.agent.link import Link
from paddock.agent.log_shipping import LogShipper
from paddock.agent.memory_watch import watch_memory
from paddock.agent.metadata import InstanceEndpoints
from paddock.agent.runtime_commands import RuntimeCommandSource
from paddock.agent.runtime_process import StartRuntime, start
from paddock.agent.timebase import Timebase
from paddock.core.environment import errors
from paddock.isolation.ladder import Isolation
from paddock.isolation.peers import Peers
from paddock.launchers.cgroups import Cgroup
from paddock.launchers.instance_directory import token_beginning
from paddock.model.ids import AvailabilityZone
from paddock.model.zones import zone_id
from paddock.ports.clock import Clock, IdSource
from paddock.ports.instance_network import NOT_COUNTED, NetworkMeter
from paddock.wire import PROTOCOL_VERSION
from paddock.wire.agent import (
    AcknowledgeLogs,
    AgentHello,
    CodeChunk,
    ConfigurationAccepted,
    Configure,
    EnvironmentChanged,
    EnvironmentReport,
    EnvironmentSpec,
    FetchCode,
    RenewCredentials,
    Report,
    ServerHello,
    ServerMessage,
    Shutdown,
)
from paddock.wire.bootstrap import AgentBootstrap

_LOG = logging.getLogger("paddock.agent")
_ENDING_THREADS = 4
"""Environments whose processes are killed at the same time."""
_CLOSING_PAUSE_SECONDS = 0.005
_REMEMBERED_ENDED = 10_000
"""Environment ids that never run again; a long-lived instance sees a few thousand."""


class InstanceAgent:
    """`cgroup` is the instance's, None where there can be none."""

    def __init__(
        self,
        bootstrap: AgentBootstrap,
        runtimes: RuntimeCommandSource,
        cgroup: Cgroup | None,
        isolation: Isolation,
        socket_dir: Path,
        clock: Clock,
        ids: IdSource,
        start_runtime: StartRuntime = start,
    ) -> None:
        self.environments: dict[str, ExecutionEnvironment] = {}
        self.disk: DiskMeter | None = None
        self.network: NetworkMeter | None = None
        """Both are set before `run` where processes are started."""
        self._bootstrap = bootstrap
        self._timebase = Timebase(clock)
        self._ledger = ConfigurationLedger()
        self._shipper = LogShipper(self._timebase)
        self._links: dict[Link, None] = {}
        self._controls: dict[Link, None] = {}
        self._never_again: OrderedDict[str, None] = OrderedDict()
        self._numbered = 0
        self._has_cgroup = cgroup is not None
        self._stop = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._alone_since = clock.monotonic()
        self._credentials = FunctionCredentials()
        code = CodeStore(Path(bootstrap.directory) / "code", self._fetch_code)
        self._facilities = Facilities(
            code=code,
            images=ImageStore(Path(bootstrap.directory) / "images", code.fetch, bootstrap.idle_image_bytes),
            runtimes=runtimes,
            shipper=self._shipper,
            timebase=self._timebase,
            ids=ids,
            cgroup=cgroup,
            isolation=isolation,
            socket_dir=socket_dir,
            cores_per_vcpu=bootstrap.entitled_cores / bootstrap.vcpu,
            strict_cpu=bootstrap.strict_cpu,
            ending=ThreadPoolExecutor(_ENDING_THREADS, "ending"),
            changed=self._environment_changed,
            start=start_runtime,
            slots=bootstrap.slots,
            peers=_peers() if isolation.way.own_users else None,
            endpoints=InstanceEndpoints(
                zone_id(AvailabilityZone(bootstrap.zone)),
                self._credentials,
                self._timebase.epoch_now,
                ids.hex,
                token_beginning(socket_dir),
            ),
        )

    # Life

    async def run(self) -> None:
        """Until it is told to shut down, or fences itself."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                chores = [
                    group.create_task(self._every(REPORT_SECONDS, self._report)),
                    group.create_task(self._every(LOG_FLUSH_SECONDS, self._shipper.ship)),
                    group.create_task(watch_memory(self._facilities.cgroup, self.environments.values)),
                ]
                if self.disk is not None:
                    chores.append(group.create_task(self.disk.run(self._cgroups)))
                await self._stop.wait()
                for chore in chores:
                    chore.cancel()
                for environment in self.environments.values():
                    environment.stop()
        finally:
            self._group = None
            self._shipper.ship()
            await self._close_links()
            self._facilities.endpoints.close()
            if self._facilities.peers is not None:
                self._facilities.peers.close()

    async def _close_links(self) -> None:
        """What was said last is written before."""
        for link in list(self._links):
            link.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                while self._links:  # noqa: ASYNC110  # once in a life, and bounded
                    await asyncio.sleep(_CLOSING_PAUSE_SECONDS)

    async def _every(self, seconds: float, do: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                do()
            except Exception:  # noqa: BLE001  # an instance does not end over a report
                _LOG.exception("a chore failed")

    def shut_down(self, grace_seconds: float) -> None:
        """Take nothing more, let what is in flight finish for so long, then end everything."""
        if self._group is None or self._stop.is_set():
            self._stop.set()
            return
        for environment in self.environments.values():
            environment.drain()
        self._group.create_task(self._end_when_drained(grace_seconds))

    async def _end_when_drained(self, grace_seconds: float) -> None:
        try:
            async with asyncio.timeout(grace_seconds):
                for environment in list(self.environments.values()):
                    await environment.gone.wait()
        except TimeoutError:
            _LOG.info("in-flight invocations did not finish within %.1f s", grace_seconds)
        self._stop.set()

    # Links

    def connection(self) -> Link:
        """For each connection that comes in."""
        return Link(self)

    def admits(self, link: Link) -> bool:
        self._links[link] = None
        return len(self._links) <= MAX_LINKS

    def hello(self, link: Link, message: ServerHello) -> bool:
        if message.protocol_version != PROTOCOL_VERSION:
            _LOG.warning("a server speaks protocol %d, not %d", message.protocol_version, PROTOCOL_VERSION)
            return False
        if not hmac.compare_digest(message.token.encode(), self._bootstrap.token.encode()):
            _LOG.warning("a connection came with a wrong token")
            return False
        link.role = message.role
        is_control = message.role == "control"
        link.send(
            AgentHello(
                instance_id=self._bootstrap.instance_id,
                agent_version=__version__,
                pid=os.getpid(),
                generation=self._ledger.generation,
                # Variables and credentials are for the control plane, which recovers from them.
                environments=self._ledger.environments if is_control else (),
                isolation=self._facilities.isolation.describe(),
            )
        )
        if is_control:
            self._controls.pop(link, None)
            self._controls[link] = None
            link.send(self._make_report())
            self._facilities.code.server_connected()
            self._shipper.connected(link.send_encoded)
        return True

    def lost(self, link: Link) -> None:
        self._links.pop(link, None)
        if link in self._controls:
            del self._controls[link]
            newest = self._newest_control()
            if newest is None:
                self._alone_since = self._timebase.monotonic()
                self._shipper.disconnected()
            else:
                self._shipper.connected(newest.send_encoded)

    def _newest_control(self) -> Link | None:
        return next(reversed(self._controls), None)

    def _environment_changed(self, environment: EnvironmentReport) -> None:
        """Routers hear it too: they need not wait for the control plane's word."""
        message = EnvironmentChanged(environment)
        for link in self._links:
            if link.role is not None:
                link.send(message)

    def _fetch_code(self, code_sha256: str) -> None:
        newest = self._newest_control()
        if newest is not None:
            newest.send(FetchCode(code_sha256))

    def control(self, link: Link, message: ServerMessage) -> None:
        if link.role != "control":
            _LOG.warning("a router sent a control message")
            return
        match message:
            case Configure(configuration):
                answer = self._ledger.offer(configuration)
                link.send(answer)
                if isinstance(answer, ConfigurationAccepted):
                    self._reconcile()
            case CodeChunk():
                self._facilities.code.receive(message)
            case AcknowledgeLogs(sequence):
                self._shipper.acknowledge(sequence)
            case RenewCredentials(variables):
                self._credentials.renew(variables)
            case Shutdown(grace_seconds):
                self.shut_down(grace_seconds)
            case ServerHello():
                _LOG.warning("a server said hello twice")

    # Calls

    def has_room(self, environment_id: str) -> bool:
        environment = self.environments.get(environment_id)
        return environment is not None and environment.server.has_room

    def invoke(self, call: Call) -> None:
        environment = self.environments.get(call.header.environment_id)
        if environment is None:
            call.refuse(errors.UNHEALTHY)
        else:
            environment.server.invoke(call)

    # Configuration

    def _reconcile(self) -> None:
        """Start what is missing, drain and stop what is not wanted. An id that ended never starts again."""
        wanted = {spec.environment_id: spec for spec in self._ledger.environments}
        for environment_id, environment in self.environments.items():
            if environment_id not in wanted:
                environment.stop()
        if self._group is None or self._stop.is_set():
            return
        for environment_id, spec in wanted.items():
            known = self.environments.get(environment_id)
            if known is not None:
                if spec.draining:
                    known.drain()
            elif environment_id not in self._never_again and not spec.draining:
                self._start(spec, self._group)

    def _start(self, spec: EnvironmentSpec, group: asyncio.TaskGroup) -> None:
        self._numbered += 1
        self._never_again[spec.environment_id] = None
        if len(self._never_again) > _REMEMBERED_ENDED:
            self._never_again.popitem(last=False)
        self._credentials.seed(spec.credentials)
        environment = ExecutionEnvironment(spec, self._numbered, self._facilities)
        self.environments[spec.environment_id] = environment
        group.create_task(self._own(environment))

    async def _own(self, environment: ExecutionEnvironment) -> None:
        """The owner task of one environment; its failure is its own."""
        try:
            await environment.run()
        except Exception:  # noqa: BLE001  # whatever it was, the other environments go on
            _LOG.exception("environment %s failed", environment.spec.environment_id)
            environment.gone.set()
            environment.ended_at = self._timebase.monotonic()
        await discard_code(self._facilities.code, self._facilities.images, environment.spec, self._needed)

    def _needed(self) -> Iterator[EnvironmentSpec]:
        """What lives or is to live here."""
        for environment in self.environments.values():
            if not environment.gone.is_set():
                yield environment.spec
        yield from self._ledger.environments

    # Reports

    def _report(self) -> None:
        self._timebase.resynchronise()
        now = self._timebase.monotonic()
        self._forget_ended(now)
        for environment in self.environments.values():
            environment.measure()
        report = self._make_report()
        for link in self._controls:
            link.send(report)
        fence = self._bootstrap.fence_after_seconds
        if fence is not None and not self._controls and now - self._alone_since > fence:
            _LOG.warning("no server for %.0f s: this instance ends itself", fence)
            self._stop.set()

    def _cgroups(self) -> list[Cgroup] | None:
        """Of all environments; None where there are none."""
        if not self._has_cgroup:
            return None
        return [one.processes.cgroup for one in self.environments.values() if one.processes.cgroup is not None]

    def _make_report(self) -> Report:
        environments = tuple(each.next_report() for each in self.environments.values())
        disk = None if self.disk is None else self.disk.used
        network = NOT_COUNTED if self.network is None else self.network.used()
        return Report(
            instance_id=self._bootstrap.instance_id,
            generation=self._ledger.generation,
            at=self._timebase.epoch_seconds(self._timebase.monotonic()),
            cpu_seconds=time.process_time() + sum(environment.cpu_seconds for environment in environments),
            entitled_cores=self._bootstrap.entitled_cores,
            memory_bytes=sum(environment.memory_bytes for environment in environments),
            environments=environments,
            dropped_log_records=self._shipper.dropped_records,
            disk_read_bytes=None if disk is None else disk.read_bytes,
            disk_write_bytes=None if disk is None else disk.write_bytes,
            network_in_bytes=network.in_bytes,
            network_out_bytes=network.out_bytes,
        )

    def _forget_ended(self, now: float) -> None:
        """Those that are wanted stay, so that the server sees that they failed."""
        wanted = {spec.environment_id for spec in self._ledger.environments}
        for environment_id, environment in list(self.environments.items()):
            ended_at = environment.ended_at
            if ended_at is not None and environment_id not in wanted and now - ended_at > ENDED_REPORTED_SECONDS:
                del self.environments[environment_id]


def _peers() -> Peers | None:
    try:
        return Peers()
    except OSError as error:
        _LOG.warning("whose a connection is cannot be asked here: %s", error)
        return None
