"""The figures that default Lambda goes by, where one has to fit another."""

from __future__ import annotations

from paddock.controlplane.function_credentials import ON_DEMAND_LIFETIME
from paddock.controlplane.on_demand.configuration import MAX_TIMEOUT_SECONDS
from paddock.core.on_demand import OnDemandSettings


def test_the_last_invocation_of_an_environment_ends_before_its_credentials_do() -> None:
    """One that was waiting for a slot when the environment began to drain included."""
    left = OnDemandSettings().credentials_left.total_seconds()
    assert left > 2 * MAX_TIMEOUT_SECONDS


def test_an_environment_is_not_replaced_as_soon_as_it_has_begun() -> None:
    settings = OnDemandSettings()
    assert ON_DEMAND_LIFETIME - settings.credentials_left > 10 * settings.idle
