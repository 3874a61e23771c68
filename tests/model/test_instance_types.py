import pytest

from paddock.model.capacity_provider import Architecture
from paddock.model.instance_types import InstanceType, instance_type_matches, parse_instance_type_name


@pytest.mark.parametrize(
    ("name", "series", "generation", "attributes", "size"),
    [
        ("m7g.xlarge", "m", 7, "g", "xlarge"),
        ("c8i-flex.large", "c", 8, "i-flex", "large"),
        ("r5.24xlarge", "r", 5, "", "24xlarge"),
        ("m8gd.metal-24xl", "m", 8, "gd", "metal-24xl"),
    ],
)
def test_a_name_falls_into_series_generation_attributes_and_size(
    name: str, series: str, generation: int, attributes: str, size: str
) -> None:
    parsed = parse_instance_type_name(name)

    assert parsed is not None
    assert (parsed.series, parsed.generation, parsed.attributes, parsed.size) == (series, generation, attributes, size)
    assert str(parsed) == name


@pytest.mark.parametrize("name", ["", "m7g", "m7g.", ".xlarge", "7g.large", "m7g.x large", "m7g.large\n", "M7G.large"])
def test_what_is_no_instance_type_name_is_none(name: str) -> None:
    assert parse_instance_type_name(name) is None


def test_a_star_stands_for_any_run_of_characters_and_a_dot_for_itself() -> None:
    assert instance_type_matches("m8g.xlarge", "m8g.*")
    assert instance_type_matches("m8g.xlarge", "*g.xlarge")
    assert instance_type_matches("m8g.xlarge", "m8g.xlarge")
    assert not instance_type_matches("m8gd.xlarge", "m8g.*")
    assert not instance_type_matches("m8gxxlarge", "m8g.xlarge")
    assert not instance_type_matches("m8g.xlarge", "m8g.x")


def test_a_type_tells_its_family_size_and_memory_per_vcpu() -> None:
    instance_type = InstanceType("m8g.xlarge", 4, 16, Architecture.ARM64)

    assert (instance_type.family, instance_type.size, instance_type.memory_gib_per_vcpu) == ("m8g", "xlarge", 4)


@pytest.mark.parametrize(("name", "metal"), [("m8gd.metal-24xl", True), ("c7i.metal", True), ("c7i.large", False)])
def test_metal_is_told_by_the_size(name: str, metal: bool) -> None:
    parsed = parse_instance_type_name(name)

    assert parsed is not None
    assert parsed.is_metal is metal
