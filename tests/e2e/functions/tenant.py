"""Tells whom it works for, and whom its environment has worked for before."""

import logging
import os

SEEN = set()


def handler(event, context):
    SEEN.add(context.tenant_id)
    logging.getLogger().warning("working")
    if event.get("do") == "fail":
        raise ValueError("as asked")
    return {
        "tenant": context.tenant_id,
        "seen": sorted(SEEN),
        "environment": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    }
