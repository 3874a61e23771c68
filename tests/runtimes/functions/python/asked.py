"""Does what the event says; the tests ask the same of every runtime."""

import os
import signal
import time


def handler(event, context):
    if event["do"] == "wait":
        time.sleep(event["seconds"])
    if event["do"] == "fail":
        raise ValueError("asked to fail")
    if event["do"] == "exit":
        os._exit(event["status"])
    if event["do"] == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"n": event["n"], "request_id": context.aws_request_id, "process_id": os.getpid()}
