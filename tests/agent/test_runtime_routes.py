import pytest

from paddock.agent.runtime_routes import Route, find_route


@pytest.mark.parametrize(
    ("method", "path", "route", "invocation_id"),
    [
        ("GET", "/2018-06-01/runtime/invocation/next", Route.NEXT, ""),
        ("POST", "/2018-06-01/runtime/invocation/next", Route.WRONG_METHOD, ""),
        ("POST", "/2018-06-01/runtime/invocation/r-1/response", Route.RESPONSE, "r-1"),
        ("POST", "/2018-06-01/runtime/invocation/r-1/error", Route.ERROR, "r-1"),
        ("PUT", "/2018-06-01/runtime/invocation/r-1/error", Route.WRONG_METHOD, ""),
        ("POST", "/2018-06-01/runtime/invocation//response", Route.RESPONSE, ""),
        ("POST", "/2018-06-01/runtime/invocation/r-1/response/x", Route.NOT_FOUND, ""),
        ("POST", "/2018-06-01/runtime/invocation/r-1", Route.NOT_FOUND, ""),
        ("POST", "/2018-06-01/runtime/init/error", Route.INIT_ERROR, ""),
        ("GET", "/2018-06-01/ping", Route.PING, ""),
        ("GET", "/2018-06-01/ping?x=1", Route.NOT_FOUND, ""),
        ("GET", "/", Route.NOT_FOUND, ""),
        ("GET", "", Route.NOT_FOUND, ""),
        ("GET", "/2020-01-01/extension/event/next", Route.EXTENSION, ""),
        ("POST", "/2020-01-01/extension", Route.NOT_FOUND, ""),
        ("GET", "/2018-06-01/runtime/restore/next", Route.NOT_FOUND, ""),
        ("POST", "/2018-06-01/runtime/restore/error", Route.NOT_FOUND, ""),
        ("GET", "/2021-04-23/credentials", Route.NOT_FOUND, ""),
    ],
)
def test_a_request_is_known_by_its_method_and_path(method: str, path: str, route: Route, invocation_id: str) -> None:
    assert find_route(method.encode(), path.encode()) == (route, invocation_id)


def test_an_id_that_is_no_text_is_an_unknown_one() -> None:
    route, invocation_id = find_route(b"POST", b"/2018-06-01/runtime/invocation/\xff/response")
    assert route is Route.RESPONSE
    assert invocation_id == "\ufffd"
