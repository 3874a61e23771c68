from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paddock.awsapi.front import SHORT_WAY
from paddock.awsapi.operations import Declaration
from paddock.awsapi.parity import page
from paddock.awsapi.services import Services
from paddock.controlplane.operations import OPERATIONS
from paddock.server.caller_identity import CALLER_IDENTITY

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "reference" / "parity.md"
SERVICES = Services()


def test_the_page_says_what_is_built_how_far_and_what_is_not() -> None:
    text = page(
        [Declaration("sts", "GetCallerIdentity"), Declaration("sts", "AssumeRole", "partial", "no MFA")], SERVICES
    )

    assert "| sts | 11 | 1 | 1 | 9 |" in text
    assert "| GetCallerIdentity | done |  |" in text
    assert "| AssumeRole | partial | no MFA |" in text
    assert "Not built (9): AssumeRoleWithSAML, " in text


def test_an_operation_that_aws_does_not_have_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="sts has no operation GetCaller"):
        page([Declaration("sts", "GetCaller")], SERVICES)


def test_an_operation_is_declared_once() -> None:
    with pytest.raises(ValueError, match="sts AssumeRole is declared twice"):
        page([Declaration("sts", "AssumeRole"), Declaration("sts", "AssumeRole")], SERVICES)


def test_the_page_in_the_docs_is_that_of_the_code() -> None:
    assert PAGE.read_text() == page([*SHORT_WAY, *OPERATIONS, CALLER_IDENTITY], SERVICES), "stale: run make docs"


def test_the_page_can_be_made_from_the_command_line() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "paddock.awsapi.parity", "paddock.controlplane.operations:OPERATIONS"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert made.stdout == page([*SHORT_WAY, *OPERATIONS], SERVICES)
