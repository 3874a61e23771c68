"""Function URLs as browsers, curl and signing clients use them, with real functions on managed instances."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.conftest import QUICKLY, ROLE, Server, create_function, create_provider, eventually, invoke, package

pytestmark = pytest.mark.e2e
PAGE = "https://shop.example"
MEBIBYTE = 1 << 20


@contextmanager
def opened(
    url: str, path: str = "/", method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Iterator[http.client.HTTPResponse]:
    """To the server's address, under the URL's name: a browser would find the address by itself."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)
    try:
        connection.request(method, path, body, {"Host": parts.netloc, **(headers or {})})
        yield connection.getresponse()
    finally:
        connection.close()


def seen(*arguments: Any, **more: Any) -> tuple[int, http.client.HTTPMessage, bytes]:
    with opened(*arguments, **more) as response:
        return response.status, response.headers, response.read()


def url_of(api: Any, function: str, auth_type: str = "NONE", **more: Any) -> str:
    return str(api.create_function_url_config(FunctionName=function, AuthType=auth_type, **more)["FunctionUrl"])


@pytest.fixture(scope="module")
def site(api: Any, provider: str) -> str:
    code = {"ZipFile": package("pages.py")}
    create_function(api, provider, "site", Handler="pages.handler", Code=code, Timeout=3)
    return url_of(api, "site")


@pytest.fixture(scope="module")
def streamed(api: Any, provider: str) -> str:
    create_function(
        api,
        provider,
        "streamed-site",
        Runtime="nodejs22.x",
        Handler="pages.handler",
        Code={"ZipFile": package("pages.mjs")},
        Timeout=60,
    )
    return url_of(api, "streamed-site", InvokeMode="RESPONSE_STREAM")


def test_a_function_sees_the_request_as_an_event_of_format_2(site: str) -> None:
    headers = {"Cookie": "a=1; b=2", "Content-Type": "application/json", "X-Own": "1", "User-Agent": "test"}
    status, answered, body = seen(site, "/event?x=1&x=2", "POST", headers, b'{"some": "text"}')
    event = json.loads(body)
    assert (status, answered["Content-Type"]) == (200, "application/json")
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/event", "x=1&x=2")
    assert event["queryStringParameters"] == {"x": "1,2"}
    assert (event["cookies"], event["body"]) == (["a=1", "b=2"], '{"some": "text"}')
    context = event["requestContext"]
    assert context["http"] | {"userAgent": ""} == {
        "method": "POST",
        "path": "/event",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "",
    }
    assert (context["accountId"], context["domainPrefix"]) == ("anonymous", site[7:39])
    assert context["requestId"] == answered["x-amzn-RequestId"]


def test_status_headers_cookies_and_bytes_are_the_function_s(site: str) -> None:
    status, headers, body = seen(site, "/page")
    assert (status, headers["Content-Type"], body) == (201, "text/html", b"<h1>made</h1>")
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert seen(site, "/picture")[2] == b"\xff\x00\xff"


@pytest.mark.parametrize("path", ["/fail", "/slow", "/wrong"])
def test_what_is_no_answer_is_a_502(site: str, path: str) -> None:
    status, _, body = seen(site, path)
    assert (status, body) == (502, b"Internal Server Error")


def test_curl_finds_the_url_by_its_name_alone(site: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl")
    command = [curl, "--silent", "--fail", "--max-time", "60", f"{site}page"]
    answered = subprocess.run(command, capture_output=True, timeout=90, check=True)
    assert answered.stdout == b"<h1>made</h1>"


def test_a_page_of_another_origin_may_what_the_settings_say(api: Any, site: str) -> None:
    cors = {"AllowOrigins": [PAGE], "AllowMethods": ["GET", "PUT"], "MaxAge": 60}
    api.update_function_url_config(FunctionName="site", Cors=cors)
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "PUT"}
    status, headers, _ = seen(site, "/page", "OPTIONS", asked)
    assert (status, headers["Access-Control-Allow-Methods"], headers["Access-Control-Max-Age"]) == (
        200,
        "GET,PUT",
        "60",
    )
    status, headers, _ = seen(site, "/page", headers={"Origin": PAGE})
    assert (status, headers.get_all("Access-Control-Allow-Origin")) == (201, [PAGE])
    api.update_function_url_config(FunctionName="site", Cors={})
    assert seen(site, "/page", headers={"Origin": PAGE})[1]["Access-Control-Allow-Origin"] == "*"


