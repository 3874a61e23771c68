from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from paddock.launchers.fake import FakeEngine, FakeLauncher
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import AvailabilityZone, InstanceId
from paddock.model.states import InstancePhase, StateReasonCode
from paddock.ports.launcher import InstanceLauncher, LaunchError
from paddock.testing.launcher_conformance import CHECKS, LauncherUnderTest, launch_request


class VirtualClock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


class FakeUnderTest:
    architecture = Architecture.ARM64

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.engine = FakeEngine(launch_delay=timedelta(seconds=3))
        self.fake = FakeLauncher(self.engine, self.clock)
        self.launcher: InstanceLauncher = self.fake

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(60):
            if await is_so():
                return
            self.clock.at += timedelta(seconds=1)
        raise AssertionError("it never became so")

    async def crash(self, instance_id: InstanceId) -> None:
        self.fake.crash(instance_id, "the machine is on fire")

    async def restart(self) -> None:
        self.fake = FakeLauncher(self.engine, self.clock)
        self.launcher = self.fake

    async def leftovers(self, instance_id: InstanceId) -> int:
        return 0


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_fake_launcher_keeps_the_contract(check: Callable[[LauncherUnderTest], Awaitable[None]]) -> None:
    await check(FakeUnderTest())


async def test_a_refusal_is_given_once() -> None:
    under_test = FakeUnderTest()
    refusal = LaunchError(StateReasonCode.VCPU_LIMIT_EXCEEDED, "no more vCPUs", transient=False)
    under_test.engine.refusals.append(refusal)
    with pytest.raises(LaunchError) as raised:
        await under_test.launcher.launch(launch_request(under_test))
    assert raised.value is refusal
    await under_test.launcher.launch(launch_request(under_test))


async def test_a_full_zone_has_insufficient_capacity_until_something_ends() -> None:
    under_test = FakeUnderTest()
    under_test.engine.room = {AvailabilityZone("us-east-1a"): 1}
    one, two = launch_request(under_test, 1), launch_request(under_test, 2)
    await under_test.launcher.launch(one)
    with pytest.raises(LaunchError) as raised:
        await under_test.launcher.launch(two)
    assert raised.value.transient
    assert raised.value.reason_code is StateReasonCode.INSUFFICIENT_CAPACITY
    await under_test.launcher.launch(launch_request(under_test, 3, "us-east-1b"))
    await under_test.launcher.terminate(one.instance_id, 0)
    await under_test.launcher.launch(two)


async def test_a_stuck_launch_stays_pending() -> None:
    under_test = FakeUnderTest()
    under_test.engine.stuck_zones = {AvailabilityZone("us-east-1a")}
    await under_test.launcher.launch(launch_request(under_test))
    under_test.clock.at += timedelta(hours=1)
    (observed,) = await under_test.launcher.list()
    assert observed.phase is InstancePhase.PENDING
    assert observed.address is None
