"""Takes the figures of fleet and routers once a second and puts them into the store. Never on the way of a request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, islice

from paddock.controlplane.cloudwatch.fleet_meter import FleetMeter
from paddock.controlplane.cloudwatch.invocation_meter import InvocationMeter
from paddock.controlplane.cloudwatch.names import COUNTED
from paddock.controlplane.cloudwatch.url_meter import UrlMeter
from paddock.controlplane.inventory import Inventory
from paddock.model.ids import CapacityProviderName
from paddock.model.metrics import MetricId
from paddock.ports.clock import Clock
from paddock.ports.metrics import InvocationSource, MetricSample, MetricStore, NoUrls, UrlSource

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
"""As often as agents report."""
SHOWN_INTERVALS = 5
"""A gauge that was not measured for so long is shown no more; agents' seconds and ours need not fall together."""
INSTANCES_AT_ONCE = 10
SAMPLES_AT_ONCE = 100
"""Of both: a fraction of a millisecond of the event loop that invocations share."""


class MetricFeed:
    """`inventories` gives those of all providers."""

    def __init__(
        self,
        store: MetricStore,
        clock: Clock,
        inventories: Callable[[], Mapping[CapacityProviderName, Inventory]],
        invocations: InvocationSource,
        urls: UrlSource | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._inventories = inventories
        self._invocations = invocations
        self._fleet_meter = FleetMeter()
        self._invocation_meter = InvocationMeter()
        self._urls = urls or NoUrls()
        self._url_meter = UrlMeter()
        self._latest: dict[MetricId, tuple[int, MetricSample]] = {}
        self.totals: dict[MetricId, float] = {}
        """Of what is counted, since the server began."""
        self._interval = 0

    @property
    def latest(self) -> Sequence[MetricSample]:
        """What the fleet's figures were when each was last measured."""
        return [sample for _, sample in self._latest.values()]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.take()
            except Exception:
                log.exception("metrics of a second are lost")

    async def take(self) -> None:
        now = self._clock.now()
        looked = 0
        for provider, inventory in self._inventories().items():
            for record in tuple(inventory.instances.values()):
                self._fleet_meter.look(provider, record)
                looked += 1
                if looked % INSTANCES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        fleet = self._fleet_meter.take()
        self._show(fleet)
        invocations, urls = self._invocations.statistics(), self._urls.url_statistics()
        self._invocations.begin_interval()
        self._urls.begin_url_interval()
        samples = chain(fleet, self._invocation_meter.samples(invocations), self._url_meter.samples(urls))
        while batch := list(islice(samples, SAMPLES_AT_ONCE)):
            await self._store.put(now, batch)
            await asyncio.sleep(0)

    def _show(self, samples: Sequence[MetricSample]) -> None:
        self._interval += 1
        for sample in samples:
            if sample.metric.name in COUNTED:
                self.totals[sample.metric] = self.totals.get(sample.metric, 0.0) + sample.summary.total
        self._latest |= {sample.metric: (self._interval, sample) for sample in samples}
        oldest = self._interval - SHOWN_INTERVALS
        self._latest = {metric: shown for metric, shown in self._latest.items() if shown[0] > oldest}
