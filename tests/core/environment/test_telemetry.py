import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.environment.telemetry import (
    Buffering,
    Category,
    Destination,
    InvalidSubscription,
    Schema,
    TelemetryApi,
    parse_subscription,
    schema_versions,
)

HTTP = {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/in?from=lambda"}
REQUEST: dict[str, object] = {"schemaVersion": "2025-01-29", "types": ["platform", "function"], "destination": HTTP}


def parsed(request: object, api: TelemetryApi = TelemetryApi.TELEMETRY, *, managed: bool = True) -> object:
    return parse_subscription(api, json.dumps(request).encode(), managed=managed)


def test_a_subscription_holds_what_was_asked_for() -> None:
    found = parse_subscription(TelemetryApi.TELEMETRY, json.dumps(REQUEST).encode(), managed=True)

    assert found.schema == Schema(TelemetryApi.TELEMETRY, "2025-01-29")
    assert found.categories == (Category.PLATFORM, Category.FUNCTION)
    assert found.destination == Destination(8080, "POST", "sandbox.localdomain:8080", "/in?from=lambda")
    assert found.buffering == Buffering(10_000, 262_144, 1_000)


@pytest.mark.parametrize(
    ("api", "managed", "versions"),
    [
        (TelemetryApi.TELEMETRY, True, ("2025-01-29",)),
        (TelemetryApi.TELEMETRY, False, ("2022-07-01", "2022-12-13", "2025-01-29")),
        (TelemetryApi.LOGS, True, ()),
        (TelemetryApi.LOGS, False, ("2020-08-15", "2021-03-18")),
    ],
)
def test_each_kind_of_function_knows_its_schemas(api: TelemetryApi, managed: bool, versions: tuple[str, ...]) -> None:
    assert schema_versions(api, managed=managed) == versions
    for version in ("2020-08-15", "2021-03-18", "2022-07-01", "2022-12-13", "2025-01-29", "2026-01-01"):
        if version in versions:
            assert parsed(REQUEST | {"schemaVersion": version}, api, managed=managed)
        else:
            with pytest.raises(InvalidSubscription, match="schemaVersion"):
                parsed(REQUEST | {"schemaVersion": version}, api, managed=managed)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schemaVersion": None}, "schemaVersion"),
        ({"schemaVersion": ["2025-01-29"]}, "schemaVersion"),
        ({"types": []}, "types"),
        ({"types": "platform"}, "types"),
        ({"types": ["platform", "all"]}, "types"),
        ({"types": [["platform"]]}, "types"),
        ({"destination": None}, "destination"),
        ({"destination": {"protocol": "HTTPS", "URI": HTTP["URI"]}}, "protocol"),
        ({"destination": {"protocol": "HTTP"}}, "URI"),
        ({"destination": HTTP | {"URI": 8080}}, "URI"),
        ({"destination": HTTP | {"URI": "http://127.0.0.1:8080"}}, "URI"),
        ({"destination": HTTP | {"URI": "http://example.com:8080"}}, "URI"),
        ({"destination": HTTP | {"URI": "http://sandbox.localdomain.example.com:8080"}}, "URI"),
        ({"destination": HTTP | {"URI": "http://user@sandbox.localdomain:8080"}}, "URI"),
        ({"destination": HTTP | {"URI": "https://sandbox.localdomain:8080"}}, "URI"),
        ({"destination": HTTP | {"URI": "http://sandbox.localdomain:808080"}}, "URI"),
        ({"destination": HTTP | {"URI": "http://sandbox.localdomain:0"}}, "URI"),
        ({"destination": HTTP | {"URI": "http://sandbox.localdomain:80/a b"}}, "URI"),
        ({"destination": HTTP | {"URI": "http://sandbox.localdomain:80/\r\nX: 1"}}, "URI"),
        ({"destination": HTTP | {"URI": "http://sandbox.localdomain:80/ü"}}, "URI"),
        ({"destination": HTTP | {"URI": "http://[sandbox.localdomain:80/"}}, "URI"),
        ({"destination": {"protocol": "TCP"}}, "port"),
        ({"destination": {"protocol": "TCP", "port": "8080"}}, "port"),
        ({"destination": {"protocol": "TCP", "port": True}}, "port"),
        ({"destination": {"protocol": "TCP", "port": 65_536}}, "port"),
        ({"buffering": []}, "buffering"),
    ],
)
def test_what_cannot_be_is_refused_by_name(change: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidSubscription, match=named):
        parsed(REQUEST | change)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("maxItems", 1_000, 10_000), ("maxBytes", 262_144, 1_048_576), ("timeoutMs", 25, 30_000)],
)
def test_buffering_has_bounds(name: str, least: int, most: int) -> None:
    for figure in (least, most, None):
        assert parsed(REQUEST | {"buffering": {name: figure}})
    for wrong in (least - 1, most + 1, -1, 0, float(least), str(least), True):
        with pytest.raises(InvalidSubscription, match=name):
            parsed(REQUEST | {"buffering": {name: wrong}})


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("http://sandbox.localdomain:80", "/"),
        ("http://SANDBOX.localdomain:80/Path", "/Path"),
        ("http://sandbox:80?a=/b", "/?a=/b"),
        ("http://sandbox:80/a?b#c", "/a?b"),
        ("http://sandbox:80//a", "//a"),
    ],
)
def test_the_target_is_path_and_query(uri: str, target: str) -> None:
    body = json.dumps(REQUEST | {"destination": {"protocol": "HTTP", "URI": uri}}).encode()
    destination = parse_subscription(TelemetryApi.TELEMETRY, body, managed=True).destination
    assert (destination.target, destination.port) == (target, 80)


