"""What every launcher must keep, as checks that run against any of them: fake, local, and those still to come.

A launcher's test makes a `LauncherUnderTest` and runs each of `CHECKS` on a fresh one. No check sleeps by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from paddock.model.capacity_provider import Architecture
from paddock.model.ids import AvailabilityZone, CapacityProviderName, InstanceId, SubnetId
from paddock.model.instance_types import InstanceType
from paddock.model.states import InstancePhase
from paddock.ports.launcher import InstanceLauncher, LaunchError, LaunchRequest, ObservedInstance


class LauncherUnderTest(Protocol):
    """`launcher` belongs to nobody else; `architecture` is one it can launch."""

    launcher: InstanceLauncher
    architecture: Architecture

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        """Let time pass until it is so; fail when that takes too long."""
        ...

    async def crash(self, instance_id: InstanceId) -> None:
        """Make a running instance end by itself."""
        ...

    async def restart(self) -> None:
        """`launcher` becomes a new one over the same engine, as after a restart of the server."""
        ...

    async def leftovers(self, instance_id: InstanceId) -> int:
        """How many processes of the instance there are; 0 where a launcher cannot know."""
        ...


def launch_request(under_test: LauncherUnderTest, number: int = 1, zone: str = "us-east-1a") -> LaunchRequest:
    return LaunchRequest(
        instance_id=InstanceId(f"i-{number:017x}"),
        provider=CapacityProviderName("pool"),
        instance_type=InstanceType("m7g.large", 2, 8.0, under_test.architecture),
        zone=AvailabilityZone(zone),
        subnet_id=SubnetId(f"subnet-{zone[-1]}"),
        security_group_ids=(),
        entitled_cores=0.5,
        strict_cpu=False,
        token=f"token-{number}",
    )


async def observed(under_test: LauncherUnderTest, instance_id: InstanceId) -> ObservedInstance | None:
    return next((one for one in await under_test.launcher.list() if one.instance_id == instance_id), None)


async def reach(under_test: LauncherUnderTest, instance_id: InstanceId, phase: InstancePhase) -> ObservedInstance:
    found: list[ObservedInstance] = []

    async def is_so() -> bool:
        one = await observed(under_test, instance_id)
        if one is not None and one.phase is phase:
            found.append(one)
        return bool(found)

    await under_test.until(is_so)
    return found[-1]


async def running(under_test: LauncherUnderTest, number: int = 1, zone: str = "us-east-1a") -> ObservedInstance:
    request = launch_request(under_test, number, zone)
    await under_test.launcher.launch(request)
    return await reach(under_test, request.instance_id, InstancePhase.RUNNING)


async def ended(under_test: LauncherUnderTest, instance_id: InstanceId) -> ObservedInstance:
    return await reach(under_test, instance_id, InstancePhase.TERMINATED)


async def refused(under_test: LauncherUnderTest, request: LaunchRequest) -> LaunchError | None:
    try:
        await under_test.launcher.launch(request)
    except LaunchError as refusal:
        return refusal
    return None


async def a_launched_instance_is_listed_as_it_was_asked_for(under_test: LauncherUnderTest) -> None:
    one = await running(under_test)
    assert (one.provider, one.zone, one.token) == ("pool", "us-east-1a", "token-1")
    assert one.address is not None
    assert one.started_at is not None
    assert "token-1" not in repr(one)


async def a_second_launch_of_an_id_is_the_same_instance(under_test: LauncherUnderTest) -> None:
    one = await running(under_test)
    await under_test.launcher.launch(launch_request(under_test))
    assert await under_test.launcher.list() == (one,)


async def an_id_that_has_ended_never_runs_again(under_test: LauncherUnderTest) -> None:
    one = await running(under_test)
    await under_test.launcher.terminate(one.instance_id, 0)
    await ended(under_test, one.instance_id)
    refusal = await refused(under_test, launch_request(under_test))
    assert refusal is not None
    assert not refusal.transient
    await ended(under_test, one.instance_id)


async def termination_ends_the_instance_with_all_its_processes(under_test: LauncherUnderTest) -> None:
    one = await running(under_test)
    await under_test.launcher.terminate(one.instance_id, 5)
    assert (await ended(under_test, one.instance_id)).reason is None
    assert await under_test.leftovers(one.instance_id) == 0


async def to_terminate_twice_or_the_unknown_is_no_error(under_test: LauncherUnderTest) -> None:
    one = await running(under_test)
    await under_test.launcher.terminate(InstanceId("i-unknown"), 1)
    for _ in range(2):
        await under_test.launcher.terminate(one.instance_id, 1)
    await ended(under_test, one.instance_id)
    await under_test.launcher.terminate(one.instance_id, 1)


async def the_list_is_complete(under_test: LauncherUnderTest) -> None:
    assert await under_test.launcher.list() == ()
    zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
    made = [await running(under_test, number, zone) for number, zone in enumerate(zones, 1)]
    assert [(one.instance_id, one.zone) for one in await under_test.launcher.list()] == [
        (one.instance_id, one.zone) for one in made
    ]
    await under_test.launcher.terminate(made[1].instance_id, 0)
    await ended(under_test, made[1].instance_id)
    living = [one for one in await under_test.launcher.list() if one.phase is InstancePhase.RUNNING]
    assert [one.instance_id for one in living] == [made[0].instance_id, made[2].instance_id]


async def an_instance_that_ended_by_itself_is_listed_with_a_reason(under_test: LauncherUnderTest) -> None:
    one = await running(under_test)
    await under_test.crash(one.instance_id)
    assert (await ended(under_test, one.instance_id)).reason
    assert await under_test.leftovers(one.instance_id) == 0


async def a_new_server_finds_the_instances_of_the_last_one(under_test: LauncherUnderTest) -> None:
    one = await running(under_test)
    await under_test.restart()
    assert await under_test.launcher.list() == (one,)
    await under_test.launcher.terminate(one.instance_id, 1)
    await ended(under_test, one.instance_id)


async def what_it_can_do_is_said(under_test: LauncherUnderTest) -> None:
    said = under_test.launcher.capabilities()
    assert said.name
    assert said.network
    assert said.isolation


CHECKS: tuple[Callable[[LauncherUnderTest], Awaitable[None]], ...] = (
    a_launched_instance_is_listed_as_it_was_asked_for,
    a_second_launch_of_an_id_is_the_same_instance,
    an_id_that_has_ended_never_runs_again,
    termination_ends_the_instance_with_all_its_processes,
    to_terminate_twice_or_the_unknown_is_no_error,
    the_list_is_complete,
    an_instance_that_ended_by_itself_is_listed_with_a_reason,
    a_new_server_finds_the_instances_of_the_last_one,
    what_it_can_do_is_said,
)
