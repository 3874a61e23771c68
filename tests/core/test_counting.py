from __future__ import annotations

import pytest

from paddock.core.counting import agreed, counted


@pytest.mark.parametrize(
    ("count", "verb", "sentence"),
    [
        (0, "start", "0 environments start"),
        (1, "start", "1 environment starts"),
        (2, "start", "2 environments start"),
        (1, "are", "1 environment is"),
        (3, "are", "3 environments are"),
        (1, "have", "1 environment has"),
    ],
)
def test_noun_and_verb_follow_the_number(count: int, verb: str, sentence: str) -> None:
    assert f"{counted(count, 'environment')} {agreed(count, verb)}" == sentence
