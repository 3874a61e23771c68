"""The locks hold all that is needed, every file by hash, both at the same versions, and no address to fetch from."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from tests.tidy.tree import ROOT, page

NAME = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.lock").read_text()


def pins(text: str) -> dict[str, set[str]]:
    """Name to its versions; more than one where Pythons differ."""
    found: dict[str, set[str]] = {}
    for name, version in NAME.findall(text):
        found.setdefault(name.lower(), set()).add(version)
    return found


def without_hash(text: str) -> list[str]:
    entries = re.split(r"\n(?=\S)", text.strip())
    return [entry.split()[0] for entry in entries if not entry.startswith("#") and "--hash=sha256:" not in entry]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[; ]", requirement)[0].lower() for requirement in requirements}


def project() -> dict[str, list[str]]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {"runtime": table["project"]["dependencies"], "dev": table["dependency-groups"]["dev"]}


def test_all_that_the_project_asks_for_is_locked() -> None:
    assert names(project()["runtime"]) - pins(lock("runtime")).keys() == set()
    assert names(project()["dev"]) - pins(lock("dev")).keys() == set()


def test_the_tools_lock_holds_the_runtime_one_at_the_same_versions() -> None:
    dev = pins(lock("dev"))
    differing = {name for name, versions in pins(lock("runtime")).items() if dev.get(name) != versions}
    assert differing == set()


def test_the_locks_hold_what_builds_the_project() -> None:
    assert {"pip", "setuptools"} <= pins(lock("runtime")).keys()


def test_every_package_is_pinned_by_hash() -> None:
    assert without_hash(lock("runtime")) == []
    assert without_hash(lock("dev")) == []
    assert without_hash(lock("sam")) == []
    assert [name for name, each in cdk_packages().items() if "integrity" not in each and not each.get("inBundle")] == []


def cdk_packages() -> dict[str, dict[str, Any]]:
    """What npm's lock has, by where it goes; the first entry is the list of what is asked for."""
    packages: dict[str, dict[str, Any]] = json.loads((ROOT / "requirements/cdk/package-lock.json").read_text())[
        "packages"
    ]
    return {name: each for name, each in packages.items() if name}


def test_the_programs_of_tests_are_locked() -> None:
    assert "aws-sam-cli" in pins(lock("sam"))
    asked = json.loads((ROOT / "requirements/cdk/package.json").read_text())["dependencies"]
    assert {f"node_modules/{name}" for name in asked} <= cdk_packages().keys()


def test_no_lock_says_where_to_fetch_from() -> None:
    assert [name for name, each in cdk_packages().items() if "resolved" in each] == []
    for name in ("runtime", "dev", "sam"):
        assert "://" not in lock(name)
        assert re.search(r"^\s*--(?!hash)", lock(name), re.MULTILINE) is None


def test_each_package_the_project_asks_for_is_explained() -> None:
    explained = page("docs/dependencies.md")
    assert explained is not None
    entries = {name.lower() for name in re.findall(r"^\| `([^`]+)`", explained.text, re.MULTILINE)}
    asked = names(project()["runtime"]) | names(project()["dev"])
    assert asked - entries == set(), "say in docs/dependencies.md why it is needed"


def test_a_pin_without_hash_is_found() -> None:
    text = "a==1 \\\n    --hash=sha256:00\nb==2\nc==3 ; python_version < '4' \\\n    --hash=sha256:01"
    assert without_hash(text) == ["b==2"]


def test_pins_are_read_with_their_forks() -> None:
    text = "numpy==2.4 ; python_full_version < '3.12' \\\nnumpy==2.5 ; python_full_version >= '3.12' \\\nA.b==1 \\"
    assert pins(text) == {"numpy": {"2.4", "2.5"}, "a.b": {"1"}}
