#!/usr/bin/env python3
"""The same as main.go where there is no compiler: says what it hears."""

import http.client
import http.server
import json
import os
import sys
import threading

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
managed = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "lambda-managed-instances"
identified = {"Lambda-Extension-Name": sys.argv[0].rpartition("/")[2]}
said = set()


def say(*words):
    print("watcher", *words, flush=True)


def ask(method, path, body=None):
    api.request(method, path, None if body is None else json.dumps(body), identified)
    response = api.getresponse()
    answer = response.read()
    if response.status >= 300:
        say("failed:", path, response.status, answer)
        sys.exit(1)
    return response, answer


class Told(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        for event in events:
            other = event["type"] == "function" and "ordered" not in json.dumps(event["record"])
            if not other and event["type"] not in said:
                said.add(event["type"])
                say("was told of", event["type"])

    def log_message(self, *_):
        pass


# Environments of one instance share its ports, so the system chooses one.
listener = http.server.HTTPServer(("127.0.0.1", 0), Told)
threading.Thread(target=listener.serve_forever, daemon=True).start()
events = ["SHUTDOWN"] if managed else ["INVOKE", "SHUTDOWN"]
registered, _ = ask("POST", "/2020-01-01/extension/register", {"events": events})
identified["Lambda-Extension-Identifier"] = registered.headers["Lambda-Extension-Identifier"]
subscription = {
    "schemaVersion": "2025-01-29",
    "types": ["platform", "function"],
    "buffering": {"timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{listener.server_port}/"},
}
ask("PUT", "/2022-07-01/telemetry", subscription)
say("registered")
while True:
    event = json.loads(ask("GET", "/2020-01-01/extension/event/next")[1])
    say("heard", event["eventType"], event.get("requestId") or event["shutdownReason"])
    if event["eventType"] == "SHUTDOWN":
        break
