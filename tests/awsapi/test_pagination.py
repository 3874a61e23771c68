from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.awsapi.pagination import Key, paginate
from paddock.model.errors import ApiError

names = st.lists(st.text(max_size=8), unique=True, max_size=30)
numbers = st.lists(st.integers(), unique=True, max_size=30)


@given(st.one_of(names, numbers), st.integers(1, 10))
def test_pages_together_are_the_list_in_order(items: list[Key], size: int) -> None:
    seen: list[Key] = []
    marker = None
    while True:
        page = paginate(items, marker, size, 50, lambda item: item)
        assert len(page.items) <= size
        seen += page.items
        marker = page.next_marker
        if marker is None:
            break

    assert seen == sorted(items)


def test_without_a_size_the_default_holds() -> None:
    page = paginate(range(100), None, None, 50, lambda item: item)

    assert len(page.items) == 50
    assert page.next_marker is not None


def test_what_is_deleted_between_pages_moves_nothing() -> None:
    first = paginate(["a", "b", "c", "d"], None, 2, 50, lambda item: item)

    second = paginate(["a", "c", "d"], first.next_marker, 2, 50, lambda item: item)

    assert second.items == ("c", "d")


@pytest.mark.parametrize("marker", ["x", "eA==", "é", "AAAAAAAAAAAAAAAA", "null", " "])
def test_a_marker_made_up_is_refused(marker: str) -> None:
    with pytest.raises(ApiError) as caught:
        paginate(["a"], marker, None, 50, lambda item: item)
    assert caught.value.code == "InvalidParameterValueException"


def test_a_marker_of_another_list_is_refused() -> None:
    marker = paginate(range(3), None, 1, 50, lambda item: item).next_marker

    with pytest.raises(ApiError):
        paginate(["a"], marker, None, 50, lambda item: item)


@given(st.text(max_size=40))
def test_no_marker_makes_it_fail_otherwise(marker: str) -> None:
    if marker:
        with pytest.raises(ApiError):
            paginate(["a", "b"], marker, None, 50, lambda item: item)
