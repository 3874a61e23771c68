from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

from paddock.core.planning import DEFAULT_SETTINGS
from paddock.core.planning.settings import SHORTEST_WINDOW, PlanningSettings, sped_up


def test_every_default_is_positive() -> None:
    for setting in fields(PlanningSettings):
        value = getattr(DEFAULT_SETTINGS, setting.name)
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, (int, float)):
            assert value > 0, setting.name


def test_waits_lie_within_what_clients_wait_for() -> None:
    waiter = timedelta(seconds=5 * 312)  # boto3's PublishedVersionActive
    longest_init = timedelta(minutes=15)

    assert DEFAULT_SETTINGS.publish_patience < waiter
    assert longest_init < DEFAULT_SETTINGS.start_deadline < waiter
    assert longest_init < DEFAULT_SETTINGS.drain_timeout
    assert DEFAULT_SETTINGS.launch_patience < DEFAULT_SETTINGS.launch_deadline
    assert DEFAULT_SETTINGS.launch_backoff < DEFAULT_SETTINGS.launch_backoff_limit
    assert DEFAULT_SETTINGS.restart_backoff < DEFAULT_SETTINGS.restart_backoff_limit


def test_sped_up_forgets_and_gives_back_sooner_and_waits_for_machines_as_long_as_before() -> None:
    quick = sped_up(DEFAULT_SETTINGS, 6)

    assert quick.scaling.short_window == timedelta(seconds=10)
    assert quick.scaling.long_window == timedelta(seconds=50)
    assert quick.scaling.scale_in_interval == timedelta(seconds=10)
    assert quick.idle_grace == timedelta(seconds=30)
    assert quick.consolidate_after == timedelta(seconds=100)
    assert quick.scaling.slot_target == DEFAULT_SETTINGS.scaling.slot_target
    assert quick.scaling.stale_after == DEFAULT_SETTINGS.scaling.stale_after
    assert quick.launch_deadline == DEFAULT_SETTINGS.launch_deadline
    assert quick.drain_timeout == DEFAULT_SETTINGS.drain_timeout


def test_no_window_gets_shorter_than_what_agents_report_in() -> None:
    scaling = sped_up(DEFAULT_SETTINGS, 1000).scaling

    assert {scaling.short_window, scaling.cpu_window, scaling.long_window} == {SHORTEST_WINDOW}


def test_one_changes_nothing() -> None:
    assert sped_up(DEFAULT_SETTINGS, 1) == DEFAULT_SETTINGS
