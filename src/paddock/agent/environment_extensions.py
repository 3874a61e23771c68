"""The extensions of one environment from start to end: their processes, their API, the wait for them, their shutdown.

What they may do is decided in `core.environment.extensions`, when they are ended in `core.environment.shutdown`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from paddock.agent.beside import extension_cannot_start
from paddock.agent.environment_processes import EnvironmentProcesses, extension_files
from paddock.agent.extension_api import ExtensionApi, RegisteredFunction
from paddock.agent.invocations import InvocationServer
from paddock.agent.platform_events import INITIALIZATION_TYPE
from paddock.agent.poll_gate import PollGate
from paddock.agent.runtime_process import CannotStart
from paddock.agent.telemetry import TelemetryHub
from paddock.core.environment import Failure, errors
from paddock.core.environment.extensions import Extensions, Fatal
from paddock.core.environment.shutdown import ShutdownPlan, shutdown_plan
from paddock.core.environment.telemetry import Category
from paddock.model.states import EnvironmentPhase
from paddock.wire.agent import EnvironmentSpec

if TYPE_CHECKING:
    from paddock.agent.facilities import Facilities
    from paddock.agent.log_collector import LogCollector
    from paddock.agent.runtime_api import RuntimeConnection
    from paddock.agent.runtime_commands import PreparedRuntime

_ACCOUNT = 4
"""Which part of an ARN names the account."""


class EnvironmentExtensions:
    """`runtime_ready` is told of the runtime's first poll, `failed` (error type, text) of what ends the environment."""

    def __init__(
        self,
        spec: EnvironmentSpec,
        facilities: Facilities,
        processes: EnvironmentProcesses,
        server: InvocationServer,
        telemetry: TelemetryHub,
        *,
        runtime_ready: Callable[[], None],
        failed: Callable[[str, str], None],
    ) -> None:
        self.rules: Extensions[RuntimeConnection] = Extensions(managed=spec.initialization_type == INITIALIZATION_TYPE)
        self._telemetry = telemetry
        self._timebase = facilities.timebase
        self._processes = processes
        self._server = server
        self._failed = failed
        self._registered = asyncio.Event()
        account_id = [*spec.function_arn.split(":"), *[""] * _ACCOUNT][_ACCOUNT]
        function = RegisteredFunction(spec.function_name, spec.version, spec.handler, account_id)
        self.api = ExtensionApi(self.rules, function, facilities.ids.uuid, self._changed, self._cannot_go_on)
        self._gate = PollGate(
            self.api,
            runtime_ready=runtime_ready,
            release=server.polled,
            back=server.extensions_back,
            needless=self._open_gate,
        )
        self.api.telemetry = telemetry
        server.extension_api = self.api
        server.gate = self._gate

    def _open_gate(self) -> None:
        self._server.gate = None

    def _changed(self) -> None:
        if self.rules.external_registered:
            self._registered.set()
        if self._server.machine.phase is not EnvironmentPhase.ENDED:
            self._gate.changed()

    def _cannot_go_on(self, fatal: Fatal) -> None:
        """What was said during init is its cause, however init ends."""
        if self._server.machine.phase is EnvironmentPhase.STARTING:
            self._server.machine.init.failed(fatal.error_type, fatal.text)

    # Init

    async def start(self, prepared: PreparedRuntime, opt_root: Path | None, collector: LogCollector) -> None:
        """Every external extension, each until it has registered. Raises `CannotStart`."""
        names = [] if opt_root is None else await asyncio.to_thread(extension_files, opt_root)
        if opt_root is None or not names:
            return
        fatal = self.rules.launch(names)
        if fatal is not None:
            raise CannotStart(fatal.error_type, fatal.text)
        await self._processes.share(prepared.command)
        for name in names:
            await self._start_one(name, opt_root, prepared, collector)
        await self._registered.wait()

    async def _start_one(self, name: str, opt_root: Path, prepared: PreparedRuntime, collector: LogCollector) -> None:
        process = self._processes.start_extension(name, opt_root, prepared.extension_variables)
        try:
            await asyncio.to_thread(process.wait_executed)
        except CannotStart as cannot:
            failed = extension_cannot_start(cannot)
            self.rules.launch_failed(name, failed.error_type)
            raise CannotStart(failed.error_type, f"Extension {name}: {failed.text}") from cannot
        process.on_exit(partial(self._exited, name))
        while (pipe := process.next_pipe()) is not None:
            await collector.read(pipe, Category.EXTENSION)

    def _exited(self, name: str, exit_status: int) -> None:
        self._processes.exited(self._processes.extensions[name])
        fatal = self.rules.exited(name, errors.exit_cause(exit_status))
        self._failed(fatal.error_type, fatal.text)

    def cause_of_end(self, error_type: str, text: str) -> tuple[str, str]:
        """What an extension said before comes before what its end, or the runtime's, looks like."""
        return self.rules.keep(error_type, text)

    # Shutdown

    async def shut_down(self, failure: Failure | None) -> None:
        """Everyone who waits for an answer has it. Afterwards whatever is left may be killed."""
        self._gate.close()
        plan = shutdown_plan(self.rules, failure)
        if plan is None or self._processes.whole is None:
            return
        self._server.admits_when_ended = True
        began_at = self._timebase.monotonic()
        await self._end_runtime(plan, began_at)
        await self._telemetry.flush(plan.flush_seconds)
        await self._end_extensions(plan, began_at)

    def _left(self, until: float, began_at: float) -> float:
        return began_at + until - self._timebase.monotonic()

    async def _end_runtime(self, plan: ShutdownPlan, began_at: float) -> None:
        processes = self._processes
        runtime = processes.runtime
        if runtime is None or not processes.is_alive(runtime):
            return
        processes.signal(runtime, signal.SIGTERM)
        await processes.until(lambda: not processes.is_alive(runtime), self._left(plan.kill_runtime_at, began_at))
        processes.signal(runtime, signal.SIGKILL)

    async def _end_extensions(self, plan: ShutdownPlan, began_at: float) -> None:
        processes = self._processes
        known = processes.extensions
        for name in known:
            if name not in plan.told:
                processes.signal(known[name], signal.SIGKILL)
        self.api.shut_down(plan.reason, self._timebase.epoch_ms(began_at + plan.deadline))
        told = [known[name] for name in plan.told if name in known]
        await processes.until(
            lambda: not any(processes.is_alive(one) for one in told), self._left(plan.deadline, began_at)
        )
