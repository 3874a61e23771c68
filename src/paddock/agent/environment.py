"""The life of one execution environment, from its code to the end of its last process. One owner task runs it.

What happens between is decided by `core.environment` and served by `InvocationServer`; here the parts are put together
and taken down again, whatever went wrong on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
from functools import partial
from pathlib import Path

from paddock.agent.attribution import invocation_on, local_ports
from paddock.agent.beside import SharedEnvironment
from paddock.agent.doorkeeper import Doorkeeper
from paddock.agent.environment_extensions import EnvironmentExtensions
from paddock.agent.environment_processes import EnvironmentProcesses
from paddock.agent.facilities import Facilities
from paddock.agent.image_program import image_program, image_workers
from paddock.agent.images import AssembledImage
from paddock.agent.invocations import InvocationServer, Machine
from paddock.agent.limits import LAST_WORDS_SECONDS, RUNTIME_WAIT_SECONDS
from paddock.agent.log_collector import LogCollector
from paddock.agent.measure import Usage, peak_memory_bytes, usage_of_cgroup
from paddock.agent.one_at_a_time import OneAtATime
from paddock.agent.platform_events import INITIALIZATION_TYPE, PlatformEvents
from paddock.agent.runtime_api import RuntimeConnection
from paddock.agent.runtime_commands import PreparedRuntime, RuntimeInvitation
from paddock.agent.runtime_process import CannotStart, RuntimeProcess
from paddock.agent.telemetry_setup import environment_telemetry, listeners_of
from paddock.agent.text_events import TextEvents
from paddock.core.environment import Failure, RuntimeWorkers, errors, runtime_workers
from paddock.images.lookup import resolve_inside
from paddock.model.states import EnvironmentPhase
from paddock.wire.agent import EnvironmentFailureReport, EnvironmentReport, EnvironmentSpec, ImageSpec

_LOG = logging.getLogger("paddock.agent")
_LOOPBACK = "127.0.0.1"
_NONCE_DIGITS = 8
_SEGMENT_DIGITS = 16
_SPARE_BACKLOG = 128
_PORTS_SECONDS = 0.5
"""Between two looks for the connections of a process that has none that we know: it may just be connecting anew."""


class ExecutionEnvironment:
    def __init__(self, spec: EnvironmentSpec, number: int, facilities: Facilities) -> None:
        """`number` is unique on the instance: environment ids are too long for the path of a socket."""
        self.spec = spec
        self.gone = asyncio.Event()
        self.ended_at: float | None = None
        self.processes = EnvironmentProcesses(spec, number, facilities)
        self._usage, self._memory_peak, self._most_memory = Usage(0.0, 0), 0, 0
        self._facilities = facilities
        self._log_socket = str(facilities.socket_dir / f"{number}.log")
        self._workers = runtime_workers(spec.runtime)
        self._ended = asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._prepared: PreparedRuntime | None = None
        self._started_at = facilities.timebase.monotonic()
        self._init_begun = self._runtime_done = False
        self._ready_at: float | None = None
        self._ports: dict[int, tuple[float, list[int]]] = {}
        timebase = facilities.timebase
        managed = spec.initialization_type == INITIALIZATION_TYPE
        stream = self._stream = facilities.shipper.open_stream(spec.log_group, spec.log_stream, plain=not managed)
        self._one_at_a_time: OneAtATime | None = None
        self._events: PlatformEvents | TextEvents
        if managed:
            self._events = PlatformEvents(spec, timebase, stream.add, stream.add_unwritten)
        else:
            self._events = TextEvents(spec, timebase, stream.add, self._memory_held)
            self._one_at_a_time = OneAtATime(self._events, timebase)
            stream.tap = self._one_at_a_time.log_tail.add
        machine = Machine(
            max_concurrency=spec.max_concurrency,
            workers=self._workers,
            nonce_prefix=facilities.ids.hex(_NONCE_DIGITS),
            settings=facilities.slots,
        )
        machine.ends_on_timeout = not managed
        self.server = InvocationServer(
            machine,
            timebase,
            self._events,
            max_concurrency=spec.max_concurrency,
            ready=self._became_ready,
            recycling=self.say_changed,
            check_memory=self._check_memory,
            ended=self._machine_ended,
        )
        self.server.one_at_a_time = self._one_at_a_time
        if spec.tracing_active:
            self.server.new_segment = partial(facilities.ids.hex, _SEGMENT_DIGITS)
        if spec.tenant_id:
            self.server.tenant_head = f"Lambda-Runtime-Aws-Tenant-Id: {spec.tenant_id}\r\n"
        self._collector = LogCollector(
            stream,
            timebase,
            max_concurrency=spec.max_concurrency,
            request_of=self._request_of,
            connection_closed=self._log_connection_closed,
        )
        if self._one_at_a_time is not None:
            self._one_at_a_time.collector = self._collector
        listeners = listeners_of(spec.environment_id, facilities.isolation, facilities.peers)
        self._telemetry = environment_telemetry(spec, timebase, listeners, self._events, self._collector)
        self._extensions = EnvironmentExtensions(
            spec,
            facilities,
            self.processes,
            self.server,
            self._telemetry,
            runtime_ready=self._runtime_ready,
            failed=self._fail,
        )

    @property
    def machine(self) -> Machine:
        return self.server.machine

    @property
    def process(self) -> RuntimeProcess | SharedEnvironment | None:
        """What stands for all of its processes, once there is one."""
        return self.processes.whole

    # The owner task

    async def run(self) -> None:
        async with asyncio.TaskGroup() as delivering:
            delivering.create_task(self._telemetry.run())
            try:
                async with asyncio.TaskGroup() as group:
                    starting = group.create_task(self._start())
                    await self._ended.wait()
                    starting.cancel()
            finally:
                await self._take_down()

    async def _start(self) -> None:
        try:
            if self.spec.image is not None:
                await self._start_image(self.spec.image)
            else:
                task_root = await self._facilities.code.unpacked(self.spec.code_sha256)
                opt_root = await self._facilities.code.merged(self.spec.layers)
                await self._start_runtime(task_root, opt_root)
        except CannotStart as cannot:
            self._fail(cannot.error_type, cannot.text)
        except TimeoutError:
            self._fail(errors.INVALID_RUNTIME, f"{self.spec.runtime} could not be installed in time.")
        except Exception:  # noqa: BLE001  # whatever it was, the other environments go on
            _LOG.exception("environment %s could not be started", self.spec.environment_id)
            self._fail(errors.PLATFORM_FAILURE, "The execution environment could not be started.")

    async def _start_image(self, spec: ImageSpec) -> None:
        """Only where it can be shut off: an image brings the programs of a whole machine."""
        facilities = self._facilities
        if not facilities.isolation.has_aws_layout:
            has = facilities.isolation.describe()
            raise CannotStart(
                errors.INVALID_RUNTIME, f"Container images need an isolation of namespaces; this machine gives {has}."
            )
        image = await facilities.images.assembled(self.spec.code_sha256)
        program = image_program(image, spec)
        self._workers = image_workers(program, image.root)
        self.machine.workers_are(self._workers, self.spec.max_concurrency)
        try:
            await self._start_runtime(image.root, resolve_inside(image.root, "/opt"), image)
        except CannotStart as cannot:
            if cannot.error_type in (errors.INVALID_ENTRYPOINT, errors.INVALID_WORKING_DIRECTORY):
                at_ms = facilities.timebase.epoch_ms(facilities.timebase.monotonic())
                self._stream.add(at_ms, program.launch_error(cannot).encode(), "")
            raise

    async def _start_runtime(self, task_root: Path, opt_root: Path | None, image: AssembledImage | None = None) -> None:
        loop = asyncio.get_running_loop()
        # All workers connect within a moment, and their client gives up after a second.
        backlog = _SPARE_BACKLOG + self.spec.max_concurrency
        doorkeeper = self._doorkeeper()
        self._listener = await loop.create_server(
            lambda: RuntimeConnection(self.server, doorkeeper), _LOOPBACK, 0, backlog=backlog
        )
        self._port = self._listener.sockets[0].getsockname()[1]
        await self._collector.listen(self._log_socket, 2 * backlog)
        runtime_api = f"{_LOOPBACK}:{self._port}"
        access = await self._facilities.endpoints.admit(self.spec.environment_id)
        invitation = RuntimeInvitation(
            self.spec, task_root, runtime_api, self._log_socket, access, self.processes.processors, opt_root, image
        )
        async with asyncio.timeout(RUNTIME_WAIT_SECONDS):
            self._prepared = await asyncio.to_thread(self._facilities.runtimes.prepare, invitation)
        self.processes.make_cgroup()
        self._started_at = self._facilities.timebase.monotonic()
        self._init_begun = True
        self._events.init_start(self._started_at, self._prepared.version, self._prepared.version_arn)
        self.server.runtime_started(self.spec.init_timeout_seconds)
        await self._extensions.start(self._prepared, opt_root, self._collector)
        process = self.processes.start_runtime(self._prepared.command)
        self.say_changed()
        await asyncio.to_thread(process.wait_executed)
        process.on_exit(self._process_exited)
        while (pipe := process.next_pipe()) is not None:
            await self._collector.read(pipe)

    def _doorkeeper(self) -> Doorkeeper | None:
        facilities = self._facilities
        uid = facilities.isolation.user_of(self.spec.environment_id)
        return None if facilities.peers is None or uid is None else Doorkeeper(facilities.peers, uid)

    async def _take_down(self) -> None:
        """After this nothing of the environment is left but its report."""
        try:
            await self._extensions.shut_down(self.machine.failure)
        except Exception:  # noqa: BLE001  # its processes end all the same
            _LOG.exception("extensions of environment %s could not be told of its end", self.spec.environment_id)
        self._telemetry.close()
        try:
            # Before their Runtime API goes: a client that lives to see that complains of it in the function's log.
            await self.processes.kill()
        finally:
            self.server.close()
            if self._listener is not None:
                self._listener.close()
        if self.processes.whole is not None:
            await self._hear_last_words()
            if self.processes.cgroup is not None:
                self._usage = usage_of_cgroup(self.processes.cgroup)
        self._collector.close()
        self._facilities.endpoints.forget(self.spec.environment_id)
        with contextlib.suppress(OSError):
            os.unlink(self._log_socket)  # noqa: PTH108  # nothing that could block
        self.processes.remove_cgroup()
        self.ended_at = self._facilities.timebase.monotonic()
        self.gone.set()
        self.say_changed()

    async def _hear_last_words(self) -> None:
        """What was written before the end is still in the pipes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._collector.all_read()

    # What it is told

    def drain(self) -> None:
        if self.machine.phase in {EnvironmentPhase.STARTING, EnvironmentPhase.READY}:
            self.server.perform(self.machine.drain(), self._facilities.timebase.monotonic())
            self.say_changed()

    def stop(self) -> None:
        self.server.perform(self.machine.stop(), self._facilities.timebase.monotonic())

    # What happens to it

    def _runtime_ready(self) -> None:
        """Its first poll; extensions may still have to be waited for."""
        self._runtime_done = True
        self._events.init_runtime_done(self._facilities.timebase.monotonic(), "success")

    def _became_ready(self) -> None:
        now = self._facilities.timebase.monotonic()
        self._ready_at = now
        self._telemetry.close_subscriptions()
        self._tell_extensions(now)
        self._events.init_report(now, "success", now - self._started_at)
        self.say_changed()

    def _machine_ended(self, failure: Failure | None) -> None:
        if failure is not None and failure.init and self._init_begun:
            now = self._facilities.timebase.monotonic()
            status = "timeout" if failure.error_type == errors.TIMED_OUT else "error"
            if status != "timeout" and not self._runtime_done:
                self._events.init_runtime_done(now, status, failure.error_type)
            self._tell_extensions(now)
            self._events.init_report(now, status, now - self._started_at, failure.error_type)
        self._ended.set()
        self.say_changed()

    def _tell_extensions(self, now: float) -> None:
        """How each of them came through init."""
        for extension in self._extensions.rules.known:
            self._events.extension(now, extension.name, extension.state, sorted(extension.events), extension.error_type)

    def _process_exited(self, exit_status: int) -> None:
        self.processes.exited(self.processes.runtime)
        self._check_memory()
        self._fail(*self._extensions.cause_of_end(errors.EXIT_ERROR, errors.exit_message(exit_status)))

    def _fail(self, error_type: str, text: str) -> None:
        self.server.perform(self.machine.fail(error_type, text), self._facilities.timebase.monotonic())

    def _check_memory(self) -> None:
        """The kernel's killer leaves a count."""
        cgroup = self.processes.cgroup
        if cgroup is not None and cgroup.out_of_memory_kills():
            self.out_of_memory()

    def out_of_memory(self) -> None:
        self._fail(errors.OUT_OF_MEMORY, errors.KILLED)

    def _log_connection_closed(self) -> None:
        if self._workers is RuntimeWorkers.MULTIPLEXED and not self._ended.is_set():
            effects = self.machine.worker_lost("A runtime worker ended without answering its invocations.")
            self.server.perform(effects, self._facilities.timebase.monotonic())

    def _request_of(self, pid: int) -> str:
        if self._workers is not RuntimeWorkers.OWN_CONNECTION:
            return ""
        now = self._facilities.timebase.monotonic()
        looked_at, ports = self._ports.get(pid, (-math.inf, []))
        found = invocation_on(self.server.connections, ports)
        if not found and now - looked_at > _PORTS_SECONDS:
            ports = local_ports(pid, self._port)
            self._ports[pid] = now, ports
            found = invocation_on(self.server.connections, ports)
        return found

    def _memory_held(self) -> int:
        peak = 0 if self.process is None else peak_memory_bytes(self.process.pid)
        return max(self._most_memory, peak)

    # What is known of it

    @property
    def memory_limit_bytes(self) -> int:
        return self.processes.memory_limit_bytes

    def measure(self) -> None:
        """By its cgroup, if it has one; the agent measures the others."""
        if self.processes.cgroup is not None and not self.gone.is_set():
            self.measured(usage_of_cgroup(self.processes.cgroup))
            self._check_memory()
            if self._usage.memory_bytes > self.memory_limit_bytes:
                self.out_of_memory()

    def measured(self, usage: Usage) -> None:
        """CPU time never goes back, also when a process ended that nobody waited for."""
        self._usage = Usage(max(self._usage.cpu_seconds, usage.cpu_seconds), usage.memory_bytes)
        self._memory_peak = max(self._memory_peak, usage.memory_bytes, usage.peak_memory_bytes)
        self._most_memory = max(self._most_memory, self._memory_peak)

    @property
    def usage(self) -> Usage:
        return self._usage

    def say_changed(self) -> None:
        self._facilities.changed(self.report(self.machine.peak_in_flight))

    def next_report(self) -> EnvironmentReport:
        """With the peaks since the one before."""
        peak_memory_bytes, self._memory_peak = self._memory_peak, self._usage.memory_bytes
        return self.report(self.machine.take_peak(), peak_memory_bytes)

    def report(self, peak_in_flight: int, peak_memory_bytes: int = 0) -> EnvironmentReport:
        machine, epoch = self.machine, self._facilities.timebase.epoch_seconds
        failure = machine.failure
        return EnvironmentReport(
            environment_id=self.spec.environment_id,
            phase=str(self._phase()),
            in_flight=machine.in_flight,
            peak_in_flight=peak_in_flight,
            slots=machine.slots,
            cpu_seconds=self._usage.cpu_seconds,
            memory_bytes=self._usage.memory_bytes,
            peak_memory_bytes=peak_memory_bytes,
            started_at=epoch(self._started_at),
            ready_at=None if self._ready_at is None else epoch(self._ready_at),
            runtime_version="" if self._prepared is None else self._prepared.version,
            runtime_note="" if self._prepared is None else self._prepared.note,
            failure=None
            if failure is None
            else EnvironmentFailureReport(failure.error_type, failure.reason_code, failure.text, failure.init),
        )

    def _phase(self) -> EnvironmentPhase:
        """Ended only when its processes are gone."""
        if self.machine.phase is not EnvironmentPhase.ENDED or self.gone.is_set():
            return self.machine.phase
        return EnvironmentPhase.STARTING if self._ready_at is None else EnvironmentPhase.DRAINING
