"""The checker itself is tried: a bug of each kind is planted, and the checker must find it and call it by its name."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paddock.core.planning import draft, plan
from paddock.model.fleet import FleetSnapshot, Plan, Reason, RevisionServed
from paddock.model.ids import EnvironmentId, InstanceId
from paddock.simulator.fleet import SimulatedFleet
from paddock.simulator.instances import SimulatedInstance
from paddock.simulator.invariants import Promise
from paddock.simulator.report import InvariantBroken
from paddock.simulator.scenario import simulate
from paddock.simulator.seeds import FLEETS, told
from paddock.simulator.words import Configuration, Outcome, SimulatedInvocation

SEEDS = range(60)

Plant = Callable[[SimulatedFleet], None]
Change = Callable[[SimulatedFleet, FleetSnapshot, Plan], Plan]


def planning(change: Change, before: Callable[[FleetSnapshot], FleetSnapshot] = lambda snapshot: snapshot) -> Plant:
    """Every plan of the fleet is made from `before(snapshot)` and then changed."""

    def plant(fleet: SimulatedFleet) -> None:
        def changed(snapshot: FleetSnapshot, **rest: Any) -> Plan:
            return change(fleet, snapshot, plan(before(snapshot), **rest))

        for control in fleet.controls.values():
            control._plan = changed

    return plant


def as_planned(_: SimulatedFleet, __: FleetSnapshot, made: Plan) -> Plan:
    return made


def without_ceiling(snapshot: FleetSnapshot) -> FleetSnapshot:
    return replace(snapshot, scaling=replace(snapshot.scaling, max_vcpu_count=10_000))


def never_hearing_of_a_lower_ceiling(fleet: SimulatedFleet) -> None:
    """The highest so far holds on."""
    highest: dict[str, int] = {}

    def deaf(snapshot: FleetSnapshot) -> FleetSnapshot:
        ceiling = max(highest.get(snapshot.provider, 0), snapshot.scaling.max_vcpu_count)
        highest[snapshot.provider] = ceiling
        return replace(snapshot, scaling=replace(snapshot.scaling, max_vcpu_count=ceiling))

    planning(as_planned, deaf)(fleet)


def all_on_the_first(_: SimulatedFleet, __: FleetSnapshot, made: Plan) -> Plan:
    if not made.assignments:
        return made
    everything = tuple(each for one in made.assignments for each in one.environments)
    first, *others = made.assignments
    return replace(
        made,
        assignments=(replace(first, environments=everything), *(replace(each, environments=()) for each in others)),
    )


def with_a_guest(fleet: SimulatedFleet, snapshot: FleetSnapshot, made: Plan) -> Plan:
    """An environment of another provider's function is put on one of ours."""
    others = [control for name, control in fleet.controls.items() if name != snapshot.provider]
    guests = [key for control in others for key in control.records.behaviours]
    if not guests or not made.assignments or not made.assignments[0].environments:
        return made
    first, *rest = made.assignments
    key, revision = guests[0]
    guest = replace(
        first.environments[0], environment_id=EnvironmentId(f"guest-{first.instance_id}"), key=key, revision=revision
    )
    return replace(made, assignments=(replace(first, environments=(*first.environments, guest)), *rest))


def without_reasons(_: SimulatedFleet, __: FleetSnapshot, made: Plan) -> Plan:
    return replace(made, reasons=()) if made.terminations else made


def without_reasons_of_launches(_: SimulatedFleet, __: FleetSnapshot, made: Plan) -> Plan:
    launched = {each.instance_id for each in made.launches}
    return replace(made, reasons=tuple(each for each in made.reasons if each.subject not in launched))


def without_reasons_of_outcomes(_: SimulatedFleet, __: FleetSnapshot, made: Plan) -> Plan:
    keys = {str(each.key) for each in made.outcomes}
    return replace(made, reasons=tuple(each for each in made.reasons if each.subject not in keys))


def without_reasons_of_ends(_: SimulatedFleet, snapshot: FleetSnapshot, made: Plan) -> Plan:
    """Environments are ended, and only the others of their version are spoken of."""
    wanted = {each.environment_id for one in made.assignments for each in one.environments}
    ended = {str(each.key) for each in snapshot.environments if each.environment_id not in wanted}
    return replace(made, reasons=tuple(each for each in made.reasons if each.subject not in ended))


def without_reasons_of_versions(_: SimulatedFleet, snapshot: FleetSnapshot, made: Plan) -> Plan:
    """Something is said, but not of what starts or drains."""
    versions = {str(version.key) for version in snapshot.versions}
    kept = tuple(each for each in made.reasons if each.subject not in versions)
    return replace(made, reasons=(*kept, Reason(snapshot.provider, "so be it")), outcomes=())


