"""Availability zones as EC2 shows them. The letter-to-id mapping, which AWS shuffles per account, is straight here."""

from __future__ import annotations

from paddock.model.ids import AvailabilityZone, Region

_DIRECTIONS = ("north", "south", "east", "west", "central")


def zone_id(zone: AvailabilityZone) -> str:
    """`us-east-1b` is `use1-az2`, `ap-southeast-2a` is `apse2-az1`."""
    number = ord(zone[-1]) - ord("a") + 1
    return f"{_short(Region(zone[:-1]))}-az{number}"


def _short(region: Region) -> str:
    area, *rest, number = region.split("-")
    return area + "".join(_initials(word) for word in rest) + number


def _initials(word: str) -> str:
    """`southeast` is `se`, `gov` is `g`."""
    found = [(word.find(direction), direction[0]) for direction in _DIRECTIONS if direction in word]
    return "".join(letter for _, letter in sorted(found)) or word[:1]
