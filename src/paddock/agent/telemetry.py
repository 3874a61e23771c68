"""The telemetry of one environment: who subscribed, and what has happened until now that a subscriber may ask for.

During init everything is kept, bounded, and replayed to each new subscriber. With the end of init the list of them is
closed; when it is empty, the sources of events are told that nobody listens, and the hot path is as if this did not
exist. Each subscriber has a task and a bounded queue of its own: a slow one loses events, nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from paddock.agent.limits import (
    EARLY_TELEMETRY_BYTES,
    EARLY_TELEMETRY_EVENTS,
    SUBSCRIPTIONS,
    TELEMETRY_ATTEMPTS,
    TELEMETRY_BACKOFF_SECONDS,
)
from paddock.agent.telemetry_delivery import Carrier, Listeners, Undelivered, carrier
from paddock.agent.timebase import Timebase
from paddock.core.environment.telemetry import (
    Category,
    InvalidSubscription,
    Subscription,
    TelemetryApi,
    parse_subscription,
)
from paddock.core.environment.telemetry_events import (
    LineEvent,
    PlatformEvent,
    ReadyEvent,
    TelemetryEvent,
    logs_dropped,
    subscription_event,
)
from paddock.core.environment.telemetry_queue import Batch, TelemetryQueue


class SubscriptionClosed(Exception):
    """Init is over."""


class Source(Protocol):
    """What makes events while it is told that somebody listens."""

    telemetry: TelemetryHub | None


Subscribed = Callable[[str, str, Sequence[str]], None]
"""Name of the event, of the extension, and the types: for the platform's own log."""


