"""The real control plane, router and agents by seed: promises kept, planted bugs found, runs that repeat."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from paddock.agent.environment import ExecutionEnvironment
from paddock.agent.instance_agent import InstanceAgent
from paddock.controlplane import control_plane, executor, reconciler, snapshots
from paddock.controlplane.on_demand.reconciler import OnDemandReconciler
from paddock.core.environment import machine
from paddock.core.environment.slots import Slots
from paddock.core.on_demand import Concurrency, ThrottleReason
from paddock.core.planning import plan
from paddock.core.routing.table import EnvironmentPlacement, RoutingTable
from paddock.model.fleet import Reason, ScalingBounds
from paddock.model.ids import DEFAULT_LAMBDA, NO_TENANT
from paddock.ports.clock import seeded_dice
from paddock.router.callers import HttpCall
from paddock.router.dispatch import Dispatcher
from paddock.router.following import follow
from paddock.router.front import InvokeFront
from paddock.simulator.__main__ import main
from paddock.simulator.decisions import Decision
from paddock.simulator.kernel import VirtualClock
from paddock.simulator.network import MemoryNetworkLoop, run_in_memory
from paddock.simulator.report import CRASH, Report, spoken
from paddock.simulator.seeds import WHOLE, simulate_seeds, told
from paddock.simulator.whole import checker, runtimes, scenario, world
from paddock.simulator.whole.callers import Manner
from paddock.simulator.whole.checker import AMPLE_VCPU, Promise
from paddock.simulator.whole.happenings import Happenings
from paddock.simulator.whole.scenario import simulate_whole
from paddock.simulator.whole.traffic import Form
from paddock.wire.agent import AgentConfiguration

TRIED_SEEDS = 12
SEEDS = [*range(32), 49]
"""In 49 a publish gives up, which is rare."""
MADE = {*Decision} - {Decision.REMOVE, Decision.DEACTIVATE}
"""Nothing is deleted or deactivated here: `test_real_control_plane` does."""


def kept(report: Report) -> bool:
    if report.broken is not None:
        pytest.fail(told(WHOLE, report))
    return True


@pytest.mark.slow
def test_the_whole_keeps_every_promise_whatever_befalls_it() -> None:
    total = Report(0)
    for report in simulate_seeds(WHOLE, SEEDS):
        assert kept(report)
        total.add(report)

    faults = (*Happenings.FAULTS, *Happenings.OF_ROUTERS)
    assert set(total.faults) == {spoken(each) for each in faults}
    asked = {spoken(each) for each in Happenings.REQUESTS}
    assert set(total.requests) == {*asked, *Form, *Manner, "connection used again"}
    assert set(total.decisions) == MADE
    assert set(total.checks) == set(Promise)
    assert set(total.outcomes) >= {"answered", "accepted", "throttled", "lost", "left", "function error"}


def test_a_seed_of_the_whole_is_the_same_run_every_time() -> None:
    assert simulate_whole(3).digest == simulate_whole(3).digest
    assert simulate_whole(3).digest != simulate_whole(5).digest


def test_a_seed_of_the_whole_is_the_same_run_in_another_process() -> None:
    """Neither the hashes of strings nor where objects lie in memory may tell one run from another."""
    program = "from paddock.simulator.whole.scenario import simulate_whole; print(simulate_whole(12).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(digests) == 1


def test_the_command_simulates_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--whole", "--seed", "3"]) == 0
    assert "1 seeds of the whole, 0 broken" in capsys.readouterr().out


def every_tenth(times: Iterator[int] | None = None) -> Callable[[], bool]:
    count = times or iter(range(1, 1_000_000))
    return lambda: next(count) % 10 == 0


def no_ceiling(patch: pytest.MonkeyPatch) -> None:
    """Neither planning nor the transaction knows MaxVCpuCount."""
    from dataclasses import replace  # noqa: PLC0415

    def without(snapshot: Any, **rest: Any) -> Any:
        many = tuple(replace(each, bounds=ScalingBounds(40, None)) for each in snapshot.versions)
        scaling = replace(snapshot.scaling, max_vcpu_count=10_000)
        return plan(replace(snapshot, scaling=scaling, versions=many), **rest)

    patch.setattr(control_plane, "plan", without)
    patch.setattr(executor, "_store_within_cap", _store_all)


def _store_all(tx: Any, _: Any, intents: list[Any]) -> list[Any]:
    tx.instances.put_many(intents)
    return intents


def no_reservation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Concurrency, "admit", lambda _, __: None)


def a_slot_never_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scenario, "MEND_SECONDS", 200.0)
    release = Dispatcher._release
    count = iter(range(10_000))

    def forgetful(self: Dispatcher, destination: Any, environment: Any) -> None:
        if next(count) % 10:
            release(self, destination, environment)

    patch.setattr(Dispatcher, "_release", forgetful)


def an_accepted_one_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    from paddock.controlplane.async_invokes import AsyncInvocations  # noqa: PLC0415

    put = AsyncInvocations.put
    count = iter(range(10_000))

    async def forgetful(self: AsyncInvocations, request: Any) -> None:
        if next(count) % 5:
            await put(self, request)

    patch.setattr(AsyncInvocations, "put", forgetful)


def a_generation_goes_back(patch: pytest.MonkeyPatch) -> None:
    reconcile = InstanceAgent._reconcile

    def back(self: InstanceAgent) -> None:
        reconcile(self)
        if self._ledger.generation > 3:
            self._ledger._held = AgentConfiguration(1, self._ledger.environments)

    patch.setattr(InstanceAgent, "_reconcile", back)


def never_served(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scenario, "MEND_SECONDS", 200.0)
    patch.setattr(executor, "take_outcome", lambda tx, outcome, **rest: None)


def default_lambda_is_never_planned_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scenario, "MEND_SECONDS", 200.0)

    async def idle(_: Any) -> float:
        return 1.0

    patch.setattr(OnDemandReconciler, "_round", idle)


def answers_without_running(patch: pytest.MonkeyPatch) -> None:
    def invoke(self: InvokeFront, request: Any, responder: Any, *_: Any) -> None:
        responder.send(200, (), b"{}")

    patch.setattr(InvokeFront, "invoke", invoke)


def anothers_answer(patch: pytest.MonkeyPatch) -> None:
    """The body of the answer before."""
    answered, bodies = HttpCall.answered, [b""]

    def mixed_up(self: HttpCall, result: Any, body: bytes) -> None:
        bodies.append(body)
        answered(self, result, bodies.pop(0))

    patch.setattr(HttpCall, "answered", mixed_up)


def room_for_the_system_too_and_more(patch: pytest.MonkeyPatch) -> None:
    from paddock.core.planning import draft  # noqa: PLC0415

    patch.setattr(draft, "usable_vcpu", lambda kind: kind.vcpu * 2.0)
    patch.setattr(draft, "usable_memory_mb", lambda kind: int(kind.memory_gib * 2048))


def versions_of_every_provider(patch: pytest.MonkeyPatch) -> None:
    def without_a_filter(tx: Any, provider: Any) -> list[Any]:
        return [version for version in tx.versions.select() if version.configuration.capacity_provider is not None]

    patch.setattr(snapshots, "versions_of", without_a_filter)


def sent_again_after_it_ran(patch: pytest.MonkeyPatch) -> None:
    answered = HttpCall.answered
    dispatchers: list[Dispatcher] = []
    start = Dispatcher.start

    def remembered(self: Dispatcher, call: Any) -> None:
        dispatchers[:] = [self]
        start(self, call)

    def again(self: HttpCall, result: Any, body: bytes) -> None:
        answered(self, result, body)
        if not self.refused:
            self.refused = (cast("Any", None),)
            dispatchers[0].start(self)

    patch.setattr(Dispatcher, "start", remembered)
    patch.setattr(HttpCall, "answered", again)


def plans_without_reasons(patch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace  # noqa: PLC0415

    patch.setattr(control_plane, "plan", lambda *given, **rest: replace(plan(*given, **rest), reasons=()))


def plans_that_say_something_else(patch: pytest.MonkeyPatch) -> None:
    """There is a reason, but not of what they do."""
    from dataclasses import replace  # noqa: PLC0415

    def evasive(snapshot: Any, **rest: Any) -> Any:
        return replace(plan(snapshot, **rest), reasons=(Reason(snapshot.provider, "so be it"),))

    patch.setattr(control_plane, "plan", evasive)


def plans_that_do_not_speak_of_versions(patch: pytest.MonkeyPatch) -> None:
    """What starts and drains has no reason; what comes and goes of instances has."""
    from dataclasses import replace  # noqa: PLC0415

    def of_instances(snapshot: Any, **rest: Any) -> Any:
        made = plan(snapshot, **rest)
        versions = {str(each.key) for each in snapshot.versions}
        kept = tuple(each for each in made.reasons if each.subject not in versions)
        return replace(made, reasons=(*kept, Reason(snapshot.provider, "so be it")))

    patch.setattr(control_plane, "plan", of_instances)


def the_account_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    """What is reserved still is; what is not has no limit, and the machine room for all."""
    admit = Concurrency.admit

    def unlimited(self: Concurrency, function: Any) -> Any:
        self._unreserved_limit = self._room = 1000
        return admit(self, function)

    patch.setattr(Concurrency, "admit", unlimited)
    patch.setattr(world, "MOST_ENVIRONMENTS", 40)


def an_answer_is_lost_now_and_then(patch: pytest.MonkeyPatch) -> None:
    answered, lost = HttpCall.answered, every_tenth()

    def lossy(self: HttpCall, result: Any, body: bytes) -> None:
        if lost():
            self.lost()
        else:
            answered(self, result, body)

    patch.setattr(HttpCall, "answered", lossy)


def an_agent_that_does_not_count(patch: pytest.MonkeyPatch) -> None:
    """One more than there are slots. Runtimes poll often enough to get it; one environment has all the calls."""
    from dataclasses import replace  # noqa: PLC0415

    def for_one(snapshot: Any, **rest: Any) -> Any:
        versions = tuple(replace(each, bounds=ScalingBounds(1, 1)) for each in snapshot.versions)
        return plan(replace(snapshot, versions=versions), **rest)

    class Roomy(Slots[Any]):
        def _count(self) -> None:
            self.count = self._max + 1

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._count()

    patch.setattr(machine, "Slots", Roomy)
    patch.setattr(control_plane, "plan", for_one)
    patch.setattr(runtimes, "SPARE_POLLS", 1.0)


def a_router_that_listens_before_it_knows_anything(patch: pytest.MonkeyPatch) -> None:
    async def too_early(path: str, router: Any, router_id: str, routed: asyncio.Event) -> None:
        routed.set()
        await follow(path, router, router_id, routed)

    patch.setattr("paddock.router.process.follow", too_early)


def a_minimum_that_is_not_made_good(patch: pytest.MonkeyPatch) -> None:
    """Once it serves, a version needs no more than one environment; what it loses is not replaced."""
    from dataclasses import replace  # noqa: PLC0415

    def careless(snapshot: Any, **rest: Any) -> Any:
        versions = tuple(
            replace(each, bounds=ScalingBounds(1, None)) if each.serving == each.revision else each
            for each in snapshot.versions
        )
        return plan(replace(snapshot, versions=versions), **rest)

    patch.setattr(control_plane, "plan", careless)


def a_minimum_that_dips(patch: pytest.MonkeyPatch) -> None:
    """Now and then one is drained before another is there in its place: for a second or two."""
    from dataclasses import replace  # noqa: PLC0415

    count = iter(range(1, 1_000_000))

    def hasty(snapshot: Any, **rest: Any) -> Any:
        made = plan(snapshot, **rest)
        first = next((each for each in made.assignments if each.environments), None)
        if next(count) % 15 or first is None:
            return made
        drained = replace(first.environments[0], draining=True)
        changed = replace(first, environments=(drained, *first.environments[1:]))
        assignments = tuple(changed if each is first else each for each in made.assignments)
        reasons = (*made.reasons, Reason(str(drained.key), "it has served long enough"))
        return replace(made, assignments=assignments, reasons=reasons)

    patch.setattr(control_plane, "plan", hasty)


def a_lowered_ceiling_is_not_heard_of(patch: pytest.MonkeyPatch) -> None:
    """Who lowers it, wants less: and gets more."""
    from dataclasses import replace  # noqa: PLC0415

    def deaf(snapshot: Any, **rest: Any) -> Any:
        if snapshot.scaling.max_vcpu_count >= AMPLE_VCPU:
            return plan(snapshot, **rest)
        many = tuple(replace(each, bounds=ScalingBounds(40, None)) for each in snapshot.versions)
        scaling = replace(snapshot.scaling, max_vcpu_count=10_000)
        return plan(replace(snapshot, scaling=scaling, versions=many), **rest)

    patch.setattr(control_plane, "plan", deaf)
    patch.setattr(executor, "_store_within_cap", _store_all)


def a_provider_takes_default_lambdas_functions(patch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace  # noqa: PLC0415

    stored_fleet = snapshots.stored_fleet

    def greedy(tx: Any, provider: Any) -> Any:
        stored = stored_fleet(tx, provider)
        plain = [each for each in tx.versions.select(provider=DEFAULT_LAMBDA) if each.serving is not None]
        dated = tuple(replace(each, published_at=each.last_modified) for each in plain)
        return replace(stored, versions=(*stored.versions, *dated))

    patch.setattr(reconciler, "stored_fleet", greedy)


def default_lambda_takes_providers_functions(patch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace  # noqa: PLC0415

    read = OnDemandReconciler._read_default

    def greedy(self: OnDemandReconciler, tx: Any) -> Any:
        stored, provisioned = read(self, tx)
        managed = [each for each in tx.versions.select() if each.serving is not None and not each.is_latest]
        wanted = {each.key: 1 for each in managed}
        return replace(stored, versions=(*stored.versions, *managed)), {**provisioned, **wanted}

    patch.setattr(OnDemandReconciler, "_read_default", greedy)


def the_platform_names_another_tenant(patch: pytest.MonkeyPatch) -> None:
    """Calls come to their own environments; only what the handler is told is wrong."""
    begin = ExecutionEnvironment.__init__

    def confused(self: ExecutionEnvironment, spec: Any, *rest: Any) -> None:
        begin(self, spec, *rest)
        if spec.tenant_id:
            self.server.tenant_head = "Lambda-Runtime-Aws-Tenant-Id: somebody\r\n"

    patch.setattr(ExecutionEnvironment, "__init__", confused)


def a_call_that_is_never_answered(patch: pytest.MonkeyPatch) -> None:
    answered, silent = HttpCall.answered, every_tenth()

    def forgetful(self: HttpCall, result: Any, body: bytes) -> None:
        if not silent():
            answered(self, result, body)

    patch.setattr(HttpCall, "answered", forgetful)


def what_is_reserved_is_taken_by_others(patch: pytest.MonkeyPatch) -> None:
    """The account is counted, what is set aside within it is not."""
    reserve = Concurrency.reserve

    def careless(self: Concurrency, *given: Any) -> None:
        reserve(self, *given)
        self._unreserved_limit = world.ACCOUNT_CONCURRENCY

    patch.setattr(Concurrency, "reserve", careless)
    patch.setattr(world, "ACCOUNT_CONCURRENCY", 6)
    patch.setattr(checker, "ACCOUNT_CONCURRENCY", 6)


def some_are_refused_for_nothing(patch: pytest.MonkeyPatch) -> None:
    start, refused = Dispatcher.start, every_tenth()

    def moody(self: Dispatcher, call: Any) -> None:
        if call.destination.on_demand or not refused():
            start(self, call)
        else:
            call.throttled(ThrottleReason.ACCOUNT)

    patch.setattr(Dispatcher, "start", moody)


def tenants_share_environments(patch: pytest.MonkeyPatch) -> None:
    """The routing table does not tell the tenants of a function apart."""
    from dataclasses import replace  # noqa: PLC0415

    place = RoutingTable.place

    def place_for_all(self: RoutingTable, placement: EnvironmentPlacement) -> None:
        place(self, replace(placement, key=placement.key._replace(tenant_id=NO_TENANT)))

    patch.setattr(RoutingTable, "place", place_for_all)


PLANTED: dict[str, tuple[Promise, Callable[[pytest.MonkeyPatch], None], int]] = {
    "nobody knows the ceiling": (Promise.CEILING, no_ceiling, 0),
    "nothing is reserved": (Promise.RESERVED, no_reservation, 1),
    "a slot is never given back": (Promise.CONVERGENCE, a_slot_never_given_back, 0),
    "an accepted invocation is forgotten": (Promise.NO_LOSS, an_accepted_one_is_forgotten, 0),
    "a generation goes back": (Promise.GENERATION, a_generation_goes_back, 0),
    "a publish never ends": (Promise.CONVERGENCE, never_served, 0),
    "default Lambda is never planned for": (Promise.CONVERGENCE, default_lambda_is_never_planned_for, 0),
    "an answer without a run": (Promise.ONE_ANSWER, answers_without_running, 0),
    "instances are filled beyond their room": (Promise.ROOM, room_for_the_system_too_and_more, 0),
    "a lowered ceiling is not heard of": (Promise.CEILING, a_lowered_ceiling_is_not_heard_of, 0),
    "a plan takes every provider's versions": (Promise.ONE_PROVIDER, versions_of_every_provider, 0),
    "a provider takes default Lambda's": (Promise.ONE_PROVIDER, a_provider_takes_default_lambdas_functions, 0),
    "default Lambda takes a provider's": (Promise.ONE_PROVIDER, default_lambda_takes_providers_functions, 0),
    "a call is sent again after it ran": (Promise.ONE_SLOT, sent_again_after_it_ran, 0),
    "tenants share environments": (Promise.ONE_TENANT, tenants_share_environments, 0),
    "the platform names another tenant": (Promise.ONE_TENANT, the_platform_names_another_tenant, 0),
    "plans say no reason": (Promise.REASONS, plans_without_reasons, 0),
    "plans speak of something else": (Promise.REASONS, plans_that_say_something_else, 0),
    "plans do not speak of versions": (Promise.REASONS, plans_that_do_not_speak_of_versions, 0),
    "what is reserved is taken by others": (Promise.ACCOUNT_LIMIT, what_is_reserved_is_taken_by_others, 0),
    "nobody counts the account": (Promise.ACCOUNT_LIMIT, the_account_is_not_counted, 0),
    "an answer is lost now and then": (Promise.NO_LOSS, an_answer_is_lost_now_and_then, 0),
    "another's answer": (Promise.ONE_ANSWER, anothers_answer, 0),
    "a call that is never answered": (Promise.ONE_ANSWER, a_call_that_is_never_answered, 0),
    "an agent that does not count": (Promise.SLOTS, an_agent_that_does_not_count, 0),
    "a router that listens too early": (Promise.KNOWN, a_router_that_listens_before_it_knows_anything, 56),
    "a minimum is not made good": (Promise.MINIMUM, a_minimum_that_is_not_made_good, 12),
    "some are refused for nothing": (Promise.CAPACITY, some_are_refused_for_nothing, 0),
    "a minimum dips for a moment": (Promise.MINIMUM, a_minimum_that_dips, 0),
}
"""What each breaks, and a seed that shows it: when it no longer does, those after it are tried."""
SAID = {
    "a plan takes every provider's versions": "runs on i-[0-9a-f]+ of provider",
    "a provider takes default Lambda's": "plain. runs on i-[0-9a-f]+ of provider",
    "default Lambda takes a provider's": f"f.. runs on i-[0-9a-f]+ of {re.escape(DEFAULT_LAMBDA)}",
}
"""Of those that go wrong in one direction of several: how the breach is told."""


@pytest.mark.parametrize("bug", PLANTED)
def test_a_bug_planted_in_the_product_is_found_and_named(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    promise, plant, first = PLANTED[bug]
    plant(monkeypatch)

    found = (simulate_whole(seed).broken for seed in range(first, first + TRIED_SEEDS))

    assert any(
        broken is not None and broken.invariant == promise and re.search(SAID.get(bug, ""), str(broken))
        for broken in found
    )


def test_an_exception_that_is_only_logged_is_a_breach(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next round comes, and all goes well in the end."""
    fails = every_tenth()

    def fragile(snapshot: Any, **rest: Any) -> Any:
        if fails():
            raise RuntimeError("nobody expected this")
        return plan(snapshot, **rest)

    monkeypatch.setattr(control_plane, "plan", fragile)

    broken = simulate_whole(3).broken

    assert broken is not None
    assert broken.invariant == CRASH
    assert "nobody expected this" in str(broken)


