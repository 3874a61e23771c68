"""Default Lambda's core by seed: every promise kept, each planted bug found and named, a seed the same every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paddock.core.on_demand import Concurrency, ThrottleReason, plan_on_demand
from paddock.core.on_demand import plan as planner
from paddock.core.routing.table import EnvironmentPlacement, RoutingTable
from paddock.model.fleet import EnvironmentShape
from paddock.model.ids import NO_TENANT
from paddock.model.states import EnvironmentPhase
from paddock.simulator import on_demand_fleet
from paddock.simulator.decisions import Decision
from paddock.simulator.on_demand import OnDemandScenario, simulate_on_demand
from paddock.simulator.on_demand_fleet import ANSWERED, FAILED_INIT, LOST, UNHEARD, OnDemandFleet, Promise
from paddock.simulator.report import Report, spoken
from paddock.simulator.seeds import ON_DEMAND, simulate_seeds, told

SEEDS = range(60)
MADE = {Decision.LAUNCH, Decision.TERMINATE, Decision.START, Decision.DRAIN, Decision.SERVE, Decision.NOTHING}
"""Nothing of default Lambda is ended at once, and versions come and go at once: nothing is removed by a plan."""


def test_every_promise_is_kept_under_crashes_lost_instances_and_new_revisions() -> None:
    """Whatever befalls it, and with each kind of fault, request and decision that there is."""
    total = Report(0)
    for report in simulate_seeds(ON_DEMAND, range(200)):
        if report.broken is not None:
            pytest.fail(told(ON_DEMAND, report))
        total.add(report)

    assert set(total.checks) == set(Promise)
    assert set(total.outcomes) == {ANSWERED, LOST, UNHEARD, FAILED_INIT, *ThrottleReason}
    assert set(total.faults) == {spoken(each) for each in OnDemandScenario.FAULTS}
    assert set(total.requests) == {spoken(each) for each in OnDemandScenario.REQUESTS}
    assert set(total.decisions) == MADE


def test_a_seed_is_the_same_run_every_time() -> None:
    assert simulate_on_demand(4).digest == simulate_on_demand(4).digest
    assert simulate_on_demand(4).digest != simulate_on_demand(5).digest


def the_account_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    admit = Concurrency.admit

    def unlimited(self: Concurrency, function: Any) -> Any:
        self._unreserved_limit = self._room = 1000
        return admit(self, function)

    patch.setattr(Concurrency, "admit", unlimited)


def nothing_is_reserved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Concurrency, "reserve", lambda *_: None)


def two_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(on_demand_fleet, "SHAPE", EnvironmentShape(256, 0.25, 2))


def one_release_too_few(patch: pytest.MonkeyPatch) -> None:
    release = Concurrency.release
    count = iter(range(1, 1_000_000))
    patch.setattr(Concurrency, "release", lambda *given: release(*given) if next(count) % 20 else None)


def no_end_of_room(patch: pytest.MonkeyPatch) -> None:
    def roomy(*given: Any, settings: Any, **rest: Any) -> Any:
        return plan_on_demand(*given, settings=replace(settings, most_environments=1000), **rest)

    patch.setattr(on_demand_fleet, "plan_on_demand", roomy)
    patch.setattr(on_demand_fleet, "SETTINGS", replace(on_demand_fleet.SETTINGS, most_environments=4))


def no_reasons(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        on_demand_fleet, "plan_on_demand", lambda *given, **rest: replace(plan_on_demand(*given, **rest), reasons=())
    )


def no_reasons_of_what_serves(patch: pytest.MonkeyPatch) -> None:
    """Of all else there are some."""

    def silent(*given: Any, **rest: Any) -> Any:
        made = plan_on_demand(*given, **rest)
        keys = {str(each.key) for each in made.outcomes}
        return replace(made, reasons=tuple(each for each in made.reasons if each.subject not in keys))

    patch.setattr(on_demand_fleet, "plan_on_demand", silent)


def nothing_is_launched_any_more(patch: pytest.MonkeyPatch) -> None:
    """After a while; who waits then, waits for ever."""
    count = iter(range(1, 1_000_000))

    def tired(*given: Any, **rest: Any) -> Any:
        made = plan_on_demand(*given, **rest)
        return replace(made, launches=(), assignments=()) if next(count) > 100 else made

    patch.setattr(on_demand_fleet, "plan_on_demand", tired)


def provisioned_ones_are_not_started(patch: pytest.MonkeyPatch) -> None:
    start = planner._Planner._start

    def only_others(self: Any, *given: Any, ready: bool, **rest: Any) -> None:
        if not ready:
            start(self, *given, ready=ready, **rest)

    patch.setattr(planner._Planner, "_start", only_others)


def who_waits_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """With all that was counted of it."""
    give = OnDemandFleet._give
    count = iter(range(1, 1_000_000))

    def forgetful(self: OnDemandFleet, key: Any) -> None:
        for queue in self.functions[key].queues.values():
            if queue and next(count) % 20 == 0:
                queue.popleft()
                self.limits.release(key.function_name)
        give(self, key)

    patch.setattr(OnDemandFleet, "_give", forgetful)


def provisioned_ones_end(patch: pytest.MonkeyPatch) -> None:
    def trim_all(self: Any, version: Any) -> None:
        for environment in self._of(version, provisioned=True):
            self._drain(environment, "a mistake")

    patch.setattr(planner._Planner, "_trim_provisioned", trim_all)


def idle_ones_stay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planner._Planner, "_why_end", lambda *_: None)


def ended_instead_of_drained(patch: pytest.MonkeyPatch) -> None:
    """A plan that leaves out what drains: what is not named ends at once, with what it runs."""

    def undrained(*given: Any, **rest: Any) -> Any:
        made = plan_on_demand(*given, **rest)
        kept = tuple(
            replace(one, environments=tuple(each for each in one.environments if not each.draining))
            for one in made.assignments
        )
        return replace(made, assignments=kept)

    patch.setattr(on_demand_fleet, "plan_on_demand", undrained)


def tenants_share_a_pool(patch: pytest.MonkeyPatch) -> None:
    place = RoutingTable.place

    def place_for_all(self: RoutingTable, placement: EnvironmentPlacement) -> None:
        place(self, replace(placement, key=placement.key._replace(tenant_id=NO_TENANT)))

    patch.setattr(RoutingTable, "place", place_for_all)


def a_new_server_asks_nobody_what_runs(patch: pytest.MonkeyPatch) -> None:
    """It sends to environments in which what its predecessor has sent still runs."""
    start = OnDemandFleet._start_server

    def hasty(self: OnDemandFleet) -> None:
        for environment in list(self.environments.values()):
            if environment.phase is EnvironmentPhase.READY:
                self._offer(environment)
        start(self)

    patch.setattr(OnDemandFleet, "_start_server", hasty)


PLANTED: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "nobody counts the account": ("account limit", the_account_is_not_counted),
    "nothing is reserved": ("reserved", nothing_is_reserved),
    "a new server asks nobody what runs": ("one request", a_new_server_asks_nobody_what_runs),
    "two requests in one environment": ("one request", two_at_once),
    "tenants share a pool": ("one tenant", tenants_share_a_pool),
    "a release is forgotten": ("slots", one_release_too_few),
    "there is always room": ("room", no_end_of_room),
    "plans say no reason": ("reasons", no_reasons),
    "plans do not say why something serves": ("reasons", no_reasons_of_what_serves),
    "who waits is forgotten": ("no loss", who_waits_is_forgotten),
    "nothing is launched any more": ("convergence", nothing_is_launched_any_more),
    "provisioned environments are not started": ("convergence", provisioned_ones_are_not_started),
    "provisioned environments end": ("provisioned", provisioned_ones_end),
    "an end instead of a drain": ("no loss", ended_instead_of_drained),
    "what is idle stays": ("convergence", idle_ones_stay),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found_and_named(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, plant = PLANTED[bug]
    plant(monkeypatch)

    found = (simulate_on_demand(seed).broken for seed in SEEDS)

    assert any(broken is not None and broken.invariant == name for broken in found)


def test_each_promise_has_a_bug_that_breaks_it() -> None:
    assert {promise for promise, _ in PLANTED.values()} == set(Promise)
