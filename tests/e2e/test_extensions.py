"""A Lambda extension in a layer, with boto3 on a real server: on managed instances and as default Lambda."""

from __future__ import annotations

import base64
import io
import zipfile
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.e2e.conftest import QUICKLY, ROLE, Server, create_function, eventually, invoke

pytestmark = pytest.mark.e2e

EXTENSION = """#!/usr/bin/env python3
import http.client, json, os

connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
managed = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "lambda-managed-instances"
events = ["SHUTDOWN"] if managed else ["INVOKE", "SHUTDOWN"]

def ask(method, path, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, "/2020-01-01/extension/" + path, body, named)
    response = connection.getresponse()
    return response, json.loads(response.read())

response, said = ask("POST", "register", json.dumps({"events": events}), Lambda_Extension_Name="watcher")
identifier = response.headers["Lambda-Extension-Identifier"]
with open("/tmp/watcher-" + said["functionName"], "w") as file:
    file.write("watched")
while True:
    response, event = ask("GET", "event/next", Lambda_Extension_Identifier=identifier)
    print("extension heard", event["eventType"], flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
"""
ENDS = "#!/bin/sh\nexit 3\n"
FUNCTION = """
def handler(event, context):
    with open("/tmp/watcher-" + context.function_name) as file:
        return [file.read(), event["n"]]
"""

WHERE = """
def handler(event, context):
    return context.log_stream_name
"""
TOLD = """
import socket, threading
listener = socket.create_server(("sandbox.localdomain", 43210))

def listen():
    lines = listener.accept()[0].makefile()
    for line in lines:
        print("told of", json.loads(line)["type"], flush=True)

threading.Thread(target=listen, daemon=True).start()
subscription = {
    "schemaVersion": "2025-01-29", "types": ["platform"], "destination": {"protocol": "TCP", "port": 43210},
    "buffering": {"timeoutMs": 25},
}
connection.request(
    "PUT", "/2022-07-01/telemetry", json.dumps(subscription), {"Lambda-Extension-Identifier": identifier}
)
connection.getresponse().read()

"""
SLOW = """    import time
    if event["eventType"] == "INVOKE":
        time.sleep(10)
"""


def packed(files: dict[str, str]) -> bytes:
    """Programs, as a layer holds them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def layer(api: Any, name: str, extension: str) -> str:
    package = packed({"extensions/watcher": extension})
    return str(api.publish_layer_version(LayerName=name, Content={"ZipFile": package})["LayerVersionArn"])


def counted(server: Server, metric: str, function: str) -> float:
    now = datetime.now(UTC)
    answer = server.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["SampleCount"],
    )
    return sum(float(point["SampleCount"]) for point in answer["Datapoints"])


def heard(server: Server, function: str, event: str) -> bool:
    return f"extension heard {event}" in server.paddock("logs", function, "--since", "2h").stdout


def test_an_extension_runs_beside_a_function_on_managed_instances(server: Server, api: Any, provider: str) -> None:
    name = "watched-managed"
    code = {"ZipFile": packed({"app.py": FUNCTION})}
    create_function(api, provider, name, Code=code, Handler="app.handler", Layers=[layer(api, name, EXTENSION)])

    assert [invoke(api, name, {"n": number}) for number in range(8)] == [["watched", number] for number in range(8)]

    api.delete_function(FunctionName=name)
    assert eventually(lambda: heard(server, name, "SHUTDOWN"))
    assert not heard(server, name, "INVOKE")


def test_an_extension_hears_of_each_invocation_as_default_lambda(server: Server, api: Any) -> None:
    name = "watched-default"
    api.create_function(
        FunctionName=name,
        Role=ROLE,
        Runtime="python3.13",
        Handler="app.handler",
        Code={"ZipFile": packed({"app.py": FUNCTION})},
        Layers=[layer(api, name, EXTENSION)],
    )
    api.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)

    assert [invoke(api, name, {"n": number}) for number in range(4)] == [["watched", number] for number in range(4)]
    assert eventually(lambda: heard(server, name, "INVOKE"))
    answer = api.invoke(FunctionName=name, Payload=b'{"n": 4}', LogType="Tail")
    assert "REPORT RequestId" in base64.b64decode(answer["LogResult"]).decode()

    measured = ("Duration", "PostRuntimeExtensionsDuration")
    assert eventually(lambda: [counted(server, metric, name) for metric in measured] == [5, 5])


def test_a_publish_with_an_extension_that_ends_fails_and_says_so(api: Any, provider: str) -> None:
    name = "watched-by-nobody"
    code = {"ZipFile": packed({"app.py": FUNCTION})}
    with pytest.raises(WaiterError):
        create_function(api, provider, name, Code=code, Handler="app.handler", Layers=[layer(api, name, ENDS)])

    shown = api.get_function_configuration(FunctionName=name, Qualifier="$LATEST.PUBLISHED")
    assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "FunctionError.ExtensionInitError")


def test_an_invocation_does_not_wait_for_the_extensions_of_the_one_before(api: Any) -> None:
    """On default Lambda their environment is busy with them, so another one takes it."""
    name = "watched-slowly"
    api.create_function(
        FunctionName=name,
        Role=ROLE,
        Runtime="python3.13",
        Handler="app.handler",
        Timeout=60,
        Code={"ZipFile": packed({"app.py": WHERE})},
        Layers=[layer(api, name, EXTENSION.replace('    if event["eventType"]', SLOW + '    if event["eventType"]'))],
    )
    api.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)

    first, second = (invoke(api, name, {"n": number}) for number in range(2))
    assert first != second


def test_an_extension_listens_on_the_same_port_in_every_environment(server: Server, api: Any, provider: str) -> None:
    """On AWS each environment has its ports for itself, and extensions have theirs written in them."""
    if '"isolation": "process' in server.paddock("status", "--output", "json").stdout:
        pytest.skip("without files of its own an environment has no address of its own")
    names = ("told-one", "told-two")
    told = layer(api, "told", EXTENSION.replace("while True:", TOLD + "while True:"))
    code = {"ZipFile": packed({"app.py": FUNCTION})}
    for name in names:
        create_function(api, provider, name, Code=code, Handler="app.handler", Layers=[told])

    for name in names:
        assert invoke(api, name, {"n": 1}) == ["watched", 1]
        assert eventually(partial(_told, server, name))


def _told(server: Server, function: str) -> bool:
    """In each of its three environments."""
    said = server.paddock("logs", function, "--since", "2h").stdout
    return said.count("told of platform.initReport") == 3
