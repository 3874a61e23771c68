from __future__ import annotations

from paddock.model.ids import LATEST, LATEST_PUBLISHED, FunctionName, FunctionVersionKey, VersionName


def test_a_version_key_reads_as_people_write_it() -> None:
    assert str(FunctionVersionKey(FunctionName("f"), VersionName("7"))) == "f:7"
    assert str(FunctionVersionKey(FunctionName("f"), LATEST_PUBLISHED)) == "f:$LATEST.PUBLISHED"


def test_keys_are_told_apart_and_ordered_by_function_then_version() -> None:
    keys = [FunctionVersionKey(FunctionName(name), VersionName(version)) for name in "ba" for version in "21"]

    assert len(set(keys)) == 4
    assert [str(key) for key in sorted(keys)] == ["a:1", "a:2", "b:1", "b:2"]


def test_the_special_versions_are_spelled_as_aws_spells_them() -> None:
    assert (LATEST, LATEST_PUBLISHED) == ("$LATEST", "$LATEST.PUBLISHED")
