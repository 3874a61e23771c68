"""The log a capacity provider keeps of its instances: what is launched and ended, and what failed.

Never in anybody's way: records that cannot be kept at once wait in a bounded queue, and beyond it are dropped.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from paddock.model.capacity_provider import CapacityProvider, SystemLogLevel
from paddock.ports.clock import Clock
from paddock.ports.logs import LogLine, LogStore
from paddock.ports.store import InstanceIntent, StoreError

log = logging.getLogger(__name__)

MAX_WAITING = 1000
"""Records that are not stored yet: some minutes of the busiest fleet's launches. A bound of memory."""


class Operation(StrEnum):
    LAUNCHING = "Launching"
    LAUNCHED = "Launched"
    LAUNCH_FAILED = "LaunchFailed"
    TERMINATING = "Terminating"
    TERMINATED = "Terminated"
    TERMINATE_FAILED = "TerminateFailed"
    HEALTH_CHECK_FAILED = "HealthCheckFailed"


_FAILURES = frozenset({Operation.LAUNCH_FAILED, Operation.TERMINATE_FAILED, Operation.HEALTH_CHECK_FAILED})


@dataclass(frozen=True, slots=True)
class _Waiting:
    group: str
    stream: str
    line: LogLine


class SystemLog:
    def __init__(self, logs: LogStore, clock: Clock) -> None:
        self._logs = logs
        self._clock = clock
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(MAX_WAITING)

    def record(
        self, provider: CapacityProvider, operation: Operation, intent: InstanceIntent, detail: str = ""
    ) -> None:
        failed = operation in _FAILURES
        if not failed and provider.system_log_level is SystemLogLevel.WARN:
            return
        now = self._clock.now()
        document = {
            "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
            "level": "WARN" if failed else "INFO",
            "operation": operation.value,
            "message": _message(operation, intent, detail),
            "metadata": {
                "instanceId": intent.instance_id,
                "availabilityZones": [intent.zone],
                "instanceTypes": [intent.instance_type.name],
                "capacityProviderArn": provider.arn,
            },
        }
        line = LogLine(int(now.timestamp() * 1000), msgspec.json.encode(document).decode())
        try:
            self._waiting.put_nowait(_Waiting(provider.log_group, _stream(provider, now), line))
        except asyncio.QueueFull:
            log.warning("system log records of %s are dropped: they cannot be kept as fast as they come", provider.name)

    async def run(self) -> None:
        """Until cancelled; what waits then is still kept."""
        try:
            while True:
                await self._keep(await self._waiting.get())
        finally:
            await self.keep_waiting()

    async def keep_waiting(self) -> None:
        """What nobody else keeps: `run` has ended."""
        while not self._waiting.empty():
            await self._keep(self._waiting.get_nowait())

    async def _keep(self, waiting: _Waiting) -> None:
        try:
            await self._logs.append(waiting.group, waiting.stream, [waiting.line])
        except StoreError as error:
            log.error("a system log record is lost: %s", error.message)  # noqa: TRY400  # one line is enough


def _stream(provider: CapacityProvider, now: datetime) -> str:
    return f"{now:%Y/%m/%d}/{provider.name}"


def _message(operation: Operation, intent: InstanceIntent, detail: str) -> str:
    kind, zone, instance_id = intent.instance_type.name, intent.zone, intent.instance_id
    texts = {
        Operation.LAUNCHING: f"Launching {kind} instance {instance_id} in {zone}",
        Operation.LAUNCHED: f"Successfully launched {kind} instance {instance_id} in {zone}",
        Operation.LAUNCH_FAILED: f"Failed to launch {kind} instance in {zone}",
        Operation.TERMINATING: f"Terminating {kind} instance {instance_id} in {zone}",
        Operation.TERMINATED: f"Successfully terminated {kind} instance {instance_id} in {zone}",
        Operation.TERMINATE_FAILED: f"Failed to terminate {kind} instance {instance_id} in {zone}",
        Operation.HEALTH_CHECK_FAILED: f"Health check failed for {kind} instance {instance_id} in {zone}",
    }
    return f"{texts[operation]}: {detail}" if detail else texts[operation]
