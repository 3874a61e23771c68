"""Which instances take new execution environments, what to launch for them, and which instance can be emptied.

Rules of this module:
- One vCPU and one GiB of each instance belong to the system (planning rule of AWS's own cost calculator).
- The first environments of a revision stand on different instances in different zones; the rest is packed.
- Room that is there is used before anything is launched; a launch never exceeds the vCPU budget.
- It sees rooms and offers as values and gives back a placement; whether that is wanted, others decide.

Which type (AWS publishes no rule; this one gives what was seen there, xlarge for 1 vCPU, 8xlarge for 8 vCPU): the
smallest that holds two environments, so that a republish finds room beside what it replaces; of those the one with the
least memory, which makes the function's GiB per vCPU choose the family; then the plainest name, since letters other
than the processor's (a, g, i) are extras that cost; then those whose price is known, since nobody should get a bill
that nobody can foretell; then the newest generation. Large versions take larger instances, about six for the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor

from paddock.core.counting import counted
from paddock.model.capacity_provider import Architecture, InstanceRequirements
from paddock.model.fleet import EnvironmentShape, Zone
from paddock.model.ids import AvailabilityZone, InstanceId, SubnetId
from paddock.model.instance_types import InstanceType, instance_type_matches, parse_instance_type_name

SYSTEM_VCPU = 1
SYSTEM_MEMORY_MB = 1024
"""No settings: AWS plans with them, and what fits on an instance and what it costs would be others than there."""
SPREAD_INSTANCES = 3
"""AWS launches three instances for availability; more minimum environments than that are packed."""
INSTANCES_AIMED_FOR = 6
"""Two per zone: the loss of one takes a sixth, and the system's share of each stays small."""
PREFERRED_ENVIRONMENTS_PER_INSTANCE = 2
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on an instance that may take environments.

    `members`: those of the revision to be placed that are on it already. `ready` ones are filled first; the others are
    still launching or are to be replaced.
    """

    instance_id: InstanceId
    zone: AvailabilityZone
    vcpu: float
    memory_mb: int
    members: int = 0
    ready: bool = True


def with_members(room: Room, members: int) -> Room:
    return Room(room.instance_id, room.zone, room.vcpu, room.memory_mb, members, room.ready)


@dataclass(frozen=True, slots=True)
class Offers:
    """What may be launched: `types` pass the requirements; `blocked` (type name, zone) pairs are not tried for now."""

    types: tuple[InstanceType, ...]
    zones: tuple[AvailabilityZone, ...]
    blocked: frozenset[tuple[str, AvailabilityZone]] = frozenset()


NOTHING_OFFERED = Offers(types=(), zones=())


@dataclass(frozen=True, slots=True)
class Launch:
    """One instance to launch and how many of the environments go on it."""

    instance_type: InstanceType
    zone: AvailabilityZone
    environments: int


@dataclass(frozen=True, slots=True)
class Placement:
    """`existing` says how many go on which instance. `spread` is false where that could not be had."""

    existing: tuple[tuple[InstanceId, int], ...]
    launches: tuple[Launch, ...]
    unplaced: int
    spread: bool
    reasons: tuple[str, ...]

    @property
    def vcpu(self) -> int:
        return sum(launch.instance_type.vcpu for launch in self.launches)


@dataclass(frozen=True, slots=True)
class Selection:
    """Types that pass a provider's requirements and can hold a shape at all, and why the others do not."""

    types: tuple[InstanceType, ...]
    refused: tuple[tuple[str, str], ...] = field(repr=False)

    def explain(self, limit: int = 12) -> str:
        """What was tried and why not, grouped by cause, the rarest first; at most `limit` names per cause."""
        causes: dict[str, list[str]] = {}
        for name, why in self.refused:
            causes.setdefault(why, []).append(name)
        parts = []
        for why, names in sorted(causes.items(), key=lambda cause: len(cause[1])):
            more = f" and {len(names) - limit} more" if len(names) > limit else ""
            parts.append(f"{why}: {', '.join(names[:limit])}{more}")
        return "; ".join(parts) or "no instance type is offered"