def planning_that_falls_asleep(fleet: SimulatedFleet) -> None:
    """The server is up, its agents are heard, and after a while nobody plans any more."""
    for control in fleet.controls.values():
        plan_now = control._plan_now

        def drowsy(plan_now: Callable[[], None] = plan_now) -> None:
            if fleet.kernel.now < 60:
                plan_now()

        control._plan_now = drowsy  # type: ignore[method-assign]


def ending_instead_of_draining(_: SimulatedFleet, __: FleetSnapshot, made: Plan) -> Plan:
    return replace(
        made,
        assignments=tuple(
            replace(one, environments=tuple(each for each in one.environments if not each.draining))
            for one in made.assignments
        ),
    )


def never_replacing(fleet: SimulatedFleet, snapshot: FleetSnapshot, made: Plan) -> Plan:
    """Once the fleet stands, nothing new is ever started."""
    if fleet.kernel.now < 60:
        return made
    known = {each.environment_id for each in snapshot.environments}
    launched = {each.instance_id for each in made.launches}
    return replace(
        made,
        launches=(),
        assignments=tuple(
            replace(one, environments=tuple(each for each in one.environments if each.environment_id in known))
            for one in made.assignments
            if one.instance_id not in launched
        ),
    )


def never_served(_: SimulatedFleet, __: FleetSnapshot, made: Plan) -> Plan:
    return replace(made, outcomes=tuple(each for each in made.outcomes if not isinstance(each, RevisionServed)))


def stale_configurations(fleet: SimulatedFleet) -> None:
    """The wire brings back an old configuration now and then."""
    first: dict[InstanceId, Configuration] = {}
    send = fleet.configure

    def resend(instance_id: InstanceId, configuration: Configuration) -> None:
        send(instance_id, configuration)
        send(instance_id, first.setdefault(instance_id, configuration))

    fleet.configure = resend  # type: ignore[method-assign]


def generations_that_stand_still(fleet: SimulatedFleet) -> None:
    send = fleet.configure

    def resend(instance_id: InstanceId, configuration: Configuration) -> None:
        send(instance_id, replace(configuration, generation=1))

    fleet.configure = resend  # type: ignore[method-assign]


def a_slot_that_is_never_given_back(fleet: SimulatedFleet) -> None:
    answered = fleet.router.answered

    def forgetful(
        environment_id: EnvironmentId, invocation: SimulatedInvocation, outcome: Outcome, *, slot_held: bool
    ) -> None:
        found = fleet.router.calls.get(invocation.invocation_id)
        answered(environment_id, invocation, outcome, slot_held=slot_held)
        if found is not None and fleet.kernel.dice.random() < 0.01:
            found[1].pool.take()

    fleet.router.answered = forgetful  # type: ignore[method-assign]


def a_slot_given_back_twice(fleet: SimulatedFleet) -> None:
    """An environment takes one more than it has slots."""
    answered = fleet.router.answered

    def hasty(
        environment_id: EnvironmentId, invocation: SimulatedInvocation, outcome: Outcome, *, slot_held: bool
    ) -> None:
        found = fleet.router.calls.get(invocation.invocation_id)
        answered(environment_id, invocation, outcome, slot_held=slot_held)
        if found is not None and found[2].in_flight:
            found[1].pool.release(found[2])

    fleet.router.answered = hasty  # type: ignore[method-assign]


def an_answer_that_is_never_given(fleet: SimulatedFleet) -> None:
    """The handler has answered, and nobody tells the caller."""
    answered = fleet.router.answered

    def silent(
        environment_id: EnvironmentId, invocation: SimulatedInvocation, outcome: Outcome, *, slot_held: bool
    ) -> None:
        if fleet.kernel.dice.random() >= 0.01:
            answered(environment_id, invocation, outcome, slot_held=slot_held)

    fleet.router.answered = silent  # type: ignore[method-assign]


def an_answer_given_twice(fleet: SimulatedFleet) -> None:
    finish = fleet.router._finish

    def twice(invocation: SimulatedInvocation, outcome: Outcome) -> None:
        finish(invocation, outcome)
        if fleet.kernel.now > 40 and not invocation.asynchronous:
            finish(invocation, outcome)

    fleet.router._finish = twice  # type: ignore[method-assign]


def a_call_given_to_two(fleet: SimulatedFleet) -> None:
    """After an environment has taken a synchronous call, the router tries it elsewhere as well."""
    invoke = fleet.invoke

    def greedy(instance_id: InstanceId, environment_id: EnvironmentId, invocation: SimulatedInvocation) -> bool:
        taken = invoke(instance_id, environment_id, invocation)
        if taken and fleet.kernel.now > 40:
            invocation.started += 1
        return taken

    fleet.invoke = greedy  # type: ignore[method-assign]


