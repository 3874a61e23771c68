"""The ordinary function: an event, a library and a file of a layer, a variable, a line of log, an answer."""

import os
from pathlib import Path

import inflection

RATE = int(Path("/opt/rate").read_text())


def handler(event, context):
    item = inflection.humanize(event["item"])
    print(f"ordered {item} {event['n']}")
    return {"n": event["n"], "item": item, "total": event["n"] * RATE, "shop": os.environ["SHOP"]}
