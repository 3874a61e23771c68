from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

from paddock.core.planning import DEFAULT_SETTINGS
from paddock.core.planning.settings import PlanningSettings


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
