"""What may be tuned of planning, with the reason for each figure, and where new ids come from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from paddock.core.placement import INSTANCES_AIMED_FOR, PREFERRED_ENVIRONMENTS_PER_INSTANCE, SPREAD_INSTANCES
from paddock.core.scaling import ScalingSettings
from paddock.model.ids import EnvironmentId, InstanceId


class PlanIds(Protocol):
    """New ids: planning rolls no dice of its own."""

    def instance_id(self) -> InstanceId:
        """`i-` and 17 hexadecimal digits, as EC2's."""
        ...

    def environment_id(self) -> EnvironmentId: ...


@dataclass(frozen=True, slots=True)
class PlanningSettings:
    scaling: ScalingSettings = field(default_factory=ScalingSettings)
    spread_instances: int = SPREAD_INSTANCES
    instances_aimed_for: int = INSTANCES_AIMED_FOR
    environments_per_instance: int = PREFERRED_ENVIRONMENTS_PER_INSTANCE
    """At least so many of a version should fit on an instance: a republish finds room beside what it replaces."""
    idle_grace: timedelta = timedelta(minutes=3)
    """AWS ends an empty instance "typically within minutes"; the next publish may want it before."""
    replaced_at_once: float = 0.2
    """Share of the instances that are replaced at the same time, at least one: that much may be doubled meanwhile."""
    consolidate_after: timedelta = timedelta(minutes=10)
    """A younger instance was launched for a reason that may come again."""
    consolidation_candidates: int = 8
    """Only so many of the emptiest instances are looked at in one plan: each costs a placement."""
    launch_deadline: timedelta = timedelta(minutes=5)
    """AWS was seen to end a broken instance after about 3.5 minutes."""
    start_deadline: timedelta = timedelta(minutes=20)
    """An environment that is not ready by now never will be: the longest init timeout is 15 minutes."""
    drain_timeout: timedelta = timedelta(minutes=16)
    """The longest a synchronous invocation may last is 15 minutes; what then still runs has no caller."""
    init_failures: int = 3
    """A revision whose first three environments fail init is broken; AWS starts three as well."""
    init_failures_despite_success: int = 10
    free_restarts: int = 3
    """So many failures of a revision are made good at once; then each waits twice as long as the one before."""
    restart_backoff: timedelta = timedelta(seconds=2)
    restart_backoff_limit: timedelta = timedelta(minutes=2)
    launch_backoff: timedelta = timedelta(seconds=10)
    """Per instance type and zone, doubling; others are tried meanwhile."""
    launch_backoff_limit: timedelta = timedelta(minutes=5)
    failure_memory: timedelta = timedelta(minutes=15)
    """After so long without a failure a back-off begins anew; environments that failed are remembered so long. At
    least the longest pauses, or a try after one of those would count as the first.
    """
    launch_tries: int = 12
    """Four rounds of three instances; with `launch_patience`, when a publish gives up for want of instances."""
    launch_patience: timedelta = timedelta(minutes=1)
    publish_patience: timedelta = timedelta(minutes=20)
    """How long a publish waits for vCPU that is being given back; boto3's waiter gives up after 26 minutes."""
    replacement_lead: timedelta = timedelta(hours=2)
    """So long before its lifetime ends an instance is replaced: five turns of a fifth of the fleet, each of a launch
    and a drain of up to 16 minutes.
    """
    replacement_lead_share: float = 0.1
    """Of a lifetime too short for that: no earlier than so much of it before its end."""


DEFAULT_SETTINGS = PlanningSettings()

SHORTEST_WINDOW = timedelta(seconds=2)
"""Agents report once a second: less would often hold no sample at all. No setting: it follows from that."""


def sped_up(settings: PlanningSettings, factor: float) -> PlanningSettings:
    """The same shape of a day in so many times less time: load is forgotten and capacity given back sooner.

    What a machine takes for a start, a launch or a drain is no shorter for that, so deadlines and back-offs stay.
    """

    def shorter(window: timedelta) -> timedelta:
        return min(window, max(window / factor, SHORTEST_WINDOW))

    scaling = replace(
        settings.scaling,
        short_window=shorter(settings.scaling.short_window),
        cpu_window=shorter(settings.scaling.cpu_window),
        long_window=shorter(settings.scaling.long_window),
        scale_in_interval=shorter(settings.scaling.scale_in_interval),
    )
    return replace(
        settings,
        scaling=scaling,
        idle_grace=shorter(settings.idle_grace),
        consolidate_after=shorter(settings.consolidate_after),
    )
