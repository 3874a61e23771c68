"""A program that stands for `dotnet` where there is none: it lists a runtime, and runs what polls as AWS's client does.

What that client does was read, not run: it keeps as many polls open as it has processing tasks, and polls again while
the events it has been given are still being handled; a post that is refused is logged, and no more.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

INVOCATIONS = "/2018-06-01/runtime/invocation"


def handle(event: dict[str, Any], invocation_id: str) -> object:
    match event.get("do"):
        case "meet":
            (Path(event["meeting"]) / invocation_id).touch()
            while len(list(Path(event["meeting"]).iterdir())) < event["count"]:
                time.sleep(0.005)
        case "facts":
            return {"arguments": sys.argv[1:], "env": dict(os.environ)}
        case "exit":
            os._exit(event["status"])
        case _:
            pass
    return {"n": event.get("n"), "request_id": invocation_id, "process_id": os.getpid()}


def call(method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, INVOCATIONS + path, body)
    return connection.getresponse()


def answer(invocation_id: str, payload: bytes) -> None:
    answered = call(
        "POST", f"/{invocation_id}/response", json.dumps(handle(json.loads(payload), invocation_id)).encode()
    )
    if answered.status >= 400:
        print(f"refused: {answered.status}", flush=True)


def poll() -> None:
    while True:
        event = call("GET", "/next")
        arguments = (str(event.headers["Lambda-Runtime-Aws-Request-Id"]), event.read())
        threading.Thread(target=answer, args=arguments).start()


def install_tool(framework: str, name: str, _: str, version: str, __: str, tools: str) -> None:
    """As .NET's own command lays out what it fetches. Without a framework there is no network."""
    if not framework:
        sys.exit("error NU1301: Unable to load the service index for source.")
    content = Path(tools) / f".store/{name}/{version}/{name}/{version}/content/Amazon.Lambda.RuntimeSupport/{framework}"
    content.mkdir(parents=True)
    (content / "Amazon.Lambda.RuntimeSupport.TestTool.dll").write_text(version)


def main() -> None:
    if sys.argv[1:] == ["--list-runtimes"]:
        print("Microsoft.AspNetCore.App 8.0.11 [/nowhere]\nMicrosoft.NETCore.App 8.0.11 [/nowhere]")
        return
    sdk = Path(sys.argv[0]).with_name("sdk")
    if sys.argv[1:] == ["--list-sdks"]:
        print("8.0.404 [/nowhere]" if sdk.exists() else "")
        return
    if sys.argv[1:3] == ["tool", "install"]:
        install_tool(sdk.read_text(), *sys.argv[3:])
        return
    wanted = os.environ.get("AWS_LAMBDA_DOTNET_PROCESSING_TASKS") or os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY") or "1"
    for _ in range(int(wanted)):
        threading.Thread(target=poll).start()


if __name__ == "__main__":
    main()
