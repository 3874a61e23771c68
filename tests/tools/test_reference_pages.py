"""Pages that are made from code say what the code says."""

from __future__ import annotations

from tools.build_reference import REFERENCE, states_page


def test_the_page_of_states_is_fresh() -> None:
    assert (REFERENCE / "states.md").read_text(encoding="utf-8") == states_page(), "make docs"