class TelemetryHub:
    """`json_logs`: the function's log format is JSON. `subscribed` is told of each subscription. `run` it in a task."""

    def __init__(
        self,
        timebase: Timebase,
        *,
        managed: bool,
        json_logs: bool,
        listeners: Listeners,
        subscribed: Subscribed,
    ) -> None:
        self._listeners = listeners
        self._timebase = timebase
        self._managed = managed
        self._json_logs = json_logs
        self._subscribed = subscribed
        self._sources: tuple[Source, ...] = ()
        self._open = True
        self._early: list[TelemetryEvent] = []
        self._early_bytes = 0
        self._early_dropped = [0, 0]
        self._subscribers: dict[str, Subscriber] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def listen_to(self, *sources: Source) -> None:
        self._sources = sources
        for source in sources:
            source.telemetry = self

    # From extensions

    def subscribe(self, extension_name: str, api: TelemetryApi, body: bytes) -> None:
        """A second subscription of an extension takes the place of its first. Raises `InvalidSubscription` and
        `SubscriptionClosed`.
        """
        if not self._open:
            raise SubscriptionClosed
        subscription = parse_subscription(api, body, managed=self._managed)
        known = self._subscribers.get(extension_name)
        if known is not None:
            if known.subscription.schema.api is not api:
                raise InvalidSubscription("An extension uses the Telemetry API or the Logs API, not both")
            if known.subscription == subscription:
                return
            if known.number == SUBSCRIPTIONS:
                raise InvalidSubscription(f"An extension may subscribe {SUBSCRIPTIONS} times")
            known.end()
        subscriber = Subscriber(subscription, self._timebase, self._listeners, json_logs=self._json_logs)
        subscriber.number = 1 if known is None else known.number + 1
        self._subscribers[extension_name] = subscriber
        subscriber.queue.drop(*self._early_dropped)
        for event in self._early:
            subscriber.offer(event)
        self._changed.set()
        types = [category.value for category in subscription.categories]
        self._subscribed(subscription_event(api), extension_name, types)

    def close_subscriptions(self) -> None:
        """The end of init. Without subscribers that is the end of it all."""
        self._open = False
        self._early = []
        if not self._subscribers:
            self._leave_sources()

    # From the sources of events

    def ready(self, line: bytes) -> None:
        """A platform event in its only form."""
        self._publish(ReadyEvent(line))

    def platform(self, at_ms: int, name: str, record: Mapping[str, object] | str) -> None:
        self._publish(PlatformEvent(self._timebase.iso(at_ms), name, record))

    def lines(self, category: Category, at_ms: int, lines: Sequence[bytes]) -> None:
        time = self._timebase.iso(at_ms)
        for line in lines:
            self._publish(LineEvent(category, time, line))

    def _publish(self, event: TelemetryEvent) -> None:
        if self._open:
            self._keep(event)
        for subscriber in self._subscribers.values():
            subscriber.offer(event)

    def _keep(self, event: TelemetryEvent) -> None:
        size = event.size
        if len(self._early) >= EARLY_TELEMETRY_EVENTS or self._early_bytes + size > EARLY_TELEMETRY_BYTES:
            self._early_dropped[0] += 1
            self._early_dropped[1] += size
            return
        self._early.append(event)
        self._early_bytes += size

    # Its task and its end

    async def run(self) -> None:
        """Until `close`; one task for each subscriber."""
        async with asyncio.TaskGroup() as group:
            while not self._closed:
                self._changed.clear()
                for subscriber in self._subscribers.values():
                    if subscriber.task is None:
                        subscriber.task = group.create_task(subscriber.run())
                await self._changed.wait()
            for subscriber in self._subscribers.values():
                subscriber.end()

    async def flush(self, timeout_seconds: float) -> None:
        """Deliver what waits, without waiting for more of it; afterwards nothing is buffered."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                for subscriber in self._subscribers.values():
                    subscriber.flush()
                for subscriber in self._subscribers.values():
                    await subscriber.idle.wait()

    def close(self) -> None:
        """What has not been delivered now never will be."""
        self._open = False
        self._closed = True
        self._early = []
        self._leave_sources()
        self._changed.set()

    def _leave_sources(self) -> None:
        for source in self._sources:
            source.telemetry = None
        self._sources = ()


class Subscriber:
    """One extension's subscription: what waits for it, and the task that delivers. It is the extension's `number`th."""

    def __init__(
        self, subscription: Subscription, timebase: Timebase, listeners: Listeners, *, json_logs: bool
    ) -> None:
        self.subscription = subscription
        self.queue = TelemetryQueue(subscription.buffering)
        self.wake = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.number = 1
        self.task: asyncio.Task[None] | None = None
        self._timebase = timebase
        self._carrier: Carrier = carrier(subscription.destination, listeners)
        self._categories = frozenset(subscription.categories)
        self._json_logs = json_logs

    def offer(self, event: TelemetryEvent) -> None:
        if event.category not in self._categories:
            return
        shaped = event.shaped(self.subscription.schema, json_logs=self._json_logs)
        if shaped is not None and self.queue.add(shaped, self._timebase.monotonic()):
            self.idle.clear()
            self.wake.set()

    def flush(self) -> None:
        self.queue.flush()
        self.wake.set()

    def end(self) -> None:
        """At once, also in the middle of a delivery."""
        self.idle.set()
        if self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        """Until `end`."""
        try:
            await self._carrier.open()
            while True:
                await self._batch_due()
                await self._deliver(self.queue.take())
                if self.queue.empty:
                    self.idle.set()
        finally:
            self._carrier.close()
            self.idle.set()

    async def _batch_due(self) -> None:
        """Waits for the next one."""
        while True:
            self.wake.clear()
            due_at = self.queue.due_at()
            seconds = math.inf if due_at is None else due_at - self._timebase.monotonic()
            if seconds <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if seconds == math.inf else seconds):
                    await self.wake.wait()

    async def _deliver(self, batch: Batch) -> None:
        events = batch.events
        if batch.dropped_records and Category.PLATFORM in self._categories:
            now_text = self._timebase.iso(self._timebase.epoch_ms(self._timebase.monotonic()))
            events = (logs_dropped(now_text, batch.dropped_records, batch.dropped_bytes), *events)
        for attempt in range(TELEMETRY_ATTEMPTS):
            if attempt:
                await asyncio.sleep(TELEMETRY_BACKOFF_SECONDS * attempt)
            try:
                await self._carrier.carry(events)
            except Undelivered:
                continue
            return
        self.queue.lost(batch)
