"""A custom runtime for tests: a bootstrap that needs nothing but a Python interpreter and does what its events say.

`BOOTSTRAP` is a whole program, to be put into a deployment package as `bootstrap` for `provided.al2023`. It keeps as
many polls open as `AWS_LAMBDA_MAX_CONCURRENCY` says. An event is a JSON object; its keys, all optional, are done in
this order:

    print      text written to stdout
    sleep      seconds
    exit       status the whole process ends with
    fork       seconds that a child, which nobody waits for, goes on sleeping
    allocate   megabytes that are held from then on
    listen     port that is listened on at all addresses from then on
    fail       type of an error that is posted in place of an answer
    size       bytes of the answer
    answer     any value, answered as JSON

Without any of the last three the event itself is answered. `INIT` in the environment: `exit:N`, `sleep:N`,
`error:TYPE`.
"""

from __future__ import annotations

BOOTSTRAP = r"""#!/usr/bin/env python3
import http.client, json, os, socket, sys, threading, time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/"
HELD = []


def call(connection, method, path, body=None, headers={}):
    connection.request(method, PREFIX + path, body, headers)
    response = connection.getresponse()
    return response, response.read()


def handle(connection, request_id, event):
    if not isinstance(event, dict):
        event = {"answer": event}
    if "print" in event:
        sys.stdout.write(event["print"] + "\n")
        sys.stdout.flush()
    time.sleep(event.get("sleep", 0))
    if "exit" in event:
        os._exit(event["exit"])
    if "fork" in event and os.fork() == 0:
        time.sleep(event["fork"])
        os._exit(0)
    if "allocate" in event:
        HELD.append(bytearray(os.urandom(1 << 20) * event["allocate"]))
    if "listen" in event:
        HELD.append(socket.create_server(("", event["listen"])))
    path = "invocation/" + request_id + "/"
    if "fail" in event:
        document = json.dumps({"errorType": event["fail"], "errorMessage": "as asked"})
        call(connection, "POST", path + "error", document, {"Lambda-Runtime-Function-Error-Type": event["fail"]})
        return
    body = b"x" * event["size"] if "size" in event else json.dumps(event.get("answer", event)).encode()
    call(connection, "POST", path + "response", body, {"Content-Type": "application/json"})


def work():
    connection = http.client.HTTPConnection(API)
    while True:
        response, body = call(connection, "GET", "invocation/next")
        handle(connection, response.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(body))


def init(what):
    kind, _, value = what.partition(":")
    if kind == "sleep":
        time.sleep(float(value))
    if kind == "error":
        document = json.dumps({"errorType": value, "errorMessage": "as asked"})
        headers = {"Lambda-Runtime-Function-Error-Type": value}
        call(http.client.HTTPConnection(API), "POST", "init/error", document, headers)
        os._exit(0)
    if kind == "exit":
        os._exit(int(value))


init(os.environ.get("INIT", ""))
threads = [threading.Thread(target=work) for _ in range(int(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
