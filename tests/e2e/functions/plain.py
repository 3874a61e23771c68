"""One ordinary function whose event says what to do: answer, wait, fail, or misbehave."""

import json
import os
import sys
import time

ENVIRONMENT = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]


def handler(event, context):
    return ACTIONS[event.get("do", "echo")](event, context)


def echo(event, context):
    return {
        "event": event,
        "environment": ENVIRONMENT,
        "request_id": context.aws_request_id,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
    }


def wait(event, context):
    time.sleep(event["seconds"])
    return echo(event, context)


def fail(event, context):
    raise ValueError(event.get("text", "as asked"))


def leave(event, context):
    os._exit(event.get("code", 1))


def flood(event, context):
    line = "x" * 1023
    for _ in range(event["kilobytes"]):
        print(line)
    return {"printed": event["kilobytes"]}


def big(event, context):
    return "y" * event["bytes"]


def fork(event, context):
    children = []
    for _ in range(event["times"]):
        pid = os.fork()
        if pid == 0:
            time.sleep(300)
            os._exit(0)
        children.append(pid)
    return {"children": children}


def variables(event, context):
    return dict(os.environ)


def log(event, context):
    print(json.dumps({"said": event["text"]}))
    print(event["text"], file=sys.stderr)
    return {"logged": event["text"]}


def unserialisable(event, context):
    return {1, 2}


ACTIONS = {
    action.__name__: action for action in (echo, wait, fail, leave, flood, big, fork, variables, log, unserialisable)
}
