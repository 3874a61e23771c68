from __future__ import annotations

import pytest

from paddock.core.function_urls.cors import complaint_about, is_preflight, preflight_headers, with_cors
from paddock.model.function_url import Cors

SHOP = "https://shop.example"
FULL = Cors(
    allow_credentials=True,
    allow_headers=("date", "x-own"),
    allow_methods=("GET", "POST"),
    allow_origins=(SHOP, "http://localhost:3000"),
    expose_headers=("x-count",),
    max_age_seconds=0,
)


def test_the_question_of_an_origin_that_may_is_answered_in_full() -> None:
    assert dict(preflight_headers(FULL, SHOP)) == {
        "Access-Control-Allow-Origin": SHOP,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "x-count",
        "Vary": "Origin",
        "Access-Control-Allow-Methods": "GET,POST",
        "Access-Control-Allow-Headers": "date,x-own",
        "Access-Control-Max-Age": "0",
    }


@pytest.mark.parametrize("cors", [FULL, Cors(), Cors(allow_methods=("*",))])
def test_an_origin_that_may_not_is_told_nothing(cors: Cors) -> None:
    assert preflight_headers(cors, "https://other.example") == ()
    assert with_cors((("X-A", "1"),), cors, "https://other.example") == (("X-A", "1"),)


def test_any_origin_is_a_wildcard_unless_credentials_are_allowed() -> None:
    assert preflight_headers(Cors(allow_origins=("*",)), SHOP) == (("Access-Control-Allow-Origin", "*"),)
    named = dict(preflight_headers(Cors(allow_origins=("*",), allow_credentials=True), SHOP))
    assert (named["Access-Control-Allow-Origin"], named["Vary"]) == (SHOP, "Origin")


def test_the_settings_take_the_place_of_what_the_function_says() -> None:
    answered = (("Content-Type", "a/b"), ("access-control-allow-origin", "*"), ("Access-Control-Max-Age", "9"))
    headers = with_cors(answered, Cors(allow_origins=(SHOP,)), SHOP)
    assert headers == (("Content-Type", "a/b"), ("Access-Control-Allow-Origin", SHOP), ("Vary", "Origin"))


def test_without_settings_or_without_a_page_the_function_s_headers_stay() -> None:
    answered = (("access-control-allow-origin", "*"),)
    assert with_cors(answered, None, SHOP) == answered
    assert with_cors(answered, FULL, None) == answered


@pytest.mark.parametrize(
    ("method", "headers", "is_one"),
    [
        ("OPTIONS", {"origin": SHOP, "access-control-request-method": "PUT"}, True),
        ("OPTIONS", {"origin": SHOP}, False),
        ("OPTIONS", {"access-control-request-method": "PUT"}, False),
        ("GET", {"origin": SHOP, "access-control-request-method": "PUT"}, False),
    ],
)
def test_only_a_browser_s_question_is_one(method: str, headers: dict[str, str], is_one: bool) -> None:
    assert is_preflight(method, headers) is is_one


@pytest.mark.parametrize("cors", [FULL, Cors(), Cors(allow_origins=("*",), allow_headers=("*",), allow_methods=("*",))])
def test_settings_that_can_be_told_are_none_to_complain_about(cors: Cors) -> None:
    assert complaint_about(cors) is None


@pytest.mark.parametrize(
    ("cors", "member"),
    [
        (Cors(allow_headers=("date", "x\r")), "AllowHeaders"),
        (Cors(allow_headers=("",)), "AllowHeaders"),
        (Cors(allow_methods=("G,T",)), "AllowMethods"),
        (Cors(expose_headers=("\u20ac",)), "ExposeHeaders"),
        (Cors(allow_origins=("a b",)), "AllowOrigins"),
    ],
)
def test_what_no_header_can_carry_is_complained_about(cors: Cors, member: str) -> None:
    assert member in (complaint_about(cors) or "")
