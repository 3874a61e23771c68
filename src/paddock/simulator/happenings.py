"""What may befall a fleet: faults of the machinery, and what people ask for meanwhile. Each is one method; dice choose.

A happening says to the checker that it disturbs, and is written to the story that is shown with a failing seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from paddock.model.fleet import ScalingBounds, VersionTarget
from paddock.model.ids import AvailabilityZone, FunctionVersionKey, RevisionId
from paddock.model.states import InstancePhase
from paddock.simulator.control import SimulatedControlPlane
from paddock.simulator.fleet import SimulatedFleet
from paddock.simulator.instances import LaunchFault, SimulatedInstance
from paddock.simulator.invariants import Checker
from paddock.simulator.report import spoken
from paddock.simulator.words import Behaviour

Happening = Callable[["Happenings"], str | None]
"""Does it, and says what it did; None when there was nothing to do it to."""


class Happenings:
    def __init__(self, fleet: SimulatedFleet, checker: Checker) -> None:
        self.story: list[str] = []
        self.faulted: Counter[str] = Counter()
        self.requested: Counter[str] = Counter()
        self._fleet = fleet
        self._checker = checker
        self._kernel = fleet.kernel
        self._dice = fleet.kernel.dice

    def fault(self) -> None:
        self._happen(self._dice.choice(self.FAULTS), self.faulted)

    def request(self) -> None:
        self._happen(self._dice.choice(self.REQUESTS), self.requested)

    def _happen(self, happening: Happening, counted: Counter[str]) -> None:
        told = happening(self)
        if told is not None:
            counted[spoken(happening)] += 1
            self._checker.disturbed()
            self.story.append(f"{self._kernel.now:7.1f} s  {told}")

    # Faults

    def instance_dies(self) -> str | None:
        instance = self._some_instance()
        if instance is None:
            return None
        instance.fail()
        return f"{instance.instance_id} dies"

    def agent_is_cut_off(self) -> str | None:
        instance = self._some_instance()
        if instance is None:
            return None
        seconds = self._dice.uniform(1, 30)
        instance.cut(seconds)
        self._kernel.after(seconds, self._checker.disturbed)
        return f"{instance.instance_id} is cut off for {seconds:.1f} s"

    def environment_crashes(self) -> str | None:
        instance = self._some_instance()
        if instance is None or not instance.environments:
            return None
        environment = self._dice.choice(list(instance.environments.values()))
        environment.crash()
        return f"{environment.environment_id} crashes"

    def zone_is_lost(self) -> str | None:
        zone, seconds = self._some_zone(), self._dice.uniform(10, 60)
        self._fleet.launcher.zones_down[zone] = True
        for instance in self._fleet.launcher.living():
            if instance.launch.zone == zone:
                instance.fail()

        def back() -> None:
            self._fleet.launcher.zones_down[zone] = False
            self._checker.disturbed()

        self._kernel.after(seconds, back)
        return f"zone {zone} is lost for {seconds:.0f} s"

    def launches_are_refused(self) -> str:
        return self._break_launches(hangs=False)

    def launches_hang(self) -> str:
        return self._break_launches(hangs=True)

    def _break_launches(self, *, hangs: bool) -> str:
        share, seconds = self._dice.uniform(0.2, 1), self._dice.uniform(5, 40)
        fault = LaunchFault(lambda _: self._dice.random() < share, hangs=hangs)
        self._fleet.launcher.faults.append(fault)

        def over() -> None:
            self._fleet.launcher.faults.remove(fault)
            self._checker.disturbed()

        self._kernel.after(seconds, over)
        return f"{share:.0%} of launches {'hang' if hangs else 'are refused'} for {seconds:.0f} s"

    def reports_are_late(self) -> str | None:
        instance = self._some_instance()
        if instance is None:
            return None
        instance.report_delay = self._dice.uniform(0.5, 6)

        def prompt() -> None:
            instance.report_delay = 0.0

        self._kernel.after(self._dice.uniform(5, 30), prompt)
        return f"reports of {instance.instance_id} are {instance.report_delay:.1f} s late"

    def server_dies(self) -> str:
        seconds = self._dice.uniform(0.5, 8)
        self._fleet.crash_server(seconds)
        self._kernel.after(seconds, self._checker.disturbed)
        return f"the server dies and is back after {seconds:.1f} s"

    def clock_jumps(self) -> str:
        seconds = self._dice.choice([-300, -30, -5, 5, 30, 300])
        self._fleet.global_faults.append(self._kernel.now)
        self._checker.disturbed(extra_seconds=abs(seconds))
        self._kernel.clock.wall_offset += timedelta(seconds=seconds)
        return f"the wall clock jumps by {seconds} s"

    # Requests

    def republish(self) -> str | None:
        return self._republish(broken=False)

    def republish_broken(self) -> str | None:
        return self._republish(broken=True)

    def _republish(self, *, broken: bool) -> str | None:
        found = self._some_version()
        if found is None:
            return None
        control, version = found
        revision = RevisionId(f"r-{self._kernel.ids.hex(6)}")
        behaviour = control.records.behaviours[version.key, version.revision]
        control.records.behaviours[version.key, revision] = replace(behaviour, init_fails=broken)
        now = self._kernel.clock.now()
        control.records.versions[version.key] = replace(version, revision=revision, failed=False, published_at=now)
        control.plan_soon()
        return f"{version.key} is published anew as {revision}{', broken' if broken else ''}"

    def put_scaling(self) -> str | None:
        found = self._some_version()
        if found is None:
            return None
        control, version = found
        minimum = self._dice.randrange(1, 5)
        maximum = self._dice.choice([None, minimum, minimum + 4])
        bounds = ScalingBounds(minimum, maximum)
        control.records.versions[version.key] = replace(version, bounds=bounds)
        return f"{version.key} gets Min {minimum}, Max {maximum}"

    def deactivate(self) -> str | None:
        found = self._some_version()
        if found is None:
            return None
        control, version = found
        control.records.versions[version.key] = replace(version, bounds=ScalingBounds(0, 0))
        self._fleet.router.forget(version.key)
        self._kernel.after(self._dice.uniform(5, 40), lambda: self._reactivate(control, version))
        return f"{version.key} is deactivated"

    def _reactivate(self, control: SimulatedControlPlane, version: VersionTarget) -> None:
        now = self._kernel.clock.now()
        known = control.records.versions.get(version.key)
        serving = None if known is None else known.serving
        revision = version.revision if known is None else known.revision
        control.records.versions[version.key] = replace(
            version, revision=revision, serving=serving, failed=False, published_at=now
        )
        self._checker.disturbed()

    def delete_version(self) -> str | None:
        found = self._some_version()
        if found is None or self._dice.random() < 0.7:
            return None
        control, version = found
        control.records.versions[version.key] = replace(version, deleting=True)
        self._fleet.router.forget(version.key)
        return f"{version.key} is deleted"

    def patch(self) -> str | None:
        control = self._some_control()
        everything = self._dice.random() < 0.5
        records = [each for each in control.records.instances.values() if each.instance.phase is InstancePhase.RUNNING]
        for record in records if everything else records[:1]:
            record.instance = replace(record.instance, replace_reason="patched")
        return f"{'all' if everything else 'one'} of {len(records)} instances of {control.records.name} to be patched"

    def change_ceiling(self) -> str:
        control = self._some_control()
        ceiling = self._dice.choice([12, 24, 48, 96])
        control.records.scaling = replace(control.records.scaling, max_vcpu_count=ceiling)
        return f"MaxVCpuCount of {control.records.name} is {ceiling}"

    FAULTS: ClassVar[tuple[Happening, ...]] = (
        instance_dies,
        agent_is_cut_off,
        environment_crashes,
        zone_is_lost,
        launches_are_refused,
        launches_hang,
        reports_are_late,
        server_dies,
        clock_jumps,
    )
    REQUESTS: ClassVar[tuple[Happening, ...]] = (
        republish,
        republish_broken,
        put_scaling,
        deactivate,
        delete_version,
        patch,
        change_ceiling,
    )

    # Choices

    def _some_control(self) -> SimulatedControlPlane:
        return self._dice.choice(list(self._fleet.controls.values()))

    def _some_instance(self) -> SimulatedInstance | None:
        living = self._fleet.launcher.living()
        return self._dice.choice(living) if living else None

    def _some_zone(self) -> AvailabilityZone:
        return self._dice.choice(self._some_control().records.zones).zone

    def _some_version(self) -> tuple[SimulatedControlPlane, VersionTarget] | None:
        control = self._some_control()
        going = [
            each for each in control.records.versions.values() if not each.deleting and not each.bounds.deactivates
        ]
        return (control, self._dice.choice(going)) if going else None


def publish(control: SimulatedControlPlane, version: VersionTarget, behaviour: Behaviour) -> FunctionVersionKey:
    """A version that was not there before."""
    control.records.behaviours[version.key, version.revision] = behaviour
    control.records.versions[version.key] = version
    control.plan_soon()
    return version.key
