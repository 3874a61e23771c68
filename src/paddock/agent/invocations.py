"""The hot half of an execution environment: carries out what its machine decides about polls, events and answers.

Runs on the loop, without a task and without a timer of its own for each invocation: one timer waits for whatever is due
first. Bodies are passed on as they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from paddock.agent import runtime_replies as replies
from paddock.agent.answer_stream import StreamSource
from paddock.agent.calls import Call
from paddock.agent.connections import Connections
from paddock.agent.error_documents import decoded, error_document, error_message
from paddock.agent.event_heads import event_head, is_deliverable
from paddock.agent.extension_api import ExtensionApi
from paddock.agent.extension_request import ExtensionRequest
from paddock.agent.limits import EXIT_STATUS_SECONDS, SPARE_CONNECTIONS, STREAM_BYTES
from paddock.agent.one_at_a_time import Answer, OneAtATime
from paddock.agent.platform_events import PlatformEvents, ReportExtras, is_sampled, stream_spans
from paddock.agent.poll_gate import PollGate
from paddock.agent.runtime_api import RuntimeConnection
from paddock.agent.text_events import TextEvents
from paddock.agent.timebase import Timebase
from paddock.agent.wake import Wake
from paddock.core.environment import (
    BecomeReady,
    BeginRecycling,
    Deliver,
    Effect,
    End,
    EnvironmentMachine,
    Fail,
    Failure,
    Hold,
    Invocation,
    Refuse,
    RefusePoll,
    Rejection,
    ReleaseSlot,
    errors,
)
from paddock.core.environment.error_cause import cropped_error_cause
from paddock.model.states import EnvironmentPhase
from paddock.wire.frames import MAX_CHUNK_BYTES

Machine = EnvironmentMachine[Call, RuntimeConnection]
RuntimeInvocation = Invocation[Call, RuntimeConnection]
Effects = Sequence[Effect[Call, RuntimeConnection]]
RuntimeRejection = Rejection[Call, RuntimeConnection]

_EMPTY_EVENT = b"{}"
"""What a runtime gets for an empty event: Node.js loses its worker over nothing at all."""
_JSON = "application/json"


class InvocationServer:
    """`ready`, `recycling` and `ended` tell the environment's owner, from within the event that caused them.
    `check_memory` lets the owner find out whether a lost connection is the work of the kernel's killer. With active
    tracing `new_segment` makes the id of the platform's segment of each invocation. `tenant_head` is the line of a
    header that names the environment's tenant. `gate` is there as long as polls may have to wait for extensions;
    `admits_when_ended` while extensions are told of the end.
    """

    def __init__(
        self,
        machine: Machine,
        timebase: Timebase,
        events: PlatformEvents | TextEvents,
        *,
        max_concurrency: int,
        ready: Callable[[], None],
        recycling: Callable[[], None],
        check_memory: Callable[[], None],
        ended: Callable[[Failure | None], None],
    ) -> None:
        self.one_at_a_time: OneAtATime | None = None
        self.gate: PollGate | None = None
        self.extension_api: ExtensionApi | None = None
        self.admits_when_ended = False
        self.new_segment: Callable[[], str] | None = None
        self.tenant_head = ""
        self.machine = machine
        self.connections = Connections(2 * max_concurrency + SPARE_CONNECTIONS)
        self.user_agent = ""
        self._monotonic = timebase.monotonic
        self._timebase = timebase
        self._events = events
        self._ready = ready
        self._recycling = recycling
        self._check_memory = check_memory
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._wake = Wake(self._expire)

    # From the server

    @property
    def has_room(self) -> bool:
        return self.machine.phase is EnvironmentPhase.READY and self.machine.in_flight < self.machine.slots

    def invoke(self, call: Call) -> None:
        header = call.header
        if self.new_segment is not None:
            call.segment = self.new_segment()
        if not call.event_bytes:
            call.event, call.event_bytes = [_EMPTY_EVENT], len(_EMPTY_EVENT)
        if not is_deliverable(header):
            call.refuse("InvalidRequest")
            return
        now = self._monotonic()
        admission = self.machine.invoke(header.invocation_id, call, header.timeout_ms / 1000, now)
        if isinstance(admission, Deliver):
            self._deliver(admission.invocation, admission.connection, now)
        elif isinstance(admission, Hold):
            at = now + self.machine.settings.poll_wait_seconds
            if at < self._wake.at:
                self._wake.by(at, now)
        else:
            call.refuse(admission.error_type)

    def _deliver(self, invocation: RuntimeInvocation, connection: RuntimeConnection, now: float) -> None:
        call = invocation.caller
        to = call.header
        at_ms = self._timebase.epoch_ms(now)
        due_ms = at_ms + to.timeout_ms
        head = event_head(call, invocation.nonce, due_ms, self.tenant_head)
        alone = self.one_at_a_time
        if alone is not None and not connection.gone:
            # Before the runtime can have written a word.
            alone.begin()
            self._events.start(at_ms, to.invocation_id, to.invoked_function_arn, to.trace_header, call.segment)
            if self.gate is not None:
                self.gate.invoked(call, due_ms)
        if not connection.deliver_event(invocation, head, call.event):
            self.perform(self.machine.undelivered(invocation, now), now)
            return
        call.event = []
        if invocation.wake_at < self._wake.at:
            self._wake.by(invocation.wake_at, now)
        if alone is None:
            self._events.start(at_ms, to.invocation_id, to.invoked_function_arn, to.trace_header, call.segment)

    # From the runtime's connections

    def admits(self, connection: RuntimeConnection) -> bool:
        over = self.machine.phase is EnvironmentPhase.ENDED and not self.admits_when_ended
        return not over and self.connections.add(connection)

    def disconnected(self, connection: RuntimeConnection) -> None:
        self.connections.discard(connection)
        if self.extension_api is not None:
            self.extension_api.disconnected(connection)
        if self.gate is not None:
            self.gate.disconnected(connection)
        if self.machine.running_on(connection) is not None:
            self._check_memory()
            if self.one_at_a_time is not None:
                # It was the only worker: how its process ended says more, and comes a moment later.
                self._loop.call_later(EXIT_STATUS_SECONDS, self._lose, connection)
                return
        self._lose(connection)

    def _lose(self, connection: RuntimeConnection) -> None:
        now = self._monotonic()
        self.perform(self.machine.connection_lost(connection, now), now)
        self._rearm(now)

    def polled(self, connection: RuntimeConnection) -> None:
        if not self.user_agent:
            self.user_agent = connection.user_agent
        if self.gate is not None:
            self._polled_at_gate(self.gate, connection)
            return
        now = self._monotonic()
        effects = self.machine.poll(connection, now)
        if effects:
            self.perform(effects, now)

    def _polled_at_gate(self, gate: PollGate, connection: RuntimeConnection) -> None:
        if not gate.holds(connection):
            now = self._monotonic()
            self.perform(self.machine.poll(connection, now), now)
            if self.machine.lingers:
                self.perform(self.machine.conclude(), now)

    def extensions_back(self) -> None:
        """From the last invocation, of which they heard; or they are ready to hear of the first."""
        self.machine.lingers = True
        self.perform(self.machine.conclude(), self._monotonic())

    def begin_response(
        self, invocation_id: str, nonce: str, *, streaming: bool
    ) -> RuntimeInvocation | RuntimeRejection:
        return self.machine.begin_response(invocation_id, nonce, streaming=streaming)

    def begin_error(self, invocation_id: str, nonce: str) -> RuntimeInvocation | RuntimeRejection:
        return self.machine.begin_error(invocation_id, nonce)

    def respond_at_once(self, invocation: RuntimeInvocation, content_type: str, body: bytes) -> bytes | None:
        call = invocation.caller
        plain = self.one_at_a_time is None and not call.segment and len(body) <= MAX_CHUNK_BYTES
        if not plain or not self.machine.complete(invocation):
            return None
        now, to = self._monotonic(), call.header
        duration = now - invocation.delivered_at
        call.answer_at_once(content_type, int(duration * 1_000_000), body)
        at_ms = self._timebase.epoch_ms(now)
        self._events.report(at_ms, to.invocation_id, duration, "success", "", to.trace_header)
        return replies.ACCEPTED

    def respond(self, invocation: RuntimeInvocation, content_type: str, pieces: list[bytes]) -> bytes:
        now = self._monotonic()
        finished = self.machine.finish(invocation)
        if isinstance(finished, Rejection):
            return self.rejected(finished)
        call = invocation.caller
        duration = now - invocation.delivered_at
        if self.one_at_a_time is None:
            call.answer(content_type, int(duration * 1_000_000), pieces)
            self._report(call, now, duration, "success", "")
        else:
            answer = partial(call.answer, content_type, int(duration * 1_000_000), pieces)
            self._answer_alone(invocation, now, "", answer, pieces)
        if finished:
            self.perform(finished, now)
        return replies.ACCEPTED

    def respond_error(
        self,
        invocation: RuntimeInvocation,
        error_type: str,
        content_type: str,
        pieces: list[bytes],
        cause: str = "",
    ) -> bytes:
        kept = cropped_error_cause(cause) if cause and is_sampled(invocation.caller.header.trace_header) else ""
        sanitised = errors.sanitised_error_type(error_type)
        return self._finish_failed(invocation, sanitised, content_type, pieces, kept) or replies.ACCEPTED

    def respond_badly(self, invocation: RuntimeInvocation, error_type: str, message: str) -> bytes | None:
        document = error_document(error_type, errors.caller_message(invocation.invocation_id, message))
        return self._finish_failed(invocation, error_type, _JSON, [document])

    def _finish_failed(
        self,
        invocation: RuntimeInvocation,
        error_type: str,
        content_type: str,
        pieces: Sequence[bytes],
        cause: str = "",
    ) -> bytes | None:
        now = self._monotonic()
        finished = self.machine.finish(invocation)
        if isinstance(finished, Rejection):
            return self.rejected(finished)
        call = invocation.caller
        duration = now - invocation.delivered_at
        answer = partial(call.fail, error_type, content_type, int(duration * 1_000_000), pieces)
        if self.one_at_a_time is None:
            self._report(call, now, duration, "error", error_type, cause)
            answer()
        else:
            self._answer_alone(invocation, now, error_type, answer, pieces)
        self.perform(finished, now)
        return None

    def _answer_alone(
        self, invocation: RuntimeInvocation, now: float, error_type: str, answer: Answer, pieces: Sequence[bytes] = ()
    ) -> None:
        """On default Lambda. A runtime that has polled before it answered is back already."""
        assert self.one_at_a_time is not None
        self.one_at_a_time.answered(invocation, now, error_type, answer, pieces)
        if self.gate is not None and self.gate.all_back:
            self.perform(self.machine.conclude(), now)

    def begin_stream(self, invocation: RuntimeInvocation, content_type: str, source: StreamSource) -> bool:
        call = invocation.caller
        if not call.header.streaming:
            return False
        call.begin_stream(content_type, source)
        if call.stream is not None:
            call.stream.began_at = self._monotonic()
        return True

    def stream(self, invocation: RuntimeInvocation, chunk: bytes) -> None:
        call = invocation.caller
        call.continue_stream(chunk)
        if call.stream is not None and call.stream.too_long:
            self.respond_badly(invocation, errors.RESPONSE_TOO_LARGE, f"Response stream exceeded {STREAM_BYTES} bytes.")

    def end_stream(self, invocation: RuntimeInvocation, error_type: str, error_body: str) -> bytes:
        """`error_type` and `error_body` (JSON in base64) are the trailers; both empty when all went well."""
        if error_type or error_body:
            late = self._finish_failed(
                invocation, errors.sanitised_error_type(error_type), _JSON, [decoded(error_body)]
            )
            return late or replies.ACCEPTED
        now = self._monotonic()
        finished = self.machine.finish(invocation)
        if isinstance(finished, Rejection):
            return self.rejected(finished)
        call = invocation.caller
        duration = now - invocation.delivered_at
        if self.one_at_a_time is None:
            self._report(call, now, duration, "success", "")
            call.finish_stream(int(duration * 1_000_000))
        else:
            self._answer_alone(invocation, now, "", partial(call.finish_stream, int(duration * 1_000_000)))
        self.perform(finished, now)
        return replies.ACCEPTED

    def init_error(self, error_type: str, body: bytes) -> bytes:
        rejection = self.machine.init_error(error_type, error_message(body))
        return replies.ACCEPTED if rejection is None else self.rejected(rejection)

    def asked_by_extension(self, connection: RuntimeConnection, request: ExtensionRequest) -> bytes | None:
        return replies.NOT_FOUND if self.extension_api is None else self.extension_api.answer(connection, request)

    def rejected(self, rejection: RuntimeRejection) -> bytes:
        if rejection.effects:
            self.perform(rejection.effects, self._monotonic())
        return replies.refusal(rejection.status, rejection.error_type, rejection.message)

    # What the machine wants done

    def perform(self, effects: Effects, now: float) -> None:
        for effect in effects:
            if type(effect) is Deliver:  # the most of them, and a pattern takes five times as long
                self._deliver(effect[0], effect[1], now)
                continue
            match effect:
                case Refuse(call, error_type):
                    call.refuse(error_type)
                case Fail(invocation, error_type, message):
                    self._fail(invocation, error_type, message, now)
                case ReleaseSlot(invocation, error_type):
                    self._release(invocation, error_type, now)
                case BecomeReady():
                    self._ready()
                    self._rearm(now)
                case BeginRecycling():
                    self._recycling()
                case RefusePoll(connection):
                    connection.refuse_poll()
                case End(failure):
                    self._ended(failure)

    def _release(self, invocation: RuntimeInvocation, error_type: str, now: float) -> None:
        alone = self.one_at_a_time
        invocation.caller.release_slot(None if alone is None else alone.concluded(invocation, error_type, now))

    def _fail(self, invocation: RuntimeInvocation, error_type: str, message: str, now: float) -> None:
        call = invocation.caller
        duration = now - invocation.delivered_at
        document = error_document(error_type, errors.caller_message(invocation.invocation_id, message))
        self._report(call, now, duration, errors.invocation_status(error_type), error_type)
        held = error_type == errors.TIMED_OUT
        call.fail(error_type, _JSON, int(duration * 1_000_000), [document], slot_held=held)

    def _report(self, call: Call, now: float, duration: float, status: str, error_type: str, cause: str = "") -> None:
        header = call.header
        at_ms = self._timebase.epoch_ms(now)
        if self.one_at_a_time is not None:
            self.one_at_a_time.read_logs()
        trace_header = header.trace_header
        if call.stream is None and not cause and not call.segment:
            self._events.report(at_ms, header.invocation_id, duration, status, error_type, trace_header)
        else:
            spans = "" if call.stream is None else stream_spans(self._timebase, now, duration, call.stream.began_at)
            more = ReportExtras(call.segment, spans, cause)
            self._events.report(at_ms, header.invocation_id, duration, status, error_type, trace_header, more)
        if self.one_at_a_time is not None and header.tail:
            call.log_tail = self.one_at_a_time.tail()

    # Time

    def _expire(self) -> None:
        now = self._monotonic()
        self.perform(self.machine.expire(now), now)
        self._rearm(now)

    def _rearm(self, now: float) -> None:
        at = self.machine.next_wake()
        if at is not None:
            self._wake.by(at, now)

    def runtime_started(self, init_timeout_seconds: float) -> None:
        now = self._monotonic()
        self.machine.runtime_started(now, init_timeout_seconds)
        self._rearm(now)

    def close(self) -> None:
        self._wake.cancel()
        for connection in list(self.connections):
            connection.close()