def test_a_real_browser_opens_urls_by_name_and_obeys_their_settings(
    api: Any, provider: str, site: str, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")

    def shown() -> str:
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
        command = [chromium, *options, "--virtual-time-budget=10000", "--dump-dom", f"{asking}browser?url={site}event"]
        ended = subprocess.run(command, capture_output=True, timeout=120, check=True, text=True)
        return ended.stdout

    code = {"ZipFile": package("pages.py")}
    create_function(api, provider, "asking-site", Handler="pages.handler", Code=code)
    asking = url_of(api, "asking-site")
    api.update_function_url_config(FunctionName="site", Cors={"AllowOrigins": ["https://other.example"]})
    assert "refused" in shown()
    api.update_function_url_config(FunctionName="site", Cors={"AllowOrigins": [asking.rstrip("/")]})
    assert '"rawPath"' in shown()
    api.update_function_url_config(FunctionName="site", Cors={})


def test_a_signed_url_knows_who_calls(server: Server, api: Any, site: str) -> None:
    """And is of an alias: function and alias have a URL each."""
    version = api.publish_version(FunctionName="site")["Version"]
    api.get_waiter("published_version_active").wait(FunctionName="site", Qualifier=version, WaiterConfig=QUICKLY)
    api.create_alias(FunctionName="site", Name="live", FunctionVersion=version)
    url = url_of(api, "site", "AWS_IAM", Qualifier="live")
    assert seen(url, "/event")[::2] == (403, b'{"Message":"Forbidden"}')
    keys = json.loads((server.data_dir / "credentials.json").read_text())
    request = AWSRequest("GET", f"{url}event", headers={"Host": urlsplit(url).netloc})
    SigV4Auth(Credentials(keys["access_key_id"], keys["secret_access_key"]), "lambda", "us-east-1").add_auth(request)
    status, _, body = seen(url, "/event", headers=dict(request.headers.items()))
    assert status == 200
    iam = json.loads(body)["requestContext"]["authorizer"]["iam"]
    assert (iam["accessKey"], iam["accountId"]) == (keys["access_key_id"], "000000000000")
    status, _, body = seen(url, "/page", headers=dict(request.headers.items()))
    assert status == 403
    assert "signature we calculated does not match" in json.loads(body)["message"]


@pytest.mark.toolchain
def test_a_streamed_page_begins_while_its_function_runs(streamed: str, api: Any, site: str) -> None:
    with opened(streamed, "/some/path") as response:
        assert response.status == 203
        assert (response.headers["Content-Type"], response.headers["X-Path"]) == ("text/plain", "/some/path")
        assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert response.read(6) == b"first,"
        assert seen(site, "/page")[0] == 201
        assert response.read() == b"last"


@pytest.mark.toolchain
def test_a_streamed_page_may_be_larger_than_a_whole_answer(streamed: str) -> None:
    status, _, body = seen(streamed, f"/?kilobytes={8 * 1024}")
    assert (status, len(body)) == (203, 8 * MEBIBYTE + 10)


@pytest.mark.toolchain
def test_an_error_in_the_middle_of_a_page_cuts_the_connection(streamed: str) -> None:
    with opened(streamed, "/fail") as response:
        assert (response.status, response.read(6)) == (203, b"first,")
        with pytest.raises(http.client.IncompleteRead):
            response.read()


@pytest.mark.toolchain
def test_a_streaming_function_behind_a_url_that_buffers_is_gathered(streamed: str, api: Any) -> None:
    api.update_function_url_config(FunctionName="streamed-site", InvokeMode="BUFFERED")
    status, headers, body = seen(streamed, "/whole")
    api.update_function_url_config(FunctionName="streamed-site", InvokeMode="RESPONSE_STREAM")
    assert (status, headers["X-Path"], headers["Content-Length"], body) == (203, "/whole", "10", b"first,last")


def test_requests_are_metrics_with_awss_names(server: Server, api: Any, provider: str) -> None:
    code = {"ZipFile": package("pages.py")}
    create_function(api, provider, "counted-site", Handler="pages.handler", Code=code)
    url = url_of(api, "counted-site")
    assert [seen(url, path)[0] for path in ("/page", "/picture", "/fail")] == [201, 200, 502]
    cloudwatch = server.client("cloudwatch")

    def sum_of(metric: str) -> float:
        now = datetime.now(UTC)
        found = cloudwatch.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": "counted-site"}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=7200,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in found["Datapoints"]))

    assert eventually(lambda: sum_of("UrlRequestCount") == 3)
    assert (sum_of("Url4xxCount"), sum_of("Url5xxCount")) == (0, 1)
    assert sum_of("UrlRequestLatency") > 0
    with urlopen(f"{server.url}/metrics", timeout=30) as response:
        assert 'paddock_url_5xx_total{function_name="counted-site",qualifier=""} 1' in response.read().decode()


def test_default_lambda_has_urls_too(api: Any) -> None:
    """Without a qualifier they mean `$LATEST`; an environment that does not start is told as any failure."""
    for name, handler in (("plain-site", "pages.handler"), ("broken-site", "nothing.handler")):
        api.create_function(
            FunctionName=name, Runtime="python3.13", Handler=handler, Role=ROLE, Code={"ZipFile": package("pages.py")}
        )
        api.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    assert seen(url_of(api, "plain-site"), "/page")[::2] == (201, b"<h1>made</h1>")
    assert seen(url_of(api, "broken-site"), "/page")[::2] == (502, b"Internal Server Error")


def test_invoke_does_not_notice_that_there_is_a_url(api: Any, site: str) -> None:
    assert invoke(api, "site", {"rawPath": "/event"}) == {"rawPath": "/event"}


def test_a_url_works_through_every_router_and_outlives_a_killed_server(own_server: Callable[..., Server]) -> None:
    server = own_server("--routers", "3")
    api = server.client("lambda")
    provider = create_provider(api, "urls")
    code = {"ZipFile": package("pages.py")}
    create_function(api, provider, "site", Handler="pages.handler", Code=code)
    url = url_of(api, "site")
    for _ in range(12):
        status, _, body = seen(url, "/event")
        assert (status, json.loads(body)["requestContext"]["http"]["sourceIp"]) == (200, "127.0.0.1")
    server.kill()
    api = own_server().client("lambda")
    again = api.get_function_url_config(FunctionName="site")["FunctionUrl"]
    assert urlsplit(again).hostname == urlsplit(url).hostname
    invoke(api, "site", {"rawPath": "/event"})
    assert seen(again, "/page")[0] == 201
    api.delete_function_url_config(FunctionName="site")
    assert seen(again, "/page")[0] == 403


def test_a_policy_is_kept_and_shown_and_an_open_url_asks_for_none(own_server: Callable[..., Server]) -> None:
    server = own_server()
    api = server.client("lambda")
    code = {"ZipFile": package("pages.py")}
    create_function(api, create_provider(api, "policies"), "site", Handler="pages.handler", Code=code)
    url = url_of(api, "site")
    assert seen(url, "/page")[0] == 201
    anyone = {"FunctionName": "site", "Principal": "*"}  # what templates and consoles of AWS give a public URL
    api.add_permission(**anyone, StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
    api.add_permission(**anyone, StatementId="invoke", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)
    added = server.aws(
        *("lambda", "add-permission", "--function-name", "site", "--statement-id", "pictures"),
        *(
            "--action",
            "lambda:InvokeFunction",
            "--principal",
            "s3.amazonaws.com",
            "--source-arn",
            "arn:aws:s3:::pictures",
        ),
    )
    assert added.returncode == 0, added.stderr
    policy = json.loads(api.get_policy(FunctionName="site")["Policy"])
    assert [(each["Sid"], each["Principal"], each.get("Condition")) for each in policy["Statement"]] == [
        ("url", "*", {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}),
        ("invoke", "*", {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}),
        ("pictures", {"Service": "s3.amazonaws.com"}, {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::pictures"}}),
    ]
    assert json.loads(json.loads(added.stdout)["Statement"]) == policy["Statement"][2]

    server.kill()
    api = own_server().client("lambda")
    kept = api.get_policy(FunctionName="site")
    assert json.loads(kept["Policy"]) == policy
    assert kept["RevisionId"] == api.get_function_configuration(FunctionName="site")["RevisionId"]
    for each in policy["Statement"]:
        api.remove_permission(FunctionName="site", StatementId=each["Sid"])
    with pytest.raises(api.exceptions.ResourceNotFoundException):
        api.get_policy(FunctionName="site")
    invoke(api, "site", {"rawPath": "/event"})
    assert seen(api.get_function_url_config(FunctionName="site")["FunctionUrl"], "/page")[0] == 201
