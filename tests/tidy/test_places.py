"""Nothing here knows the machine it was written on: no home folder, no private address, no private registry."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from tests.tidy.tree import Source, all_sources, complaints_about

# Each pattern is written so that it does not match itself.
PLACES = {
    "a home folder": re.compile(r"(?<![\w./-])/(?:roo[t]|hom[e]/\w+|User[s]/\w+)/"),
    "a folder of one machine": re.compile(r"(?<![\w./-])/(?:wor[k]|mn[t]/\w+|op[t]/wheels)(?:/|\b)"),
    "a package registry": re.compile(
        r"pythonhoste[d]|(?:artifactor[y]|nexu[s]|devp[i])\.\w|--(?:extra-)?inde[x]-url\s+h"
    ),
    "a private host": re.compile(r"\b[\w-]+\.(?:interna[l]|cor[p]|lan|intrane[t])\b"),
}
PRIVATE_ADDRESS = re.compile(r"\b(?:10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+)\b")

# AWS's own names, by design: the private DNS names of EC2 end so.
NAMES_OF_AWS = re.compile(r"\b(?:ec2|compute)\.interna[l]\b|\bsandbox\.localdomain\b|kms\.interna[l]")
# Where addresses of the networks Paddock itself makes stand.
ADDRESSES_ALLOWED = ("tests", "docs", "src/paddock/server", "src/paddock/launchers", "src/paddock/cli")


def places(sources: Iterable[Source]) -> list[str]:
    said = []
    for source in sources:
        for number, line in enumerate(source.text.splitlines(), 1):
            told = NAMES_OF_AWS.sub("", line)
            said += [f"{source.path}:{number}: {what}" for what, pattern in PLACES.items() if pattern.search(told)]
            if not source.within(*ADDRESSES_ALLOWED) and PRIVATE_ADDRESS.search(told):
                said.append(f"{source.path}:{number}: a private address")
    return said


def test_no_file_names_a_place_of_one_machine() -> None:
    said = places(all_sources())
    assert not said, complaints_about(said)


@pytest.mark.parametrize(
    "line",
    [
        "see /roo" + "t/.cache/x",
        "/hom" + "e/someone/src",
        "cd /wor" + "k/main",
        "https://files.pythonhoste" + "d.org/x",
        "https://nexu" + "s.example/simple",
        "pip install --inde" + "x-url https://x",
        "http://build.cor" + "p/x",
        "connect 10.1" + ".2.3",
        "192.168" + ".0.7:80",
    ],
)
def test_a_place_is_found(line: str) -> None:
    assert len(places([Source("src/a.py", line)])) == 1


@pytest.mark.parametrize(
    "line",
    ["rootfs/root", "/var/task/work/", "https://pypi.org/project/paddock", "127.0.0.1:4600", "8.8.8.8", "work/main"],
)
def test_ordinary_text_is_let_through(line: str) -> None:
    assert places([Source("src/a.py", line)]) == []


def test_addresses_of_our_own_networks_are_let_through_where_they_belong() -> None:
    assert places([Source("src/paddock/server/settings.py", "10.0" + ".1.0/24")]) == []
