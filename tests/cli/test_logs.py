"""`paddock logs --since`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from paddock.cli.logs import age, beginning_ms
from paddock.model.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "length"),
    [("30s", timedelta(seconds=30)), ("10m", timedelta(minutes=10)), ("2h", timedelta(hours=2)), ("1d", timedelta(1))],
)
def test_an_age_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert age(text) == length


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "1w", "99999999d"])
def test_any_other_age_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SettingsError, match="--since"):
        age(text)


def test_an_age_before_all_calendars_begins_with_the_epoch() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)

    assert beginning_ms(now, age("999999d")) == 0
    assert beginning_ms(now, age("1d")) == datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000