def a_queue_that_forgets(fleet: SimulatedFleet) -> None:
    def drop(invocation: SimulatedInvocation) -> None:
        fleet.router.waiting.pop(invocation.invocation_id, None)

    fleet.router._retry = drop  # type: ignore[method-assign]


def instances_that_are_not_let_go(fleet: SimulatedFleet) -> None:
    """The launcher says that it ended an instance and did not."""

    def pretend(instance_id: InstanceId, gone: Callable[[InstanceId], None]) -> None:
        fleet.kernel.after(1, lambda: gone(instance_id))

    fleet.launcher.terminate = pretend  # type: ignore[method-assign]


PLANTED: dict[str, tuple[str, Plant]] = {
    "planning that knows no ceiling": ("ceiling", planning(as_planned, without_ceiling)),
    "planning that does not hear of a lower ceiling": ("ceiling", never_hearing_of_a_lower_ceiling),
    "an instance that is said to have ended and has not": ("ceiling", instances_that_are_not_let_go),
    "everything on one instance": ("room", planning(all_on_the_first)),
    "a guest of another provider": ("one provider", planning(with_a_guest)),
    "an old configuration that comes again": ("generation", stale_configurations),
    "a generation with two contents": ("generation", generations_that_stand_still),
    "a plan that does not say why": ("reasons", planning(without_reasons)),
    "a plan that does not say why something starts": ("reasons", planning(without_reasons_of_versions)),
    "a plan that does not say why it launches": ("reasons", planning(without_reasons_of_launches)),
    "a plan that does not say why it serves": ("reasons", planning(without_reasons_of_outcomes)),
    "a plan that does not say why something ends": ("reasons", planning(without_reasons_of_ends)),
    "a slot that is given back twice": ("slots", a_slot_given_back_twice),
    "a slot that is never given back": ("slots", a_slot_that_is_never_given_back),
    "an answer given twice": ("one answer", an_answer_given_twice),
    "an answer that is never given": ("convergence", an_answer_that_is_never_given),
    "a call given to two": ("one slot", a_call_given_to_two),
    "an end instead of a drain": ("no loss", planning(ending_instead_of_draining)),
    "a queue that forgets": ("no loss", a_queue_that_forgets),
    "nothing is ever replaced": ("minimum", planning(never_replacing)),
    "planning that falls asleep": ("minimum", planning_that_falls_asleep),
    "a publish that never ends": ("convergence", planning(never_served)),
}


def test_each_promise_has_a_bug_that_breaks_it() -> None:
    assert {promise for promise, _ in PLANTED.values()} == set(Promise)


def found_by(plant: Plant, name: str) -> InvariantBroken | None:
    """The first breach of that name within the seeds; others are passed over."""
    for seed in SEEDS:
        broken = simulate(seed, plant).broken
        if broken is not None and broken.invariant == name:
            return broken
    return None


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found_and_named(bug: str) -> None:
    name, plant = PLANTED[bug]

    assert found_by(plant, name) is not None


@pytest.mark.parametrize("what", ["usable_vcpu", "usable_memory_mb"])
def test_an_instance_filled_beyond_one_of_both_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """vCPU or memory: what the other one allows is no excuse."""
    usable = getattr(draft, what)
    monkeypatch.setattr(draft, what, lambda kind: usable(kind) * 3)

    assert found_by(planning(as_planned), "room") is not None


def test_a_breach_says_when_and_what_and_survives_another_process() -> None:
    broken = InvariantBroken("slots", 12.5, "two were taken")

    assert str(broken) == "slots at 12.50 s: two were taken"
    assert str(pickle.loads(pickle.dumps(broken))) == str(broken)


def test_a_broken_seed_is_told_with_its_story_and_how_to_see_it_again() -> None:
    report = next(
        report for seed in SEEDS if (report := simulate(seed, planning(as_planned, without_ceiling))).broken is not None
    )

    text = told(FLEETS, report)
    assert f"BROKEN {report.broken}" in text
    assert f"--seed {report.seed}" in text
    assert all(line in text for line in report.story)


def test_an_agent_refuses_what_is_older_and_counts_what_contradicts() -> None:
    seen: list[SimulatedInstance] = []
    simulate(2, lambda fleet: fleet.kernel.watchers.append(lambda: seen.extend(fleet.launcher.living()[:1])))
    instance = seen[-1]
    held = instance.generation
    assert held > 0

    instance.configure(Configuration(held - 1, ()))
    instance.configure(Configuration(held, ()))

    assert (instance.generation, instance.refused_generations) == (held, 1)
