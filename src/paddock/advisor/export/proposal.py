"""What is to be deployed, as a value; read from advice and written by each notation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from paddock.advisor.documents import Document, Fields, Source, parse
from paddock.advisor.workload import RUNTIMES
from paddock.model.capacity_provider import Architecture

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,49}")
HANDLERS: Mapping[str, str] = {
    "python": "app.handler",
    "nodejs": "index.handler",
    "java": "example.Handler::handleRequest",
    "dotnet": "App::App.Function::Handler",
    "rust": "bootstrap",
    "provided": "bootstrap",
}
TIMEOUT_SECONDS = 30
CPU_ALARM_PERCENT = 80
"""Above it AWS's guide asks for more environments."""

ENDPOINT_SERVICES = ("logs", "xray", "sts")
"""What leaves an instance for AWS itself: logs, traces, credentials. Without a way out logs vanish silently."""


@dataclass(frozen=True, slots=True)
class ScheduledMinimum:
    """From this hour of the day (UTC) on, so many environments at least."""

    hour_utc: int
    minimum: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """`instance_types` are several families of one size, so that a lack of one does not stop the fleet."""

    architecture: Architecture
    instance_types: tuple[str, ...]
    memory_mb: int
    memory_gib_per_vcpu: int
    max_concurrency: int
    min_environments: int
    max_vcpu_count: int
    runtime: str
    name: str = "orders"
    schedule: tuple[ScheduledMinimum, ...] = ()
    reasons: tuple[str, ...] = field(default=())

    @property
    def handler(self) -> str:
        return HANDLERS[self.runtime]

    @property
    def runtime_identifier(self) -> str:
        return RUNTIMES[self.runtime].name

    @property
    def alarm_vcpu(self) -> int:
        """Nine tenths of the guardrail: time to raise it before it throttles."""
        return self.max_vcpu_count * 9 // 10


def proposal_from(source: Source, name: str) -> Proposal:
    """From the JSON that `paddock advise --output json` prints. Raises InputError with file and line."""
    document = parse(source).members[0]
    if not _NAME.fullmatch(name):
        document.refuse(f"the name {name!r} must be letters, digits and dashes, beginning with a letter")
    if not isinstance(document.value, dict) or not isinstance(document.value.get("recommended"), dict):
        document.refuse("expected what `paddock advise --output json` prints: `recommended` is missing")
    recommended = Fields(Document(source, document.value["recommended"], (*document.path, "recommended")))
    workload = document.value.get("workload")
    runtime = workload.get("runtime") if isinstance(workload, dict) else None
    reasons = document.value.get("reasons")
    return Proposal(
        name=name,
        architecture=Architecture(recommended.choice("architecture", list(Architecture))),
        instance_types=_instance_types(document, recommended),
        memory_mb=int(recommended.number("memory_mb", minimum=2048, maximum=32768)),
        memory_gib_per_vcpu=int(recommended.number("memory_gib_per_vcpu", minimum=2, maximum=8)),
        max_concurrency=int(recommended.number("max_concurrency", minimum=1, maximum=1600)),
        min_environments=int(recommended.number("min_execution_environments", minimum=0, maximum=15000)),
        max_vcpu_count=int(recommended.number("max_vcpu_count", minimum=2, maximum=15000)),
        runtime=runtime if isinstance(runtime, str) and runtime in RUNTIMES else "python",
        schedule=_schedule(document),
        reasons=tuple(map(str, reasons)) if isinstance(reasons, list) else (),
    )


def _instance_types(document: Document, recommended: Fields) -> tuple[str, ...]:
    listed = recommended.left.get("allowed_instance_types")
    if not isinstance(listed, list) or not listed:
        document.refuse("`allowed_instance_types` must be a list of instance types", "recommended")
    names = tuple(str(name) for name in listed)
    if not all(re.fullmatch(r"[a-z0-9.*-]{1,30}", name) for name in names):
        document.refuse("`allowed_instance_types` holds what is no instance type", "recommended")
    return names


def _schedule(document: Document) -> tuple[ScheduledMinimum, ...]:
    assert isinstance(document.value, dict)
    recommended = document.value["recommended"]
    rows = recommended.get("schedule") if isinstance(recommended, dict) else None
    found = []
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        given = Fields(Document(document.source, row, (*document.path, "recommended", "schedule", index)))
        hour = given.number("hour_utc", maximum=23)
        found.append(ScheduledMinimum(int(hour), int(given.number("min_execution_environments", maximum=15000))))
    return tuple(found)
