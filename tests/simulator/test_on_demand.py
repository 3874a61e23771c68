"""Default Lambda's core by seed: every promise kept, each planted bug found and named, a seed the same every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paddock.core.on_demand import Concurrency, plan_on_demand
from paddock.core.on_demand import plan as planner
from paddock.model.fleet import EnvironmentShape
from paddock.simulator import on_demand
from paddock.simulator.on_demand import simulate_on_demand

SEEDS = range(60)


def test_every_promise_is_kept_under_crashes_lost_instances_and_new_revisions() -> None:
    reports = [simulate_on_demand(seed) for seed in SEEDS]

    assert [report.broken for report in reports if report.broken is not None] == []
    checks = sum((report.checks for report in reports), reports[0].checks)
    assert {name for name, count in checks.items() if count} == {promise for promise, _ in PLANTED.values()}
    outcomes = sum((report.outcomes for report in reports), reports[0].outcomes)
    assert len(outcomes) == 4  # answered, lost with an environment, refused by each of the two limits


def test_a_seed_is_the_same_run_every_time() -> None:
    assert simulate_on_demand(4) == simulate_on_demand(4)
    assert simulate_on_demand(4).outcomes != simulate_on_demand(5).outcomes


def the_account_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    admit = Concurrency.admit

    def unlimited(self: Concurrency, function: Any) -> Any:
        self._unreserved_limit = self._room = 1000
        return admit(self, function)

    patch.setattr(Concurrency, "admit", unlimited)


def nothing_is_reserved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Concurrency, "reserve", lambda *_: None)


def two_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(on_demand, "SHAPE", EnvironmentShape(256, 0.25, 2))


def one_release_too_few(patch: pytest.MonkeyPatch) -> None:
    release = Concurrency.release
    count = iter(range(1, 1_000_000))
    patch.setattr(Concurrency, "release", lambda *given: release(*given) if next(count) % 20 else None)


def no_end_of_room(patch: pytest.MonkeyPatch) -> None:
    def roomy(*given: Any, settings: Any, **rest: Any) -> Any:
        return plan_on_demand(*given, settings=replace(settings, most_environments=1000), **rest)

    patch.setattr(on_demand, "plan_on_demand", roomy)
    patch.setattr(on_demand, "SETTINGS", replace(on_demand.SETTINGS, most_environments=4))


def no_reasons(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        on_demand, "plan_on_demand", lambda *given, **rest: replace(plan_on_demand(*given, **rest), reasons=())
    )


def provisioned_ones_end(patch: pytest.MonkeyPatch) -> None:
    def trim_all(self: Any, version: Any) -> None:
        for environment in self._of(version, provisioned=True):
            self._drain(environment, "a mistake")

    patch.setattr(planner._Planner, "_trim_provisioned", trim_all)


def idle_ones_stay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planner._Planner, "_why_end", lambda *_: None)


PLANTED: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "nobody counts the account": ("account limit", the_account_is_not_counted),
    "nothing is reserved": ("reserved", nothing_is_reserved),
    "two requests in one environment": ("one request", two_at_once),
    "a release is forgotten": ("slots", one_release_too_few),
    "there is always room": ("room", no_end_of_room),
    "plans say no reason": ("reasons", no_reasons),
    "provisioned environments end": ("provisioned", provisioned_ones_end),
    "what is idle stays": ("convergence", idle_ones_stay),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found_and_named(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, plant = PLANTED[bug]
    plant(monkeypatch)

    found = (simulate_on_demand(seed).broken for seed in SEEDS)

    assert any(broken is not None and broken.invariant == name for broken in found)
