"""The recent load of each revision, sampled from what its environments reported: the scaler's eyes. In memory, bounded.

CPU use is measured against entitlement: an environment's vCPUs times what a vCPU is worth on its instance.

Each environment's own peak of a second says little of all together: short invocations that take turns touch every one
of them, and where each has a slot or two, all would look full. Routers know how many were in flight at one time, on the
way there and back included. They do not look at the same moments: the lower of both counts, each over two looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from paddock.controlplane.inventory import Inventory
from paddock.controlplane.limits import SAMPLE_SECONDS, SPARE_LOAD_SAMPLES
from paddock.model.fleet import LoadSample
from paddock.model.ids import FunctionVersionKey, RevisionId
from paddock.model.states import EnvironmentPhase

Revision = tuple[FunctionVersionKey, RevisionId]


@dataclass(slots=True)
class _Tally:
    """Sums over the ready environments of one revision."""

    environments: int = 0
    busy_slots: int = 0
    peak_busy_slots: int = 0
    used_cores: float = 0.0
    entitled_cores: float = 0.0


@dataclass(slots=True)
class LoadHistory:
    """`sample` is called about once a second; as much is kept as the scaler's `longest` window takes."""

    longest: timedelta
    _samples: dict[Revision, deque[LoadSample]] = field(default_factory=dict)
    _throttles: dict[FunctionVersionKey, int] = field(default_factory=dict)
    _invocations: dict[FunctionVersionKey, int] = field(default_factory=dict)
    _peaks: dict[Revision, tuple[int, int | None]] = field(default_factory=dict)
    """Of the look before: of the environments, each by itself, and of the routers."""

    @property
    def _kept(self) -> int:
        return int(self.longest.total_seconds() / SAMPLE_SECONDS) + SPARE_LOAD_SAMPLES

    def of(self, key: FunctionVersionKey, revision: RevisionId | None) -> tuple[LoadSample, ...]:
        return tuple(self._samples.get((key, revision), ())) if revision is not None else ()

    def sample(
        self,
        inventory: Inventory,
        served: Mapping[FunctionVersionKey, RevisionId | None],
        throttle_counts: Mapping[FunctionVersionKey, int],
        invocation_counts: Mapping[FunctionVersionKey, int],
        peaks: Mapping[FunctionVersionKey, int],
        *,
        now: datetime,
        monotonic: float,
    ) -> None:
        """`served` names every version and its serving revision: what routers count is of that one."""
        tallies = self._tallies(inventory, monotonic)
        for key, revision in served.items():
            throttled = _more(self._throttles, throttle_counts, key)
            invocations = _more(self._invocations, invocation_counts, key)
            if revision is not None and (tally := tallies.get((key, revision))) is not None:
                tally.peak_busy_slots = self._peak((key, revision), tally, peaks.get(key))
                samples = self._samples.setdefault((key, revision), deque(maxlen=self._kept))
                samples.append(_sampled(tally, throttled, invocations, now))
        self._forget(inventory, served)

    def _tallies(self, inventory: Inventory, monotonic: float) -> dict[Revision, _Tally]:
        tallies: dict[Revision, _Tally] = {}
        for instance in inventory.instances.values():
            if not inventory.is_fresh(instance, monotonic):
                continue
            for record in instance.environments.values():
                if record.phase is not EnvironmentPhase.READY or record.report is None:
                    continue
                tally = tallies.setdefault((record.key, record.revision), _Tally())
                tally.environments += 1
                tally.busy_slots += record.report.in_flight
                tally.peak_busy_slots += record.take_peak()
                entitled = record.spec.vcpu * instance.cores_per_vcpu
                if record.used_cores is not None and entitled > 0:
                    tally.used_cores += record.used_cores
                    tally.entitled_cores += entitled
                    record.cpu_utilization = record.used_cores / entitled
        return tallies

    def _peak(self, revision: Revision, tally: _Tally, of_routers: int | None) -> int:
        of_environments = tally.peak_busy_slots
        before = self._peaks.get(revision, (0, 0))
        self._peaks[revision] = (of_environments, of_routers)
        if of_routers is None or before[1] is None:
            return of_environments
        return min(max(before[0], of_environments), max(before[1], of_routers))

    def _forget(self, inventory: Inventory, served: Iterable[FunctionVersionKey]) -> None:
        known = set(served)
        self._throttles = {key: count for key, count in self._throttles.items() if key in known}
        self._invocations = {key: count for key, count in self._invocations.items() if key in known}
        running = {(record.key, record.revision) for record in inventory.environments()}
        self._samples = {each: samples for each, samples in self._samples.items() if each in running}
        self._peaks = {each: peaks for each, peaks in self._peaks.items() if each in running}


def _more(
    seen: dict[FunctionVersionKey, int], counts: Mapping[FunctionVersionKey, int], key: FunctionVersionKey
) -> int:
    """Than when it was looked at before; none at the first look, nor when a counter began anew."""
    count = counts.get(key, 0)
    more = max(0, count - seen.get(key, count))
    seen[key] = count
    return more


def _sampled(tally: _Tally, throttled: int, invocations: int, now: datetime) -> LoadSample:
    return LoadSample(
        at=now,
        ready_environments=tally.environments,
        busy_slots=float(tally.busy_slots),
        peak_busy_slots=tally.peak_busy_slots,
        cpu_utilization=tally.used_cores / tally.entitled_cores if tally.entitled_cores > 0 else None,
        throttles=throttled,
        invocations=invocations,
    )