def test_a_short_name_a_bare_port_and_no_path_will_do() -> None:
    short = parse_subscription(
        TelemetryApi.TELEMETRY,
        json.dumps(REQUEST | {"destination": {"protocol": "HTTP", "URI": "http://sandbox"}}).encode(),
        managed=True,
    )
    assert short.destination == Destination(80, "POST", "sandbox:80", "/")
    bare = parse_subscription(
        TelemetryApi.TELEMETRY,
        json.dumps(REQUEST | {"destination": {"protocol": "TCP", "port": 4000}}).encode(),
        managed=True,
    )
    assert bare.destination == Destination(4000)


@pytest.mark.parametrize(
    ("more", "method"),
    [
        ({}, "POST"),
        ({"method": "PUT", "encoding": "JSON"}, "PUT"),
        ({"method": "GET"}, None),
        ({"encoding": "X"}, None),
    ],
)
def test_the_logs_api_lets_choose_the_method(more: dict[str, str], method: str | None) -> None:
    body = json.dumps(REQUEST | {"schemaVersion": "2020-08-15", "destination": HTTP | more}).encode()
    if method is None:
        with pytest.raises(InvalidSubscription, match="destination"):
            parse_subscription(TelemetryApi.LOGS, body, managed=False)
    else:
        assert parse_subscription(TelemetryApi.LOGS, body, managed=False).destination.method == method


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.just("2025-01-29") | JSON_VALUES,
        "types": st.just(["extension"]) | JSON_VALUES,
        "destination": st.just(HTTP)
        | st.fixed_dictionaries({"protocol": st.just("HTTP"), "URI": st.text() | st.from_regex(r"http://sandbox.*")})
        | JSON_VALUES,
        "buffering": JSON_VALUES,
    },
)


@given(REQUESTS.map(lambda request: json.dumps(request).encode()) | st.binary())
def test_a_request_is_understood_or_refused_whatever_it_is(body: bytes) -> None:
    try:
        found = parse_subscription(TelemetryApi.TELEMETRY, body, managed=True)
    except InvalidSubscription:
        return
    request_line = f"{found.destination.method} {found.destination.target} HTTP/1.1"
    assert len(request_line.split()) == 3
    assert request_line.isprintable()
    assert 0 < found.destination.port < 65_536


def test_a_body_nested_without_end_is_refused() -> None:
    with pytest.raises(InvalidSubscription, match="JSON"):
        parse_subscription(TelemetryApi.TELEMETRY, b'{"a":' * 100_000, managed=True)
