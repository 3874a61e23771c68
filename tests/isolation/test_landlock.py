from __future__ import annotations

from pathlib import Path

import pytest

from paddock.isolation.landlock import rules_for_process, rules_in_namespaces
from tests.isolation.views import view_of

WRITE_FILE, MAKE_REG, READ_FILE = 1 << 1, 1 << 8, 1 << 2
TRUNCATE = 1 << 14


def test_without_landlock_there_are_no_rules(tmp_path: Path) -> None:
    assert not any(rules_in_namespaces(0).handled)
    assert rules_for_process(0, view_of(tmp_path)).rules == ()


@pytest.mark.parametrize("version", range(1, 9))
def test_no_rule_speaks_of_what_the_version_does_not_handle(version: int, tmp_path: Path) -> None:
    for found in (rules_in_namespaces(version), rules_for_process(version, view_of(tmp_path))):
        assert all(allowed & ~found.handled[0] == 0 for _, allowed in found.rules)
        assert all(allowed for _, allowed in found.rules)


def test_what_a_version_knows_is_handled() -> None:
    assert not rules_in_namespaces(2).handled[0] & TRUNCATE
    assert rules_in_namespaces(3).handled[0] & TRUNCATE
    assert rules_in_namespaces(5).handled[2] == 0
    assert rules_in_namespaces(6).handled[2] == 3


def test_a_plain_process_reads_its_own_code_and_writes_only_to_tmp(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    rules = dict(rules_for_process(7, view).rules)
    assert rules[str(view.task_root)] & READ_FILE
    assert not rules[str(view.task_root)] & WRITE_FILE
    assert rules["/tmp"] & MAKE_REG
    assert not any(path in {"/", "/home", "/root", "/var", "/run", "/dev"} for path in rules)


def test_in_namespaces_all_is_readable_because_only_its_own_is_there() -> None:
    rules = dict(rules_in_namespaces(7).rules)
    assert rules["/"] & READ_FILE
    assert not rules["/"] & WRITE_FILE
    assert rules["/tmp"] & WRITE_FILE
