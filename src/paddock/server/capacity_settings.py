"""How capacity follows load, as a server can be told: the figures of `core.scaling` and `core.planning`.

Each setting is named after the field that it fills, with `scaling_` or `planning_` before it; the defaults are theirs.
AWS publishes none of them (docs/explanation/scaling.md). Knows no source of settings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from paddock.core.planning.settings import PlanningSettings, sped_up
from paddock.core.scaling import ScalingSettings
from paddock.model.errors import SettingsError

_SCALING = ScalingSettings()
_PLANNING = PlanningSettings()
SECONDS = "_seconds"
MOST_SECONDS = 3600.0
"""Of a window or pause: a sample a second of each version is kept and looked at in each plan."""
MOST_SPEEDUP = 1000.0
SHARES = (
    "scaling_slot_target",
    "scaling_cpu_target",
    "scaling_manual_slot_target_ceiling",
    "scaling_busy_share",
    "scaling_scale_in_step",
    "planning_replaced_at_once",
)
"""Above 0, at most 1."""
ORDERED = (
    ("scaling_short_window_seconds", "scaling_long_window_seconds"),
    ("scaling_cpu_window_seconds", "scaling_short_window_seconds"),
    ("planning_launch_backoff_seconds", "planning_launch_backoff_limit_seconds"),
    ("planning_restart_backoff_seconds", "planning_restart_backoff_limit_seconds"),
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
    scaling_scale_in_step: float = _setting(
        _SCALING.scale_in_step, "at most this share of the environments is given back within the interval"
    )
    scaling_scale_in_interval_seconds: float = _setting(_SCALING.scale_in_interval, "the interval of that share")
    scaling_stale_after_seconds: float = _setting(
        _SCALING.stale_after, "a newest sample older than this says nothing about now, and all stays as it is"
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

    def planning(self) -> PlanningSettings:
        """What the control plane plans with."""
        whole = PlanningSettings(
            scaling=ScalingSettings(**self._filled("scaling_", ScalingSettings)),
            **self._filled("planning_", PlanningSettings),
        )
        return sped_up(whole, self.scaling_speedup)

    def _filled(self, prefix: str, kind: type[ScalingSettings | PlanningSettings]) -> dict[str, Any]:
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
    elif name in ("scaling_throttle_growth", "scaling_speedup"):
        fits, allowed = 1 <= value <= MOST_SPEEDUP, f"1 to {MOST_SPEEDUP:g}"
    elif name.endswith(SECONDS):
        fits, allowed = 0 < value <= MOST_SECONDS, f"above 0 and at most {MOST_SECONDS:g}"
    else:
        fits, allowed = 1 <= value < math.inf, "at least 1"
    if not fits:
        raise SettingsError(f"{name} must be {allowed}, not {value:g}")
