"""Asynchronous invocations: on disk before 202 is answered, run at least once, tried again, in the end dropped.

As on AWS: a function's error is tried twice more, after one and two minutes; what finds no slot, or is lost with the
environment that the platform ended, is tried again, each time later, for six hours. After a restart everything that has
not come to its end begins again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zlib import crc32

from paddock.controlplane.limits import (
    ASYNC_LOADED,
    MAX_ASYNC_ERRORS,
    MAX_EVENT_AGE_SECONDS,
    THROTTLE_BACKOFF_LIMIT_SECONDS,
    THROTTLE_BACKOFF_SECONDS,
)
from paddock.controlplane.write_behind import WriteBehind
from paddock.core.environment.errors import PLATFORM_FAILURE, SHUT_DOWN
from paddock.model.function import default_log_group
from paddock.model.ids import InvocationId
from paddock.ports.clock import Clock
from paddock.ports.invoker import Invoker, InvokeRequest, InvokeResult
from paddock.ports.logs import LogLine, LogStore
from paddock.ports.store import AcceptedInvocation, Store, StoreError, Transaction

log = logging.getLogger(__name__)

STORED_AT_ONCE = 500
"""In one transaction: a few milliseconds of writing, and who comes meanwhile waits no longer than that."""
_OK = 200
_PLATFORM_ERRORS = frozenset({PLATFORM_FAILURE, SHUT_DOWN})
"""Come as errors of the function, which is not to blame: none of its three tries is spent."""
_RETRY_SECONDS = 1.0
"""When the store fails: before the same is tried again."""


class AsyncInvocations:
    """Implements `AsyncInvokeQueue`. Takes invocations while `run` runs."""

    def __init__(
        self,
        store: Store,
        invoker: Invoker,
        logs: LogStore,
        clock: Clock,
        *,
        retry_delay: timedelta,
        concurrency: int,
    ) -> None:
        self._store = store
        self._invoker = invoker
        self._logs = logs
        self._clock = clock
        self._retry_delay = retry_delay
        self._slots = asyncio.Semaphore(concurrency)
        self._accepting: WriteBehind[AcceptedInvocation] = WriteBehind(store, _put_all, STORED_AT_ONCE)
        self._settling: WriteBehind[AcceptedInvocation | InvocationId] = WriteBehind(store, _settle_all, STORED_AT_ONCE)
        self._ready: deque[AcceptedInvocation] = deque()
        self._loaded: set[InvocationId] = set()
        """Those in memory: ready or in progress."""
        self._stored_due: datetime | None = datetime.min.replace(tzinfo=UTC)
        """When the first of those that are only in the store is due; None: there are none. At the start, all are."""
        self._settled: set[InvocationId] | None = None
        """While the store is read: whose record has changed since, so that what is read of them is no longer true."""
        self._changed = asyncio.Event()

    async def put(self, request: InvokeRequest) -> None:
        now = self._clock.now()
        accepted = AcceptedInvocation(
            invocation_id=request.invocation_id,
            function_name=request.function_name,
            qualifier=request.qualifier,
            accepted_at=now,
            due_at=now,
            client_context=request.client_context,
            trace_header=request.trace_header,
            payload=request.payload,
            tenant_id=request.tenant_id,
        )
        await self._accepting.put(accepted)
        if accepted.invocation_id in self._loaded:
            return
        if len(self._loaded) < ASYNC_LOADED:
            self._load(accepted)
        else:
            self._leave_in_store(accepted)
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled. What is in progress then begins again with the next start."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._accepting.run())
            group.create_task(self._settling.run())
            await self._dispatch(group)

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        while True:
            if self._is_due_in_store() and len(self._loaded) < ASYNC_LOADED:
                await self._load_due()
            if not self._ready:
                await self._wait()
                continue
            await self._slots.acquire()
            group.create_task(self._run_one(self._ready.popleft()))

    def _is_due_in_store(self) -> bool:
        return self._stored_due is not None and self._stored_due <= self._clock.now()

    async def _wait(self) -> None:
        """For a change, or for what is in the store to be due (and there to be room for it)."""
        seconds: float | None = None
        if self._stored_due is not None and len(self._loaded) < ASYNC_LOADED:
            seconds = max(0.0, (self._stored_due - self._clock.now()).total_seconds())
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    def _load(self, accepted: AcceptedInvocation) -> None:
        self._loaded.add(accepted.invocation_id)
        self._ready.append(accepted)

    def _leave_in_store(self, accepted: AcceptedInvocation) -> None:
        known = self._stored_due
        self._stored_due = accepted.due_at if known is None else min(known, accepted.due_at)

    async def _load_due(self) -> None:
        limit = ASYNC_LOADED + len(self._loaded)
        self._stored_due = None
        settled: set[InvocationId] = set()
        self._settled = settled
        try:
            stored = await self._store.read(lambda tx: tx.invocations.select(order_by="due_at", limit=limit))
        except StoreError as error:
            log.error("accepted invocations cannot be read: %s", error.message)  # noqa: TRY400  # one line is enough
            self._stored_due = self._clock.now()
            await asyncio.sleep(_RETRY_SECONDS)
            return
        finally:
            self._settled = None
        now = self._clock.now()
        for accepted in stored:
            if accepted.invocation_id in self._loaded or accepted.invocation_id in settled:
                continue
            if accepted.due_at > now or len(self._loaded) >= ASYNC_LOADED:
                self._leave_in_store(accepted)
                return
            self._load(accepted)
        if len(stored) == limit:
            self._leave_in_store(stored[-1])

    async def _run_one(self, accepted: AcceptedInvocation) -> None:
        try:
            result = await self._invoker.invoke(
                InvokeRequest(
                    function_name=accepted.function_name,
                    qualifier=accepted.qualifier,
                    invocation_id=accepted.invocation_id,
                    payload=accepted.payload,
                    client_context=accepted.client_context,
                    trace_header=accepted.trace_header,
                    tenant_id=accepted.tenant_id,
                )
            )
        except Exception:
            log.exception("an asynchronous invocation could not be made")
            result = InvokeResult(500, b"", "", error_code="ServiceException")
        finally:
            self._slots.release()
        await self._settle(accepted, result)

    async def _settle(self, accepted: AcceptedInvocation, result: InvokeResult) -> None:
        again = self._again(accepted, result)
        if again is None and (result.function_error or result.status != _OK):
            await self._log_drop(accepted, result)
        while True:
            try:
                await self._settling.put(accepted.invocation_id if again is None else again)
                break
            except StoreError as error:
                log.error("the end of an invocation cannot be stored: %s", error.message)  # noqa: TRY400
                await asyncio.sleep(_RETRY_SECONDS)
        self._loaded.discard(accepted.invocation_id)
        if self._settled is not None:
            self._settled.add(accepted.invocation_id)
        if again is not None:
            self._leave_in_store(again)
        self._changed.set()

    def _again(self, accepted: AcceptedInvocation, result: InvokeResult) -> AcceptedInvocation | None:
        """The invocation as it is to be tried again; None when it has come to its end."""
        now = self._clock.now()
        if result.status == _OK and not result.function_error:
            return None
        if result.function_error and result.function_error not in _PLATFORM_ERRORS:
            errors = accepted.errors + 1
            changed = replace(accepted, errors=errors, due_at=now + self._retry_delay * errors)
            ended = errors >= MAX_ASYNC_ERRORS
        else:
            backoff = _throttle_backoff(accepted)
            changed = replace(accepted, throttles=accepted.throttles + 1, due_at=now + timedelta(seconds=backoff))
            ended = not _is_worth_another_try(result)
        too_old = (changed.due_at - accepted.accepted_at).total_seconds() > MAX_EVENT_AGE_SECONDS
        return None if ended or too_old else changed

    async def _log_drop(self, accepted: AcceptedInvocation, result: InvokeResult) -> None:
        why = result.function_error or result.error_code or f"status {result.status}"
        tries = accepted.errors + accepted.throttles + 1
        log.warning("asynchronous invocation %s is dropped after %d tries: %s", accepted.invocation_id, tries, why)
        now = self._clock.now()
        line = json.dumps(
            {
                "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
                "level": "ERROR",
                "message": f"The asynchronous invocation is dropped after {tries} tries: {why}",
                "requestId": accepted.invocation_id,
            }
        )
        try:
            group = default_log_group(accepted.function_name)
            await self._logs.append(group, f"{now:%Y/%m/%d}/[async]", [LogLine(int(now.timestamp() * 1000), line)])
        except StoreError as error:
            log.error("the record of a dropped invocation is lost: %s", error.message)  # noqa: TRY400


def _throttle_backoff(accepted: AcceptedInvocation) -> float:
    """Spread over the second half, or all that were refused together would come again together, and most in vain."""
    doublings: int = min(accepted.throttles, 16)
    longest = min(THROTTLE_BACKOFF_SECONDS * (1 << doublings), THROTTLE_BACKOFF_LIMIT_SECONDS)
    share = crc32(f"{accepted.invocation_id} {accepted.throttles}".encode()) / 2**32
    return max(THROTTLE_BACKOFF_SECONDS, longest * (1 + share) / 2)


def _is_worth_another_try(result: InvokeResult) -> bool:
    """Throttles, states that may pass and the platform's own failures; a request that is wrong stays wrong."""
    return result.status in {_OK, 409, 429} or result.status >= 500


def _put_all(tx: Transaction, items: Sequence[AcceptedInvocation]) -> None:
    tx.invocations.put_many(items)


def _settle_all(tx: Transaction, items: Sequence[AcceptedInvocation | InvocationId]) -> None:
    tx.invocations.put_many([item for item in items if isinstance(item, AcceptedInvocation)])
    tx.invocations.delete_many([item for item in items if not isinstance(item, AcceptedInvocation)])
