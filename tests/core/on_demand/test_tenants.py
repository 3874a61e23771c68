"""What is started for tenants, and that an environment never changes hands."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.on_demand import Concurrency
from paddock.core.on_demand.concurrency import ThrottleReason
from paddock.model.fleet import Plan
from paddock.model.ids import NO_TENANT, FunctionName, TenantId
from paddock.model.states import EnvironmentPhase
from tests.core.fleets import NOON
from tests.core.on_demand.test_plan import READY, SETTINGS, STARTING, drained, environment, idle, planned, version

BLUE, GREEN, RED = TenantId("blue"), TenantId("green"), TenantId("red")
F = FunctionName("f")


def tenants_of_new(plan: Plan, known: set[str] = frozenset()) -> Counter[str]:  # type: ignore[assignment]
    return Counter(
        each.tenant_id
        for assignment in plan.assignments
        for each in assignment.environments
        if each.environment_id not in known
    )


def test_each_tenant_that_waits_gets_environments_of_its_own() -> None:
    plan = planned([version(tenants_waiting=((BLUE, 2), (GREEN, 1)))])

    assert tenants_of_new(plan) == {BLUE: 2, GREEN: 1}
    assert "2 invocations of tenant blue wait and 0 environments are on their way" in str(plan.reasons)


def test_what_is_on_its_way_for_one_tenant_is_nothing_to_another() -> None:
    there = [environment(1, phase=STARTING, tenant_id=BLUE)]
    plan = planned([version(tenants_waiting=((BLUE, 1), (GREEN, 1)))], there)

    assert tenants_of_new(plan, {"e1"}) == {GREEN: 1}


def test_an_idle_environment_of_another_tenant_makes_place_but_does_not_serve() -> None:
    there = [replace(idle(number, minutes=number), tenant_id=RED) for number in range(4)]
    plan = planned([version(tenants_waiting=((BLUE, 1),))], there)

    assert drained(plan) == {"e3"}
    assert not tenants_of_new(plan, {"e0", "e1", "e2", "e3"})


@given(
    st.lists(
        st.tuples(st.sampled_from([READY, STARTING]), st.sampled_from([BLUE, GREEN, RED]), st.none() | st.floats(0, 9)),
        max_size=6,
    ),
    st.dictionaries(st.sampled_from([BLUE, GREEN, RED]), st.integers(1, 4)),
)
def test_no_environment_changes_hands_and_none_starts_for_a_tenant_that_does_not_wait(
    drawn: list[tuple[EnvironmentPhase, TenantId, float | None]], waiting: dict[TenantId, int]
) -> None:
    there = [
        replace(idle(number, minutes or 0.0), phase=phase, tenant_id=tenant_id)
        if phase is READY and minutes is not None
        else environment(number, phase=phase, tenant_id=tenant_id)
        for number, (phase, tenant_id, minutes) in enumerate(drawn)
    ]
    plan = planned([version(tenants_waiting=tuple(waiting.items()))], there, now=NOON)
    before = {each.environment_id: each.tenant_id for each in there}

    kept = [each for one in plan.assignments for each in one.environments if each.environment_id in before]
    assert all(each.tenant_id == before[each.environment_id] for each in kept)
    new = tenants_of_new(plan, set(before))
    assert NO_TENANT not in new
    coming = Counter(each.tenant_id for each in there if each.phase is STARTING)
    assert all(count <= max(0, waiting[TenantId(name)] - coming[TenantId(name)]) for name, count in new.items())
    assert len(there) + new.total() <= max(SETTINGS.most_environments, len(there))


@pytest.mark.parametrize(
    ("reserved", "environments", "reason"),
    [
        (None, 24, None),
        (None, 25, ThrottleReason.ACCOUNT),
        (2, 4, None),
        (2, 5, ThrottleReason.RESERVED),
        (1, 2, ThrottleReason.RESERVED),
    ],
)
def test_tenants_have_two_and_a_half_environments_for_each_of_the_function_s_concurrency(
    reserved: int | None, environments: int, reason: ThrottleReason | None
) -> None:
    limits = Concurrency(10)
    limits.reserve(F, reserved)

    assert limits.admit_tenant(F, environments) is reason
