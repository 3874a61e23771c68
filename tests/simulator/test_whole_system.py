"""The real control plane, router and agents by seed: promises kept, planted bugs found, runs that repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from paddock.agent.instance_agent import InstanceAgent
from paddock.controlplane import control_plane, executor, snapshots
from paddock.core.on_demand import Concurrency
from paddock.core.planning import plan
from paddock.model.fleet import ScalingBounds
from paddock.ports.clock import seeded_dice
from paddock.router.dispatch import Dispatcher
from paddock.simulator.__main__ import main
from paddock.simulator.kernel import VirtualClock
from paddock.simulator.network import MemoryNetworkLoop, run_in_memory
from paddock.simulator.seeds import told_whole
from paddock.simulator.whole import world
from paddock.simulator.whole.scenario import WholeReport, simulate_whole
from paddock.wire.agent import AgentConfiguration

SEEDS = range(12)


def kept(report: WholeReport) -> bool:
    if report.broken is not None:
        pytest.fail(told_whole(report))
    return True


@pytest.mark.parametrize("seed", range(6))
def test_the_whole_keeps_every_promise(seed: int) -> None:
    assert kept(simulate_whole(seed))


def test_a_seed_of_the_whole_is_the_same_run_every_time() -> None:
    assert simulate_whole(3).digest == simulate_whole(3).digest
    assert simulate_whole(3).digest != simulate_whole(5).digest


def test_the_command_simulates_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--whole", "--seed", "3"]) == 0
    assert "1 seeds of the whole, 0 broken" in capsys.readouterr().out


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
    patch.setattr(executor, "take_outcome", lambda tx, outcome, **rest: None)


def answers_without_running(patch: pytest.MonkeyPatch) -> None:
    from paddock.ports.invoker import InvokeResult  # noqa: PLC0415
    from paddock.router.router import Router  # noqa: PLC0415

    async def invoke(self: Router, request: Any) -> InvokeResult:
        return InvokeResult(200, b"", "1")

    patch.setattr(Router, "invoke", invoke)


def room_for_the_system_too_and_more(patch: pytest.MonkeyPatch) -> None:
    from paddock.core.planning import draft  # noqa: PLC0415

    patch.setattr(draft, "usable_vcpu", lambda kind: kind.vcpu * 2.0)
    patch.setattr(draft, "usable_memory_mb", lambda kind: int(kind.memory_gib * 2048))


def versions_of_every_provider(patch: pytest.MonkeyPatch) -> None:
    def without_a_filter(tx: Any, provider: Any) -> list[Any]:
        return [version for version in tx.versions.select() if version.configuration.capacity_provider is not None]

    patch.setattr(snapshots, "versions_of", without_a_filter)


def sent_again_after_it_ran(patch: pytest.MonkeyPatch) -> None:
    from paddock.router.router import Router  # noqa: PLC0415

    invoke = Router.invoke

    async def twice(self: Router, request: Any) -> Any:
        await invoke(self, request)
        return await invoke(self, request)

    patch.setattr(Router, "invoke", twice)


def plans_without_reasons(patch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace  # noqa: PLC0415

    patch.setattr(control_plane, "plan", lambda *given, **rest: replace(plan(*given, **rest), reasons=()))


def the_account_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    """What is reserved still is; what is not has no limit, and the machine room for all."""
    admit = Concurrency.admit

    def unlimited(self: Concurrency, function: Any) -> Any:
        self._unreserved_limit = self._room = 1000
        return admit(self, function)

    patch.setattr(Concurrency, "admit", unlimited)
    patch.setattr(world, "MOST_ENVIRONMENTS", 40)


def an_answer_is_lost_now_and_then(patch: pytest.MonkeyPatch) -> None:
    from paddock.ports.invoker import InvokeResult  # noqa: PLC0415
    from paddock.router.router import Router  # noqa: PLC0415

    invoke = Router.invoke
    count = iter(range(1, 1_000_000))

    async def lossy(self: Router, request: Any) -> Any:
        result = await invoke(self, request)
        return result if next(count) % 10 else InvokeResult(502, b"", "1", error_code="ServiceException")

    patch.setattr(Router, "invoke", lossy)


PLANTED: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "nobody knows the ceiling": ("ceiling", no_ceiling),
    "nothing is reserved": ("reserved", no_reservation),
    "a slot is never given back": ("convergence", a_slot_never_given_back),
    "an accepted invocation is forgotten": ("no loss", an_accepted_one_is_forgotten),
    "a generation goes back": ("generation", a_generation_goes_back),
    "a publish never ends": ("convergence", never_served),
    "an answer without a run": ("one answer", answers_without_running),
    "instances are filled beyond their room": ("room", room_for_the_system_too_and_more),
    "a plan takes every provider's versions": ("one provider", versions_of_every_provider),
    "a call is sent again after it ran": ("one slot", sent_again_after_it_ran),
    "plans say no reason": ("reasons", plans_without_reasons),
    "nobody counts the account": ("account limit", the_account_is_not_counted),
    "an answer is lost now and then": ("no loss", an_answer_is_lost_now_and_then),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_bug_planted_in_the_product_is_found_and_named(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, plant = PLANTED[bug]
    plant(monkeypatch)

    found = (simulate_whole(seed).broken for seed in SEEDS)

    assert any(broken is not None and broken.invariant == name for broken in found)


# The network itself


class Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def in_memory(scenario: Callable[[MemoryNetworkLoop], Any]) -> Any:
    async def within() -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MemoryNetworkLoop)
        return await scenario(loop)

    return run_in_memory(within(), VirtualClock(), seeded_dice(1))


def test_bytes_arrive_in_order_and_before_the_end_of_their_connection() -> None:
    async def scenario(loop: MemoryNetworkLoop) -> Recorder:
        there = Recorder()
        loop.listen("/here", lambda: there)
        transport, _ = await loop.create_unix_connection(Recorder, "/here")
        for number in range(20):
            transport.write(b"%d" % number)
        transport.close()
        transport.write(b"too late")
        await asyncio.sleep(1)
        return there

    there = in_memory(scenario)
    assert there.heard == [b"%d" % number for number in range(20)]
    assert there.lost


def test_nobody_answers_where_nobody_listens_or_can_be_reached() -> None:
    async def scenario(loop: MemoryNetworkLoop) -> None:
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

    in_memory(scenario)
