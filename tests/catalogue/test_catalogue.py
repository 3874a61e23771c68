"""The shipped tables against facts printed elsewhere, and the loader against damage."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from paddock.catalogue import CATALOGUE_DATA, CatalogueError, load, taken_by_lambda
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import Region
from paddock.model.prices import Confidence, Price, Unknown

HOME = Region("us-east-1")

ON_DEMAND_LIST_OF_JULY_2026 = {
    "m7g.large": "0.0816",
    "m7g.xlarge": "0.1632",
    "m8g.xlarge": "0.17952",
    "m9g.xlarge": "0.19568",
    "c7g.xlarge": "0.1450",
    "c8g.xlarge": "0.15952",
    "c9g.xlarge": "0.17388",
    "r7g.xlarge": "0.2142",
    "r8g.xlarge": "0.23564",
    "m7i.xlarge": "0.2016",
    "m8i.xlarge": "0.21168",
    "c7i.xlarge": "0.1785",
    "c8i.xlarge": "0.18742",
    "r7i.xlarge": "0.2646",
    "r8i.xlarge": "0.27784",
    "m7a.xlarge": "0.23184",
    "c7a.xlarge": "0.20528",
    "r7a.xlarge": "0.3043",
    "m6g.xlarge": "0.1540",
    "m6i.xlarge": "0.1920",
    "m6a.xlarge": "0.1728",
    "c6i.2xlarge": "0.3400",
    "m5.xlarge": "0.1920",
    "m8a.xlarge": "0.24344",
}


@pytest.mark.parametrize(("name", "usd"), ON_DEMAND_LIST_OF_JULY_2026.items())
def test_a_price_of_us_east_1_is_that_of_the_public_list(name: str, usd: str) -> None:
    price = load().on_demand(HOME, name)

    assert isinstance(price, Price)
    assert price.usd == Decimal(usd)
    assert price.source.confidence is Confidence.HIGH


@pytest.mark.parametrize(
    ("region", "name"),
    [("eu-west-1", "m9g.xlarge"), ("us-east-1", "m99g.xlarge"), ("moon-1", "m7g.xlarge"), ("us-east-1", "t3.large")],
)
def test_a_price_nobody_knows_is_unknown_and_says_why(region: str, name: str) -> None:
    price = load().on_demand(Region(region), name)

    assert isinstance(price, Unknown)
    assert name in str(price)
    assert price.why


def test_no_price_of_any_region_is_zero_and_every_one_has_a_source() -> None:
    catalogue = load()
    for region in catalogue.regions:
        for offered in catalogue.instance_types(region, all_types=True):
            price = catalogue.on_demand(region, offered.name)
            if isinstance(price, Price):
                assert price.usd > 0
                assert price.source.title
                assert offered.on_demand_usd_per_hour == price.usd
            else:
                assert offered.on_demand_usd_per_hour is None


def test_what_a_type_has_is_what_ec2_says() -> None:
    found = load().instance_type(HOME, "m8g.xlarge")

    assert found is not None
    assert (found.vcpu, found.memory_gib, found.cores, found.manufacturer) == (4, 16.0, 4, "AWS")
    assert (found.network_baseline_gbps, found.network_peak_gbps) == (1.875, 12.5)
    assert found.architecture is Architecture.ARM64


def test_a_vcpu_of_intel_is_half_a_core() -> None:
    found = load().instance_type(HOME, "m7i.xlarge")

    assert found is not None
    assert (found.vcpu, found.cores) == (4, 2)


def test_types_come_with_the_zones_that_offer_them_in_the_region_asked_for() -> None:
    in_virginia = load().instance_type(HOME, "m5.large")
    in_ireland = load().instance_type(Region("eu-west-1"), "m5.large")

    assert in_virginia is not None
    assert in_ireland is not None
    assert "us-east-1a" in in_virginia.zones
    assert set(in_ireland.zones) <= {"eu-west-1a", "eu-west-1b", "eu-west-1c"}


def test_types_can_be_asked_for_by_architecture_and_family() -> None:
    found = load().instance_types(HOME, architecture=Architecture.ARM64, families={"m8g", "m8i"})

    assert {offered.family for offered in found} == {"m8g"}
    assert [offered.vcpu for offered in found] == sorted(offered.vcpu for offered in found)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("m7g.large", True),
        ("r8g.large", True),
        ("c7g.xlarge", True),
        ("c7g.large", False),
        ("m7g.medium", False),
        ("m7g.metal", False),
        ("m7i-flex.large", False),
        ("t4g.large", False),
        ("nonsense", False),
    ],
)
def test_lambda_takes_c_from_xlarge_and_m_and_r_from_large(name: str, taken: bool) -> None:
    assert taken_by_lambda(name) is taken


def test_every_region_of_the_offerings_has_default_lambda_prices_with_source_and_confidence() -> None:
    catalogue = load()
    for region in catalogue.offerings:
        prices = catalogue.lambda_rates(region)
        assert not isinstance(prices, Unknown)
        assert prices.source.confidence is (Confidence.HIGH if region == HOME else Confidence.LOW)
        for architecture in Architecture:
            assert all(tier.usd_per_gb_second > 0 for tier in prices.rates.duration[architecture])


def test_prices_outside_the_known_region_are_not_guessed() -> None:
    prices = load().lambda_rates(Region("af-south-1"))

    assert not isinstance(prices, Unknown)
    assert prices.rates.provisioned_usd_per_gb_second is None
    assert isinstance(load().network_rates(Region("af-south-1")), Unknown)


def test_every_discount_range_is_ordered_and_below_the_advertised_ceiling() -> None:
    for offer in load().commitments:
        assert 0 < offer.discount.low <= offer.discount.middle <= offer.discount.high <= Decimal("0.72")


def test_refreshed_prices_win_and_carry_their_own_date(tmp_path: Path) -> None:
    refreshed = tmp_path / "prices.json"
    source = {"title": "AWS price list", "as_of": "2026-11-20", "confidence": "high"}
    region = {"source": source, "prices": {"m9g.xlarge": "0.2152"}}
    refreshed.write_text(json.dumps({"regions": {"eu-west-1": region}}))

    price = load(refreshed).on_demand(Region("eu-west-1"), "m9g.xlarge")
    untouched = load().on_demand(Region("eu-west-1"), "m9g.xlarge")

    assert isinstance(price, Price)
    assert (price.usd, price.source.as_of) == (Decimal("0.2152"), date(2026, 11, 20))
    assert isinstance(untouched, Unknown)


@pytest.mark.parametrize(
    "damage", ["", "[]", "{", '{"regions": {"x": {"source": {}, "prices": {}}}}', '{"regions": {"x": {"y": "z"}}}']
)
def test_a_damaged_file_of_refreshed_prices_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    refreshed = tmp_path / "prices.json"
    refreshed.write_text(damage)

    with pytest.raises(CatalogueError, match=r"prices\.json"):
        load(refreshed)


def test_the_tables_stay_small_enough_to_review_in_a_diff() -> None:
    assert sum(path.stat().st_size for path in CATALOGUE_DATA.glob("*.json")) < 200_000
