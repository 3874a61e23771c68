"""What default Lambda adds to an environment: one invocation at a time, whose invoke phase has an end of its own.

The caller is answered when the runtime has answered. Where extensions hear of invocations the phase lasts until runtime
and extensions are back for the next event: their time is in the report, and the slot is not free before. Who asked for
the end of the log is answered then, because the report is part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from paddock.agent.log_tail import LogTail
from paddock.agent.platform_events import stream_spans
from paddock.agent.telemetry_records import Outcome
from paddock.core.environment import Invocation, InvocationPhase, errors

if TYPE_CHECKING:
    from paddock.agent.calls import Call
    from paddock.agent.log_collector import LogCollector
    from paddock.agent.runtime_api import RuntimeConnection
    from paddock.agent.text_events import TextEvents
    from paddock.agent.timebase import Timebase


class Answer(Protocol):
    """Sends what the runtime has answered, once."""

    def __call__(self, *, slot_held: bool) -> None: ...


class _Lingering(NamedTuple):
    """`answer` is None once it is sent; `answered_at` is monotonic."""

    outcome: Outcome
    answered_at: float
    answer: Answer | None


class OneAtATime:
    """`collector` is set once the environment has it."""

    def __init__(self, events: TextEvents, timebase: Timebase) -> None:
        self.log_tail = LogTail()
        self.collector: LogCollector | None = None
        self._events = events
        self._timebase = timebase
        self._lingering: _Lingering | None = None

    def begin(self) -> None:
        """What was written before does not belong to the invocation that comes now."""
        self.read_logs()
        self.log_tail.clear()

    def read_logs(self) -> None:
        if self.collector is not None:
            self.collector.read_what_is_there()

    def tail(self) -> str:
        return self.log_tail.text()

    def answered(
        self,
        invocation: Invocation[Call, RuntimeConnection],
        now: float,
        error_type: str,
        answer: Answer,
        pieces: Sequence[bytes],
    ) -> None:
        """The runtime has answered; `error_type` is empty when all went well, `pieces` when the answer was streamed."""
        self.read_logs()
        duration = now - invocation.delivered_at
        outcome = self._outcome(invocation.caller, now, duration, error_type, pieces)
        self._events.runtime_done(self._timebase.epoch_ms(now), invocation.invocation_id, duration, outcome)
        if invocation.phase is not InvocationPhase.LINGERING:
            self._report(invocation, outcome, now)
            answer(slot_held=False)
        elif invocation.caller.header.tail:
            self._lingering = _Lingering(outcome, now, answer)
        else:
            self._lingering = _Lingering(outcome, now, None)
            answer(slot_held=True)

    def _outcome(self, call: Call, now: float, duration: float, error_type: str, pieces: Sequence[bytes]) -> Outcome:
        stream = call.stream
        return Outcome(
            status="error" if error_type else "success",
            error_type=error_type,
            trace_header=call.header.trace_header,
            span_id=call.segment,
            spans="" if stream is None else stream_spans(self._timebase, now, duration, stream.began_at),
            produced_bytes=sum(map(len, pieces)) if stream is None else stream.passed,
        )

    def concluded(self, invocation: Invocation[Call, RuntimeConnection], error_type: str, now: float) -> int | None:
        """Its invoke phase is over; `error_type` says how the environment ended, if it did. How many microseconds
        extensions took beyond the runtime; None where none heard of it.
        """
        lingering, self._lingering = self._lingering, None
        if lingering is None:
            return None
        self.read_logs()
        overhead = self._events.extension_overhead(lingering.answered_at, now)
        outcome = replace(lingering.outcome, extension_overhead=overhead)
        if error_type and error_type != errors.SHUT_DOWN:
            outcome = replace(outcome, status=errors.invocation_status(error_type), error_type=error_type)
        self._report(invocation, outcome, now)
        if lingering.answer is not None:
            lingering.answer(slot_held=True)
        return int((now - lingering.answered_at) * 1_000_000)

    def _report(self, invocation: Invocation[Call, RuntimeConnection], outcome: Outcome, now: float) -> None:
        duration = now - invocation.delivered_at
        self._events.invocation_over(self._timebase.epoch_ms(now), invocation.invocation_id, duration, outcome)
        if invocation.caller.header.tail:
            invocation.caller.log_tail = self.tail()
