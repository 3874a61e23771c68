from datetime import UTC, datetime
from typing import Any

import pytest

from paddock.controlplane.ec2.filters import MOST_VALUES, FilterTable, chosen
from paddock.model.errors import ApiError

TABLE = FilterTable(
    paths={
        "name": "Name",
        "zone": "Place.Zone",
        "group": "Groups.Id",
        "managed": "Managed",
        "code": "Code",
        "since": "Since",
    },
    never_set=("network-interface.",),
)
ITEMS: list[dict[str, Any]] = [
    {
        "Name": "a",
        "Place": {"Zone": "us-east-1a"},
        "Groups": [{"Id": "sg-1"}, {"Id": "sg-2"}],
        "Managed": True,
        "Code": 16,
        "Since": datetime(2026, 11, 23, 12, tzinfo=UTC),
        "Tags": [{"Key": "team", "Value": "blue"}, {"Key": "a*b", "Value": ""}],
    },
    {"Name": "b", "Place": {"Zone": "us-east-1b"}, "Groups": [], "Managed": False, "Code": 48, "Tags": []},
]


def names(*filters: tuple[str, list[str]]) -> list[str]:
    given = [{"Name": name, "Values": values} for name, values in filters]
    return [str(item["Name"]) for item in chosen(ITEMS, given, TABLE)]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], ["a", "b"]),
        ([("name", ["a"])], ["a"]),
        ([("name", ["a", "b"])], ["a", "b"]),
        ([("name", ["A"])], []),
        ([("zone", ["us-east-1a"]), ("name", ["b"])], []),
        ([("zone", ["us-east-*"])], ["a", "b"]),
        ([("zone", ["us-east-1?"]), ("code", ["48"])], ["b"]),
        ([("zone", ["us-east"])], []),
        ([("group", ["sg-2"])], ["a"]),
        ([("managed", ["true"])], ["a"]),
        ([("managed", ["false"])], ["b"]),
        ([("since", ["2026-11-23T*"])], ["a"]),
        ([("tag:team", ["blue"])], ["a"]),
        ([("tag:team", ["red"])], []),
        ([("tag-key", ["team"])], ["a"]),
        ([("tag-key", [r"a\*b"])], ["a"]),
        ([("tag-key", [r"t\*m"])], []),
        ([("tag-value", ["bl??"])], ["a"]),
        ([("network-interface.mac-address", ["*"])], []),
        ([("name", [])], []),
    ],
)
def test_filters(filters: list[tuple[str, list[str]]], found: list[str]) -> None:
    assert names(*filters) == found


@pytest.mark.parametrize("name", ["nonsense", "", "Name"])
def test_a_filter_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ApiError) as refused:
        names((name, ["x"]))
    assert (refused.value.code, refused.value.message) == ("InvalidParameterValue", f"The filter '{name}' is invalid")


def test_too_many_values_are_refused() -> None:
    assert names(("name", ["x"] * MOST_VALUES)) == []
    with pytest.raises(ApiError) as refused:
        names(("name", ["x"] * MOST_VALUES), ("zone", ["y"]))
    assert refused.value.code == "FilterLimitExceeded"