def test_each_promise_has_a_bug_that_breaks_it() -> None:
    assert {promise for promise, _, _ in PLANTED.values()} == set(Promise)


# The network itself


class Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def in_memory(meeting: Callable[[MemoryNetworkLoop], Any]) -> Any:
    async def within() -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MemoryNetworkLoop)
        return await meeting(loop)

    return run_in_memory(within(), VirtualClock(), seeded_dice(1))


def test_bytes_arrive_in_order_and_before_the_end_of_their_connection() -> None:
    async def meeting(loop: MemoryNetworkLoop) -> Recorder:
        there = Recorder()
        loop.listen("/here", lambda: there)
        transport, _ = await loop.create_unix_connection(Recorder, "/here")
        for number in range(20):
            transport.write(b"%d" % number)
        transport.close()
        transport.write(b"too late")
        await asyncio.sleep(1)
        return there

    there = in_memory(meeting)
    assert there.heard == [b"%d" % number for number in range(20)]
    assert there.lost


def test_nobody_answers_where_nobody_listens_or_can_be_reached() -> None:
    async def meeting(loop: MemoryNetworkLoop) -> None:
        server = loop.listen("/here", Recorder)
        loop.unreachable.add("/here")
        with pytest.raises(ConnectionRefusedError):
            await loop.create_unix_connection(Recorder, "/here")
        loop.unreachable.clear()
        _, ours = await loop.create_unix_connection(Recorder, "/here")
        server.close()
        server.cut()
        await asyncio.sleep(1)
        assert ours.lost
        with pytest.raises(ConnectionRefusedError):
            await loop.create_unix_connection(Recorder, "/here")

    in_memory(meeting)