def usable_vcpu(instance_type: InstanceType) -> float:
    return instance_type.vcpu - SYSTEM_VCPU


def usable_memory_mb(instance_type: InstanceType) -> int:
    return floor(instance_type.memory_gib * 1024) - SYSTEM_MEMORY_MB


def fits(vcpu: float, memory_mb: int, shape: EnvironmentShape) -> int:
    """How many environments of a shape that much room holds."""
    if memory_mb < shape.memory_mb:
        return 0
    by_vcpu = floor((vcpu + _ROUNDING) / shape.vcpu)
    return max(0, min(by_vcpu, memory_mb // shape.memory_mb))


def holds(instance_type: InstanceType, shape: EnvironmentShape) -> int:
    return fits(usable_vcpu(instance_type), usable_memory_mb(instance_type), shape)


def select_types(
    offered: Iterable[InstanceType], requirements: InstanceRequirements, shape: EnvironmentShape
) -> Selection:
    """The types that may be launched for a shape, in no particular order."""
    passed: list[InstanceType] = []
    refused: list[tuple[str, str]] = []
    for instance_type in offered:
        why = _refusal(instance_type, requirements, shape)
        if why is None:
            passed.append(instance_type)
        else:
            refused.append((instance_type.name, why))
    return Selection(tuple(passed), tuple(refused))


def _refusal(instance_type: InstanceType, requirements: InstanceRequirements, shape: EnvironmentShape) -> str | None:
    name = instance_type.name
    # What was chosen comes first: a type that is allowed, and is of another architecture, is then named as that, and
    # not one of hundreds.
    allowed = requirements.allowed_instance_types
    if allowed and not any(instance_type_matches(name, pattern) for pattern in allowed):
        return "not among AllowedInstanceTypes"
    if any(instance_type_matches(name, pattern) for pattern in requirements.excluded_instance_types):
        return "among ExcludedInstanceTypes"
    if instance_type.architecture is not requirements.architecture:
        return f"not {_ARCHITECTURE_NAMES[requirements.architecture]}"
    if holds(instance_type, shape) < 1:
        return f"too small for {shape.memory_mb} MB and {shape.vcpu:g} vCPU beside the system's share"
    return None


_ARCHITECTURE_NAMES = {Architecture.X86_64: "x86_64", Architecture.ARM64: "arm64"}


def rank_types(types: Iterable[InstanceType], shape: EnvironmentShape, *, at_least: int) -> tuple[InstanceType, ...]:
    """The types in the order they should be tried for `at_least` environments; those that hold fewer come last."""

    def rank(instance_type: InstanceType) -> tuple[int, int, float, int, bool, int, str]:
        lacking = max(0, at_least - holds(instance_type, shape))
        parsed = parse_instance_type_name(instance_type.name)
        generation, extras = (parsed.generation, len(parsed.attributes.lstrip("agi"))) if parsed else (0, 0)
        unpriced = instance_type.on_demand_usd_per_hour is None
        plainness = (extras, unpriced, -generation, instance_type.name)
        return (lacking, instance_type.vcpu, instance_type.memory_gib, *plainness)

    return tuple(sorted((each for each in types if holds(each, shape)), key=rank))


def environments_per_instance(
    total: int, *, instances: int = INSTANCES_AIMED_FOR, least: int = PREFERRED_ENVIRONMENTS_PER_INSTANCE
) -> int:
    """How many environments of one version an instance should be able to hold, when it has `total` of them."""
    return max(least, ceil(total / instances))


def place(
    shape: EnvironmentShape,
    count: int,
    rooms: Sequence[Room],
    offers: Offers,
    *,
    budget: int,
    preferred: int,
    spread: int,
) -> Placement:
    """Find places for `count` more environments of a revision.

    `budget` is how many vCPU may be launched. An instance should hold as many as are `preferred`, if it can, and
    `spread` of the environments should stand on different instances. Tries the preferred instance size first, then
    smaller ones, then gives up the spread; takes the first attempt that places all, else the one that places most.
    """
    best: Placement | None = None
    for at_least, wanted_spread in [*((size, spread) for size in _sizes(preferred)), (count, 0), (1, 0)]:
        attempt = _Attempt(shape, rooms, offers, budget=budget, at_least=at_least, spread=wanted_spread)
        placement = attempt.run(count, promised=spread)
        if placement.unplaced == 0:
            return placement
        if best is None or placement.unplaced < best.unplaced:
            best = placement
    assert best is not None
    return best


def _sizes(preferred: int) -> list[int]:
    """Halving: 40, 20, 10, 5, 2, 1."""
    sizes = [preferred]
    while sizes[-1] > 1:
        sizes.append(sizes[-1] // 2)
    return sizes


@dataclass(frozen=True, slots=True)
class Occupant:
    """Environments of one revision on an instance that might be emptied; `elsewhere` is where it has others."""

    shape: EnvironmentShape
    count: int
    elsewhere: Mapping[InstanceId, int]


def can_empty(
    zone: AvailabilityZone, occupants: Sequence[Occupant], rooms: Sequence[Room], *, spread: int
) -> tuple[Placement, ...] | None:
    """Would everything on an instance of `zone` fit on the others (`rooms`), launching nothing and no less spread?

    The very placement that new environments get, run without the instance. One placement per occupant, or None.
    """
    placements: list[Placement] = []
    free = {room.instance_id: room for room in rooms}
    for occupant in occupants:
        offered = [with_members(room, occupant.elsewhere.get(room.instance_id, 0)) for room in free.values()]
        before = {zone, *(room.zone for room in offered if room.members)}
        kept = min(spread, len([room for room in offered if room.members]) + 1)
        attempt = _Attempt(occupant.shape, offered, NOTHING_OFFERED, budget=0, at_least=1, spread=kept)
        placement = attempt.run(occupant.count, promised=kept)
        taken = dict(placement.existing)
        after = {room.zone for room in offered if room.members or room.instance_id in taken}
        if placement.unplaced or not placement.spread or len(after) < min(spread, len(before)):
            return None
        placements.append(placement)
        for instance_id, environments in taken.items():
            free[instance_id] = _without(free[instance_id], occupant.shape, environments)
    return tuple(placements)


def _without(room: Room, shape: EnvironmentShape, taken: int) -> Room:
    vcpu = room.vcpu - taken * shape.vcpu
    return Room(room.instance_id, room.zone, vcpu, room.memory_mb - taken * shape.memory_mb, 0, room.ready)


@dataclass(slots=True)
class _Space:
    """A room, or an instance to be launched, while a placement is being made."""

    zone: AvailabilityZone
    free: int
    members: int
    instance_id: InstanceId | None = None
    launch: InstanceType | None = None
    taken: int = 0


def _fullest_first(rooms: Iterable[Room]) -> list[Room]:
    """What is packed tightly leaves other instances free to be emptied."""
    return sorted(rooms, key=lambda room: (not room.ready, room.vcpu, room.memory_mb, room.instance_id))


class _Attempt:
    """One way to place. Lives for one call of `run`."""

    def __init__(
        self,
        shape: EnvironmentShape,
        rooms: Sequence[Room],
        offers: Offers,
        *,
        budget: int,
        at_least: int,
        spread: int,
    ) -> None:
        self._shape = shape
        self._offers = offers
        self._budget = budget
        self._types = rank_types(offers.types, shape, at_least=at_least)
        self._spread = spread
        elsewhere = _fullest_first(room for room in rooms if room.zone not in offers.zones)
        zones = tuple(dict.fromkeys((*offers.zones, *(room.zone for room in elsewhere))))
        self._spaces: dict[AvailabilityZone, list[_Space]] = {zone: [] for zone in zones}
        self._members: dict[AvailabilityZone, int] = dict.fromkeys(zones, 0)
        self._instances: dict[AvailabilityZone, int] = dict.fromkeys(zones, 0)
        self._distinct = 0
        for room in rooms:
            self._instances[room.zone] += 1
            if room.members:
                self._members[room.zone] += room.members
                self._distinct += 1
        for room in _fullest_first(room for room in rooms if fits(room.vcpu, room.memory_mb, shape)):
            free = fits(room.vcpu, room.memory_mb, shape)
            self._spaces[room.zone].append(_Space(room.zone, free, room.members, room.instance_id))
        self._open = {zone: list(spaces) for zone, spaces in self._spaces.items()}

    def run(self, count: int, *, promised: int) -> Placement:
        """`promised` is the spread that was asked for, which this attempt may have given up."""
        unplaced = count
        while unplaced and self._place_one():
            unplaced -= 1
        existing: list[tuple[InstanceId, int]] = []
        launches: list[Launch] = []
        for space in (space for spaces in self._spaces.values() for space in spaces if space.taken):
            if space.launch is not None:
                launches.append(Launch(space.launch, space.zone, space.taken))
            elif space.instance_id is not None:
                existing.append((space.instance_id, space.taken))
        spread = self._distinct >= promised
        return Placement(tuple(existing), tuple(launches), unplaced, spread, self._reasons(unplaced, promised))

    def _place_one(self) -> bool:
        space = self._fresh_space() if self._distinct < self._spread else self._packed_space()
        if space is None:
            return False
        self._take(space)
        return True

    def _zones(self) -> list[AvailabilityZone]:
        """Fewest of this revision first, then fewest instances; the provider's own order decides ties."""
        return sorted(self._members, key=lambda zone: (self._members[zone], self._instances[zone]))

    def _fresh_space(self) -> _Space | None:
        """An instance without one of this revision yet; a zone without one is worth a launch."""
        for zone in self._zones():
            fresh = next((space for space in self._open.get(zone, ()) if not space.members), None)
            fresh = fresh or self._launched(zone)
            if fresh is not None:
                return fresh
        return None

    def _packed_space(self) -> _Space | None:
        zones = self._zones()
        for zone in zones:
            if self._open.get(zone):
                return self._open[zone][0]
        return next((space for zone in zones if (space := self._launched(zone)) is not None), None)

    def _launched(self, zone: AvailabilityZone) -> _Space | None:
        if zone not in self._offers.zones:
            return None
        affordable = (
            offered
            for offered in self._types
            if offered.vcpu <= self._budget
            and (not offered.zones or zone in offered.zones)
            and (offered.name, zone) not in self._offers.blocked
        )
        chosen = next(affordable, None)
        if chosen is None:
            return None
        self._budget -= chosen.vcpu
        space = _Space(zone, holds(chosen, self._shape), 0, launch=chosen)
        self._spaces[zone].append(space)
        self._open[zone].append(space)
        self._instances[zone] += 1
        return space

    def _take(self, space: _Space) -> None:
        if not space.members:
            self._distinct += 1
        space.members += 1
        space.taken += 1
        space.free -= 1
        self._members[space.zone] += 1
        if not space.free:
            self._open[space.zone].remove(space)

    def _reasons(self, unplaced: int, promised: int) -> tuple[str, ...]:
        reasons = []
        if self._distinct < promised:
            reasons.append(f"on {counted(self._distinct, 'instance')}, not {promised}: there is no room for that")
        if unplaced:
            reasons.append(
                f"no room for {counted(unplaced, 'environment')} within {self._budget} vCPU that may still be launched"
            )
        return tuple(reasons)


def subnet_for(zone: AvailabilityZone, zones: Sequence[Zone], used: Mapping[SubnetId, int]) -> Zone:
    """The provider's least used subnet in a zone."""
    return min((each for each in zones if each.zone == zone), key=lambda each: used.get(each.subnet_id, 0))
