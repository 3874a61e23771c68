"""How capacity follows load, and how long what makes it up lives and waits, as a server can be told.

Each setting is named after the field that it fills, with `scaling_`, `planning_`, `default_lambda_`, `slot_`,
`router_` or `instance_` before it; the defaults and the reasons for them are there. AWS publishes none of them
(docs/explanation/scaling.md). Knows no source of settings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from paddock.controlplane.settings import InstanceSettings
from paddock.core.environment.slots import SlotSettings
from paddock.core.on_demand import OnDemandSettings
from paddock.core.planning.settings import PlanningSettings, sped_up
from paddock.core.scaling import ScalingSettings
from paddock.launchers.local import AgentTerms
from paddock.model.errors import SettingsError
from paddock.router.settings import RouterSettings

_SCALING = ScalingSettings()
_PLANNING = PlanningSettings()
_ON_DEMAND = OnDemandSettings()
_SLOTS = SlotSettings()
_ROUTER = RouterSettings()
_AGENTS = AgentTerms()
_INSTANCES = InstanceSettings()
SECONDS = "_seconds"
MOST_SECONDS = 3600.0
"""Of a window or pause: a sample a second of each version is kept and looked at in each plan."""
MOST_LEAD_SECONDS = 86_400.0
"""A day: who wants instances replaced sooner than that sets their lifetime."""
MOST_LAUNCHES_AT_ONCE = 100
"""Each is a process that starts."""
MOST_SPEEDUP = 1000.0
MOST_DEVIATIONS = 100.0
"""No chance comes near."""
SHARES = (
    "scaling_slot_target",
    "scaling_cpu_target",
    "scaling_manual_slot_target_ceiling",
    "scaling_busy_share",
    "scaling_scale_in_step",
    "planning_replaced_at_once",
    "planning_replacement_lead_share",
)
"""Above 0, at most 1."""
ORDERED = (
    ("scaling_short_window_seconds", "scaling_long_window_seconds"),
    ("scaling_cpu_window_seconds", "scaling_short_window_seconds"),
    ("planning_launch_backoff_seconds", "planning_launch_backoff_limit_seconds"),
    ("planning_restart_backoff_seconds", "planning_restart_backoff_limit_seconds"),
    ("planning_launch_backoff_limit_seconds", "planning_failure_memory_seconds"),
    ("planning_restart_backoff_limit_seconds", "planning_failure_memory_seconds"),
    ("default_lambda_launch_backoff_seconds", "default_lambda_launch_backoff_limit_seconds"),
    ("default_lambda_launch_backoff_limit_seconds", "planning_failure_memory_seconds"),
)
"""The first of each pair is not above the second."""


def _setting(default: float | timedelta, text: str) -> Any:
    value = default.total_seconds() if isinstance(default, timedelta) else default
    return field(default=value, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class CapacitySettings:
    """Shares are of what saturates (0-1), durations in seconds."""

    scaling_speedup: float = _setting(
        1.0,
        "so many times sooner load is forgotten and capacity given back than the windows and pauses below say: the "
        "shape of a day in minutes. What a start, launch or drain takes stays as it is; no window gets below 2 seconds",
    )
    scaling_slot_target: float = _setting(
        _SCALING.slot_target,
        "share of its slots that an environment is to have busy at the highest peak of the short window; lower keeps "
        "more room for growth, higher costs less",
    )
    scaling_cpu_target: float = _setting(
        _SCALING.cpu_target, "the same for CPU, where the provider's `ScalingMode` is `Auto`"
    )
    scaling_manual_slot_target_ceiling: float = _setting(
        _SCALING.manual_slot_target_ceiling, "a `Manual` CPU target stands for slots too, up to this share"
    )
    scaling_busy_share: float = _setting(
        _SCALING.busy_share, "what an environment may be filled to while headroom is lent to a replacement"
    )
    scaling_throttle_growth: float = _setting(
        _SCALING.throttle_growth,
        "where something was refused, so many times the environments that were ready are wanted",
    )
    scaling_short_window_seconds: float = _setting(
        _SCALING.short_window, "out: what is wanted follows the highest peak of this window"
    )
    scaling_cpu_window_seconds: float = _setting(
        _SCALING.cpu_window, "CPU use is averaged over this long before its highest value counts"
    )
    scaling_long_window_seconds: float = _setting(
        _SCALING.long_window,
        "in: what is given back follows the highest peak of this window; shorter costs less and throttles the peak "
        "that comes again",
    )
    scaling_dead_band: float = _setting(
        _SCALING.dead_band, "hysteresis: load that varies by less than this share never moves the number both ways"
    )
    scaling_chance_deviations: float = _setting(
        _SCALING.chance_deviations,
        "what chance may bring together is kept: so many standard deviations of traffic whose callers know nothing of "
        "one another, above its mean. Fewer cost less where little is in flight, and let the number turn; 0 for none",
    )
    scaling_scale_in_step: float = _setting(
        _SCALING.scale_in_step, "at most this share of the environments is given back within the interval"
    )
    scaling_scale_in_interval_seconds: float = _setting(_SCALING.scale_in_interval, "the interval of that share")
    scaling_stale_after_seconds: float = _setting(
        _SCALING.stale_after, "a newest sample older than this says nothing about now, and all stays as it is"
    )
    scaling_warm_up_seconds: float = _setting(
        _SCALING.warm_up,
        "CPU that an environment uses so soon after it is ready is no load: its other workers are still starting",
    )
    planning_spread_instances: int = _setting(
        _PLANNING.spread_instances, "the first environments of a version stand on so many instances, in as many zones"
    )
    planning_instances_aimed_for: int = _setting(
        _PLANNING.instances_aimed_for,
        "a version with many environments gets instance types of which so many hold all of them",
    )
    planning_environments_per_instance: int = _setting(
        _PLANNING.environments_per_instance,
        "an instance type should hold at least so many of a version; more makes fewer and larger instances",
    )
    planning_idle_grace_seconds: float = _setting(
        _PLANNING.idle_grace, "an instance without environments ends after this long"
    )
    planning_consolidate_after_seconds: float = _setting(
        _PLANNING.consolidate_after, "an instance is not emptied onto others before it is this old"
    )
    planning_consolidation_candidates: int = _setting(
        _PLANNING.consolidation_candidates, "so many of the emptiest instances are tried in one plan: each costs time"
    )
    planning_replaced_at_once: float = _setting(
        _PLANNING.replaced_at_once, "share of the instances that are replaced at the same time, at least one"
    )
    planning_launch_deadline_seconds: float = _setting(
        _PLANNING.launch_deadline, "an instance whose agent was not heard of by then is given up"
    )
    planning_start_deadline_seconds: float = _setting(
        _PLANNING.start_deadline, "an environment that is not ready by then is given up; the longest init is 15 minutes"
    )
    planning_drain_timeout_seconds: float = _setting(
        _PLANNING.drain_timeout, "what is still in flight after so long of drain is ended"
    )
    planning_init_failures: int = _setting(
        _PLANNING.init_failures, "a publish fails when so many environments failed init and none succeeded"
    )
    planning_init_failures_despite_success: int = _setting(
        _PLANNING.init_failures_despite_success, "the same when some did succeed"
    )
    planning_free_restarts: int = _setting(
        _PLANNING.free_restarts,
        "so many ended environments of a version are replaced at once, later ones after a pause",
    )
    planning_restart_backoff_seconds: float = _setting(
        _PLANNING.restart_backoff, "the first such pause; each is twice the one before"
    )
    planning_restart_backoff_limit_seconds: float = _setting(_PLANNING.restart_backoff_limit, "the longest such pause")
    planning_launch_backoff_seconds: float = _setting(
        _PLANNING.launch_backoff,
        "pause of an instance type in a zone after a failed launch, twice as long each time; others are tried then",
    )
    planning_launch_backoff_limit_seconds: float = _setting(_PLANNING.launch_backoff_limit, "the longest such pause")
    planning_launch_tries: int = _setting(
        _PLANNING.launch_tries, "failed launches after which a publish gives up, if the next setting's time is over too"
    )
    planning_launch_patience_seconds: float = _setting(_PLANNING.launch_patience, "see the one before")
    planning_publish_patience_seconds: float = _setting(
        _PLANNING.publish_patience, "how long a publish waits for vCPU that is being given back"
    )
    planning_failure_memory_seconds: float = _setting(
        _PLANNING.failure_memory,
        "a failed launch, or a failed start of an environment, so long after the one before is the first again; at "
        "least the longest pauses",
    )
    planning_replacement_lead_seconds: float = _setting(
        _PLANNING.replacement_lead,
        "an instance is replaced so long before its lifetime ends: a fifth of the fleet at a time, each with a launch "
        "and a drain",
    )
    planning_replacement_lead_share: float = _setting(
        _PLANNING.replacement_lead_share, "but no more of the lifetime than this share: for short lifetimes"
    )
    default_lambda_init_backoff_seconds: float = _setting(
        _ON_DEMAND.init_backoff,
        "pause after a provisioned environment failed to initialise; nobody waits for one of those",
    )
    default_lambda_credentials_left_seconds: float = _setting(
        _ON_DEMAND.credentials_left,
        "an environment is replaced so long before the credentials in its variables end, which are good for 12 hours; "
        "its last invocation and its drain fit in",
    )
    default_lambda_launch_deadline_seconds: float = _setting(
        _ON_DEMAND.launch_deadline,
        "default Lambda's instance is given up when its agent was not heard of by then; callers wait for it",
    )
    default_lambda_launch_backoff_seconds: float = _setting(
        _ON_DEMAND.launch_backoff, "pause after that instance could not be launched, twice as long each time"
    )
    default_lambda_launch_backoff_limit_seconds: float = _setting(
        _ON_DEMAND.launch_backoff_limit, "the longest such pause"
    )
    slot_poll_wait_seconds: float = _setting(
        _SLOTS.poll_wait_seconds,
        "an invocation with a slot waits so long for a worker that is between its last answer and its next poll, then "
        "it is tried elsewhere; more for a machine that stalls",
    )
    slot_settling_seconds: float = _setting(
        _SLOTS.settling_seconds,
        "so long after its first worker all slots of an environment are promised; then those that workers have come "
        "for. More for functions whose workers import for long",
    )
    slot_return_seconds: float = _setting(
        _SLOTS.return_seconds, "a worker that closed its connection is expected on a new one for so long"
    )
    router_refusals_per_call: int = _setting(
        _ROUTER.refusals_per_call,
        "environments that refused a moment ago are asked when no other has a free slot, until so many have refused "
        "the invocation; then it is throttled. More finds the last free slot of a crowded fleet, fewer spares the "
        "agents",
    )
    router_rest_seconds: float = _setting(
        _ROUTER.rest_seconds,
        "an environment that refused is asked last for so long, unless a slot of it comes back sooner",
    )
    router_longest_wait_seconds: float = _setting(
        _ROUTER.longest_wait_seconds,
        "an invocation of default Lambda waits so long for an environment, then it fails; for a machine that cannot "
        "start any",
    )
    router_retry_after_seconds: int = _setting(
        _ROUTER.retry_after_seconds,
        "whole seconds that a throttled caller is told to wait, in `Retry-After`; more for clients that obey it and "
        "come back too soon",
    )
    instance_start_seconds: float = _setting(
        _AGENTS.start_seconds,
        "an instance whose agent's process has not begun by then is given up; more for a machine that stalls",
    )
    instance_ended_kept: int = _setting(
        _AGENTS.ended_kept,
        "directories of instances that have ended, with their agents' logs; the oldest go first. Less spares the disk",
    )
    instance_launches_at_once: int = _setting(
        _INSTANCES.launches_at_once,
        "of one provider; each is a process that starts beside those that serve",
    )
    instance_termination_grace_seconds: float = _setting(
        _INSTANCES.termination_grace,
        "what an empty instance has to end in order, for its extensions and telemetry, before it is killed",
    )
    instance_stop_grace_seconds: float = _setting(
        _INSTANCES.stop_grace,
        "the same for all instances when the server ends them: what is in flight may be answered",
    )

    def planning(self) -> PlanningSettings:
        """What the control plane plans with."""
        whole = PlanningSettings(
            scaling=ScalingSettings(**self._filled("scaling_", ScalingSettings)),
            **self._filled("planning_", PlanningSettings),
        )
        return sped_up(whole, self.scaling_speedup)

    def on_demand(self, most_environments: int) -> OnDemandSettings:
        """What default Lambda is planned with."""
        filled = self._filled("default_lambda_", OnDemandSettings)
        return OnDemandSettings(
            **filled, most_environments=most_environments, failure_memory=self.planning().failure_memory
        )

    def instances(self) -> InstanceSettings:
        """How the control plane launches and ends instances."""
        return InstanceSettings(**self._filled("instance_", InstanceSettings))

    def router(self) -> RouterSettings:
        """What every router is told, the server's own and further ones."""
        return RouterSettings(**self._filled("router_", RouterSettings))

    def _filled(
        self,
        prefix: str,
        kind: type[ScalingSettings | PlanningSettings | OnDemandSettings | InstanceSettings | RouterSettings],
    ) -> dict[str, Any]:
        filled: dict[str, Any] = {}
        for one in fields(kind):
            if hasattr(self, f"{prefix}{one.name}{SECONDS}"):
                filled[one.name] = timedelta(seconds=getattr(self, f"{prefix}{one.name}{SECONDS}"))
            elif hasattr(self, f"{prefix}{one.name}"):
                filled[one.name] = getattr(self, f"{prefix}{one.name}")
        return filled

    def check(self) -> None:
        """Raises `SettingsError` naming the setting and what it may be."""
        for one in fields(CapacitySettings):
            _check_range(one.name, getattr(self, one.name))
        for lower, upper in ORDERED:
            if getattr(self, lower) > getattr(self, upper):
                raise SettingsError(f"{lower} must be at most {upper}, which is {getattr(self, upper):g}")


