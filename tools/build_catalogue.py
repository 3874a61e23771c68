"""Regenerate the instance and price tables of `paddock.catalogue` from two pinned wheels and a page of cited numbers.

    python -m venv VENV
    VENV/bin/pip install --no-deps --require-hashes -r requirements/catalogue.lock
    VENV/bin/python tools/build_catalogue.py

Run it in an environment of its own: moto and apache-libcloud are read here and never imported at run time.

- moto carries EC2's own answers: what each type has, and which zone offers it.
- apache-libcloud carries one On-Demand price per type and region, many of them wrong: prices of dedicated tenancy
  leaked in, others are 0.0. On-Demand Linux prices are linear in vCPU within a family, and shared tenancy is the
  cheapest, so the lowest price per vCPU that a family shows is the true one. It is taken from the largest size that
  agrees with it to 0.4 %, because small sizes are rounded more. Checked: 501 of 501 types of us-east-1 agree to 0.5 %
  with AWS's list of July 2026, and the anchor prices of tests/catalogue agree exactly.
- Families newer than that table stand in `data/cited.json`, which is written by hand and only read here.

The output is small, sorted and made to be read in a diff.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "src" / "paddock" / "catalogue" / "data"
PINNED = {"moto": "5.2.5", "apache-libcloud": "3.9.1"}
SPECIFICATIONS_AS_OF = "2026-10-27"  # newest type in moto 5.2.5
PRICES_AS_OF = "2025-03-02"  # `updated` in libcloud 3.9.1's pricing.json
OFFERINGS = "moto/ec2/resources/instance_type_offerings/availability-zone"
AGREES_WITHIN = Decimal("1.004")
FIRST_GENERATION = 5  # Lambda takes generation 5 and later (AWS's walkthroughs)
_TYPE = re.compile(r"(?P<family>(?P<series>[cmr])(?P<generation>\d+)[a-z-]*)\.(?P<size>[a-z0-9-]+)")


def wanted(name: str) -> bool:
    match = _TYPE.fullmatch(name)
    return match is not None and int(match["generation"]) >= FIRST_GENERATION and not match["size"].startswith("metal")


def family_of(name: str) -> str:
    return name.partition(".")[0]


def size_of(name: str) -> str:
    return name.partition(".")[2]


def located(package: str, path: str) -> Path:
    """Where an installed package keeps a file; nothing of the package is imported."""
    return Path(str(distribution(package).locate_file(path)))


def read_gzipped(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()), parse_float=Decimal)


def number(value: Decimal | float) -> Decimal | int:
    exact = Decimal(str(value)).normalize()
    return int(exact) if exact == exact.to_integral_value() else exact


# --- specifications -------------------------------------------------------------------------------------------------


def specifications(types: Mapping[str, Any]) -> dict[str, Any]:
    """Per family what all its sizes share, per size `[vcpu, memory GiB, baseline Gbps, peak Gbps]`."""
    families: dict[str, Any] = {}
    for name in sorted(
        filter(wanted, types), key=lambda name: (family_of(name), types[name]["VCpuInfo"]["DefaultVCpus"])
    ):
        facts = types[name]
        family = families.setdefault(
            family_of(name),
            {
                "architecture": facts["ProcessorInfo"]["SupportedArchitectures"][-1],
                "manufacturer": facts["ProcessorInfo"]["Manufacturer"],
                "threads_per_core": facts["VCpuInfo"].get("DefaultThreadsPerCore", 1),
                "sizes": {},
            },
        )
        cards = facts["NetworkInfo"]["NetworkCards"]
        family["sizes"][size_of(name)] = [
            facts["VCpuInfo"]["DefaultVCpus"],
            number(Decimal(facts["MemoryInfo"]["SizeInMiB"]) / 1024),
            number(sum(Decimal(str(card["BaselineBandwidthInGbps"])) for card in cards)),
            number(sum(Decimal(str(card["PeakBandwidthInGbps"])) for card in cards)),
        ]
    return families


# --- offerings ------------------------------------------------------------------------------------------------------


def zone_letters(rows: Iterable[Mapping[str, str]], region: str) -> dict[str, dict[str, str]]:
    """Family -> size -> the letters of the zones that offer it, e.g. `abd`."""
    letters: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        zone = row["Location"].removeprefix(region)
        if wanted(row["InstanceType"]) and len(zone) == 1:
            letters[row["InstanceType"]].add(zone)
    sizes: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name in sorted(letters):
        sizes[family_of(name)][size_of(name)] = "".join(sorted(letters[name]))
    return sizes


def offered(region: str, families: Mapping[str, Any]) -> dict[str, Any]:
    """One region: per family the zones that offer it, and the sizes for which the zones differ from the usual ones."""
    rows = read_gzipped(located("moto", f"{OFFERINGS}/{region}.json.gz"))
    by_family = zone_letters(rows, region)
    region_offer: dict[str, Any] = {}
    for family in sorted(by_family):
        zones = [by_family[family].get(size, "") for size in families[family]["sizes"]]
        usual = max(sorted(set(zones)), key=zones.count)
        different = {
            size: by_family[family].get(size, "")
            for size in families[family]["sizes"]
            if by_family[family].get(size, "") != usual
        }
        region_offer[family] = [usual, different] if different else usual
    return region_offer


def offerings(families: Mapping[str, Any]) -> dict[str, Any]:
    regions = sorted(path.name.removesuffix(".json.gz") for path in located("moto", OFFERINGS).glob("*.json.gz"))
    return {region: offered(region, families) for region in regions}


# --- prices ---------------------------------------------------------------------------------------------------------


def unit_price(sizes: Mapping[str, Decimal], vcpus: Mapping[str, int]) -> tuple[Decimal, int]:
    """USD per vCPU-hour of a family in a region, and how many of its sizes say so."""
    lowest = min(price / vcpus[size] for size, price in sizes.items())
    agreeing = [size for size, price in sizes.items() if price / vcpus[size] <= lowest * AGREES_WITHIN]
    largest = max(agreeing, key=lambda size: vcpus[size])
    return sizes[largest] / vcpus[largest], len(agreeing)


def repaired_prices(table: Mapping[str, Mapping[str, Decimal]], families: Mapping[str, Any]) -> dict[str, Any]:
    seen: defaultdict[str, defaultdict[str, dict[str, Decimal]]] = defaultdict(lambda: defaultdict(dict))
    for name, regions in table.items():
        known = families.get(family_of(name), {"sizes": {}})["sizes"]
        for region, price in regions.items():
            if size_of(name) in known and price and re.fullmatch(r"[a-z]+(-gov|-iso[a-z]*)?-[a-z]+-\d", region):
                seen[region][family_of(name)][size_of(name)] = Decimal(str(price))
    result: dict[str, Any] = {}
    for region in sorted(seen):
        result[region] = {}
        for family in sorted(seen[region]):
            vcpus = {size: facts[0] for size, facts in families[family]["sizes"].items()}
            usd, agreeing = unit_price(seen[region][family], vcpus)
            result[region][family] = [str(round(usd, 8).normalize()), agreeing]
    return result


# --- writing --------------------------------------------------------------------------------------------------------


def write(name: str, document: Mapping[str, Any]) -> None:
    """JSON with one line per leaf group, so that a changed price is one changed line."""
    lines = ["{"]
    for index, (key, value) in enumerate(document.items()):
        comma = "," if index < len(document) - 1 else ""
        if key in {"families", "regions"}:
            lines.append(f'  "{key}": {{')
            lines += _nested(value)
            lines.append(f"  }}{comma}")
        else:
            lines.append(f'  "{key}": {_compact(value)}{comma}')
    lines.append("}")
    path = DATA / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def _nested(value: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for index, (key, group) in enumerate(value.items()):
        last_group = index == len(value) - 1
        lines.append(f'    "{key}": {{')
        for position, (name, leaf) in enumerate(group.items()):
            lines.append(f'      "{name}": {_compact(leaf)}{"," if position < len(group) - 1 else ""}')
        lines.append(f"    }}{'' if last_group else ','}")
    return lines


def _compact(value: Any) -> str:
    return json.dumps(value, default=float, ensure_ascii=False)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for package, pinned in PINNED.items():
        installed = distribution(package).version
        if installed != pinned:
            message = f"{package} {installed} is installed, {pinned} is pinned; see requirements/catalogue.lock"
            raise SystemExit(message)
    families = specifications(read_gzipped(located("moto", "moto/ec2/resources/instance_types.json.gz")))
    moto_source = {
        "title": f"EC2 DescribeInstanceTypes and offerings, as carried by moto {PINNED['moto']}",
        "as_of": SPECIFICATIONS_AS_OF,
    }
    write("specifications.json", {"source": moto_source, "families": families})
    write("offerings.json", {"source": moto_source, "regions": offerings(families)})

    blob = located("apache-libcloud", "libcloud/data/pricing.json").read_bytes()
    table = json.loads(blob, parse_float=Decimal)["compute"]["ec2_linux"]
    prices_source = {
        "title": f"AWS On-Demand prices, Linux, as carried by apache-libcloud {PINNED['apache-libcloud']}, repaired",
        "as_of": PRICES_AS_OF,
        "unit": "vCPU-hour",
        "row": ["usd", "sizes that agree"],
    }
    write("on_demand.json", {"source": prices_source, "regions": repaired_prices(table, families)})


if __name__ == "__main__":
    main()
