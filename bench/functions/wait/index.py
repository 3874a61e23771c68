"""Waits as a slow downstream makes it wait: the capacity of its slots is known beforehand."""

import time


def handler(event, context):
    time.sleep(event["wait_ms"] / 1000)
    return {"ok": True}
