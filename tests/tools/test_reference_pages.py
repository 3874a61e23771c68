"""Pages that are made from code say what the code says."""

from __future__ import annotations

import pytest

from tools.build_reference import REFERENCE, states_page
from tools.plot_scaling import PAGES, PLOTS, drawn, replayed


def test_the_page_of_states_is_fresh() -> None:
    assert (REFERENCE / "states.md").read_text(encoding="utf-8") == states_page(), "make docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_plot_of_the_scaler_is_fresh(name: str) -> None:
    title, shape, minutes = PAGES[name]

    assert (PLOTS / f"{name}.svg").read_text(encoding="utf-8") == drawn(title, replayed(shape, minutes)), "make docs"
