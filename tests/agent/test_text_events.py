from __future__ import annotations

import json
from typing import Any

import pytest

from paddock.agent.text_events import TextEvents
from paddock.agent.timebase import Timebase
from tests.agent.server_side import environment_spec
from tests.agent.test_platform_events import StoppedClock


class Written:
    """What one environment with 128 MB, of which it held 33.2, wrote."""

    def __init__(self, **spec: Any) -> None:
        self.lines: list[str] = []
        timebase = Timebase(StoppedClock())
        members: dict[str, Any] = {
            "memory_mb": 128,
            "version": "$LATEST",
            "initialization_type": "on-demand",
            "log_format": "Text",
        }
        self.events = TextEvents(
            environment_spec(**members | spec),
            timebase,
            lambda _at_ms, line, _request_id: self.lines.append(line.decode()),
            lambda: int(33.2 * 1024 * 1024),
        )
        self.at_ms = timebase.epoch_ms(1000.0)

    def invocation(self, seconds: float = 0.0123456, status: str = "success", error_type: str = "") -> list[str]:
        self.lines.clear()
        self.events.start(self.at_ms, "r-1", "arn:f", "")
        self.events.report(self.at_ms, "r-1", seconds, status, error_type, "")
        return self.lines


def test_the_first_report_names_the_init_and_bills_it() -> None:
    written = Written()
    written.events.init_report(1000.0, "success", 0.25)
    assert written.invocation() == [
        "START RequestId: r-1 Version: $LATEST",
        "END RequestId: r-1",
        (
            "REPORT RequestId: r-1\tDuration: 12.35 ms\tBilled Duration: 263 ms\tMemory Size: 128 MB\t"
            "Max Memory Used: 34 MB\tInit Duration: 250.00 ms\t"
        ),
    ]
    assert written.invocation()[-1].endswith("Billed Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 34 MB\t")


def test_the_init_of_a_provisioned_environment_is_nobodys_wait() -> None:
    written = Written(initialization_type="provisioned-concurrency")
    written.events.init_report(1000.0, "success", 0.25)
    assert "Billed Duration: 13 ms" in written.invocation()[-1]


def test_a_timeout_has_a_line_of_its_own() -> None:
    lines = Written(timeout_seconds=3.0).invocation(3.0, "timeout", "Sandbox.Timedout")
    assert lines[1] == "2026-11-23T06:28:00.123Z r-1 Task timed out after 3.00 seconds"
    assert lines[3].endswith("Max Memory Used: 34 MB\tStatus: timeout\t")


def test_a_runtime_that_ended_is_named_in_the_report() -> None:
    lines = Written().invocation(0.1, "error", "Runtime.ExitError")
    assert lines[-1].endswith("Status: error\tError Type: Runtime.ExitError\t")


@pytest.mark.parametrize(("level", "kinds"), [("INFO", ["platform.start", "platform.report"]), ("WARN", [])])
def test_json_has_the_same_figures_as_records(level: str, kinds: list[str]) -> None:
    written = Written(log_format="JSON", system_log_level=level)
    written.events.init_report(1000.0, "success", 0.25)
    documents = [json.loads(line) for line in written.invocation()]
    assert [document["type"] for document in documents] == kinds
    if documents:
        assert documents[1]["record"]["metrics"] == {
            "durationMs": 12.346,
            "billedDurationMs": 263,
            "memorySizeMB": 128,
            "maxMemoryUsedMB": 34,
            "initDurationMs": 250.0,
        }


@pytest.mark.parametrize("tenant_id", ["", "blue"])
def test_records_of_invocations_name_the_tenant_and_text_does_not(tenant_id: str) -> None:
    records = [json.loads(line)["record"] for line in Written(log_format="JSON", tenant_id=tenant_id).invocation(0.01)]
    assert [record.get("tenantId", "") for record in records] == [tenant_id, tenant_id]
    assert not any("blue" in line for line in Written(tenant_id=tenant_id).invocation())


def test_an_init_that_failed_is_written_down() -> None:
    written = Written()
    written.events.init_start(1000.0, "3.13.0", "arn:version")
    written.events.init_report(1000.0, "error", 0.25, "Runtime.ImportModuleError")
    assert written.lines == [
        "INIT_START Runtime Version: 3.13.0\tRuntime Version ARN: arn:version",
        "INIT_REPORT Init Duration: 250.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError",
    ]