def _check_range(name: str, value: float) -> None:
    if name in SHARES:
        fits, allowed = 0 < value <= 1, "above 0 and at most 1"
    elif name == "scaling_dead_band":
        fits, allowed = 0 <= value < 1, "at least 0 and below 1"
    elif name == "scaling_chance_deviations":
        fits, allowed = 0 <= value <= MOST_DEVIATIONS, f"0 to {MOST_DEVIATIONS:g}"
    elif name in ("scaling_throttle_growth", "scaling_speedup"):
        fits, allowed = 1 <= value <= MOST_SPEEDUP, f"1 to {MOST_SPEEDUP:g}"
    elif name == "planning_replacement_lead_seconds":
        fits, allowed = 0 < value <= MOST_LEAD_SECONDS, f"above 0 and at most {MOST_LEAD_SECONDS:g}"
    elif name == "instance_launches_at_once":
        fits, allowed = 1 <= value <= MOST_LAUNCHES_AT_ONCE, f"1 to {MOST_LAUNCHES_AT_ONCE}"
    elif name.endswith(SECONDS):
        fits, allowed = 0 < value <= MOST_SECONDS, f"above 0 and at most {MOST_SECONDS:g}"
    else:
        fits, allowed = 1 <= value < math.inf, "at least 1"
    if not fits:
        raise SettingsError(f"{name} must be {allowed}, not {value:g}")
