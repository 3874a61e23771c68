from decimal import Decimal

from paddock.advisor.comparison import MeasuredTraffic, break_even_requests_per_second, compare_costs
from paddock.catalogue import load
from paddock.core.pricing.bill import Bill
from paddock.model.ids import Region
from paddock.model.prices import Unknown

VIRGINIA = Region("us-east-1")


def test_a_month_of_the_same_traffic_is_priced_on_both_sides_with_sources() -> None:
    catalogue = load()
    instance_type = catalogue.instance_type(VIRGINIA, "m7g.xlarge")
    assert instance_type is not None

    found = compare_costs(catalogue, VIRGINIA, instance_type, 3, MeasuredTraffic(100, 200, 1024))

    assert isinstance(found.managed_instances, Bill)
    assert isinstance(found.default_lambda, Bill)
    assert found.managed_instances.total_usd == Decimal("411.02") + Decimal("52.56")
    assert found.default_lambda.total_usd == Decimal("753.36")  # 262.8 M requests, 52.56 M GB-seconds of arm64
    assert len(found.sources) == 2


def test_break_even_of_three_m7g_xlarge_is_that_of_the_published_table() -> None:
    """308 M requests a month at 512 MB and 200 ms on arm64 is 117 a second."""
    catalogue = load()
    instance_type = catalogue.instance_type(VIRGINIA, "m7g.xlarge")
    assert instance_type is not None
    traffic = MeasuredTraffic(10, 200, 512)

    found = break_even_requests_per_second(compare_costs(catalogue, VIRGINIA, instance_type, 3, traffic), traffic)

    assert found is not None
    assert round(found) == 117


def test_without_a_price_the_bill_is_unknown_and_there_is_no_break_even() -> None:
    catalogue = load()
    region = Region("eu-west-1")
    instance_type = catalogue.instance_type(region, "m9g.xlarge")
    assert instance_type is not None
    traffic = MeasuredTraffic(10, 200, 512)

    found = compare_costs(catalogue, region, instance_type, 3, traffic)

    assert isinstance(found.managed_instances, Unknown)
    assert break_even_requests_per_second(found, traffic) is None
