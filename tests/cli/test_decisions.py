"""How decisions are shown."""

from __future__ import annotations

from paddock.cli.decisions import short


def test_long_ids_are_shown_by_their_last_digits_and_words_are_left_alone() -> None:
    text = "start hello:1 env-2a121d1ae94ced9511d773ce0dcdf06a on i-3f5d526a779e1fcc7, revision ae618c75d86be3d4"

    assert short(text) == "start hello:1 env-…0dcdf06a on i-…79e1fcc7, revision …d86be3d4"


def test_the_pool_of_default_lambda_goes_by_its_name_for_people() -> None:
    assert short("$default: nothing to start") == "default Lambda: nothing to start"
