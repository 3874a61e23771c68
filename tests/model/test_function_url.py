from __future__ import annotations

import pytest

from paddock.model.function_url import FunctionUrlId, url_id_of, url_name
from paddock.model.ids import Region

ID = FunctionUrlId("abcdefghijklmnopqrstuvwxyz234567")


def test_a_name_has_the_id_the_region_and_the_domain() -> None:
    name = url_name(ID, Region("eu-west-1"), "localhost")
    assert name == "abcdefghijklmnopqrstuvwxyz234567.lambda-url.eu-west-1.localhost"
    assert url_id_of(f"{name}:4600") == ID


@pytest.mark.parametrize(
    "host",
    [
        f"{ID}.lambda-url.us-east-1.on.aws",
        f"{ID.upper()}.lambda-url.us-east-1.localhost:80",
        f"{ID}.lambda-url.anything",
    ],
)
def test_region_domain_port_and_case_do_not_matter(host: str) -> None:
    assert url_id_of(host) == ID


@pytest.mark.parametrize("host", ["", "localhost:4600", "127.0.0.1", ".lambda-url.us-east-1.localhost", "lambda-url"])
def test_other_names_are_no_function_urls(host: str) -> None:
    assert url_id_of(host) is None
