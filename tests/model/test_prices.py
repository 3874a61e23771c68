from __future__ import annotations

from datetime import date
from decimal import Decimal

from paddock.model.prices import Confidence, Price, Source, Unknown


def test_what_is_unknown_says_what_and_why() -> None:
    assert str(Unknown("c9g.xlarge per hour", "in no table")) == "c9g.xlarge per hour: unknown (in no table)"


def test_a_price_says_where_it_is_from_and_when() -> None:
    price = Price(Decimal("0.20"), "million requests", Source("a page", date(2026, 1, 1), Confidence.HIGH))

    assert (price.source.title, price.source.as_of.year, price.source.confidence) == ("a page", 2026, "high")
