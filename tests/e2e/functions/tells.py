"""Works for a while, and then tells a listener outside of the platform that it did."""

import time
import urllib.request


def handler(event, context):
    time.sleep(event["seconds"])
    urllib.request.urlopen(event["listener"], data=event["id"].encode(), timeout=10).close()
    return {"told": event["id"]}
