from __future__ import annotations

from datetime import UTC, datetime

import pytest

from paddock.model.function import Code
from paddock.model.ids import CodeSha256, LayerName
from paddock.model.layer import LayerVersion


def version(runtimes: tuple[str, ...] = (), architectures: tuple[str, ...] = ()) -> LayerVersion:
    return LayerVersion(
        LayerName("shared"),
        1,
        Code(CodeSha256("c2hhMjU2"), 7),
        datetime(2026, 11, 23, tzinfo=UTC),
        compatible_runtimes=runtimes,
        compatible_architectures=architectures,
    )


@pytest.mark.parametrize(
    ("runtime", "architecture", "found"),
    [
        (None, None, True),
        ("python3.13", None, True),
        (None, "arm64", True),
        ("python3.13", "arm64", True),
        ("nodejs22.x", None, False),
        ("python3.13", "x86_64", False),
    ],
)
def test_a_version_is_found_by_what_it_says_it_is_compatible_with(
    runtime: str | None, architecture: str | None, found: bool
) -> None:
    assert version(("python3.13", "python3.14"), ("arm64",)).is_compatible(runtime, architecture) is found


def test_a_version_that_says_nothing_is_found_only_by_those_who_ask_nothing() -> None:
    assert version().is_compatible(None, None)
    assert not version().is_compatible("python3.13", None)
    assert not version().is_compatible(None, "x86_64")
