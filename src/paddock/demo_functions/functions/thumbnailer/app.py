"""Makes a thumbnail of a photograph, once the stock service has said that prints of it can be had.

Event:  {"photo": "coffee", "width": 160}            optional: "wait_ms", how long the stock service should take
Answer: {"photo": ..., "width": 160, "height": 107, "sha256": ..., "thumbnail": <WebP in base64>, "in_stock": true, ...}

The stock service is at DOWNSTREAM_URL. Without one the function sleeps in its place.
"""

import base64
import hashlib
import io
import json
import os
import time
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.validation import SchemaValidationError, validate
from PIL import Image

PHOTOS = {path.stem: path for path in sorted((Path(__file__).parent / "photos").glob("*.*g"))}
DOWNSTREAM_URL = os.environ.get("DOWNSTREAM_URL")
DOWNSTREAM_TIMEOUT_SECONDS = 5

EVENT_SCHEMA = {
    "type": "object",
    "required": ["photo"],
    "additionalProperties": False,
    "properties": {
        "photo": {"enum": list(PHOTOS)},
        "width": {"type": "integer", "minimum": 16, "maximum": 640},
        "wait_ms": {"type": "integer", "minimum": 0, "maximum": 2000},
    },
}

logger = Logger(service="thumbnailer")


def handler(event, context):
    try:
        validate(event=event, schema=EVENT_SCHEMA)
    except SchemaValidationError as error:
        logger.warning("refused a request", extra={"reason": error.validation_message})
        return {"error": error.validation_message, "environment": context.log_stream_name}

    in_stock = ask_stock_service(event["photo"], event.get("wait_ms", 50))
    thumbnail, size = make_thumbnail(PHOTOS[event["photo"]], event.get("width", 160))
    return {
        "photo": event["photo"],
        "width": size[0],
        "height": size[1],
        "sha256": hashlib.sha256(thumbnail).hexdigest(),
        "thumbnail": base64.b64encode(thumbnail).decode(),
        "in_stock": in_stock,
        "environment": context.log_stream_name,
    }


def ask_stock_service(photo, wait_ms):
    if DOWNSTREAM_URL is None:
        time.sleep(wait_ms / 1000)
        return True
    question = urlencode({"item": photo, "wait_ms": wait_ms})
    with urlopen(f"{DOWNSTREAM_URL}?{question}", timeout=DOWNSTREAM_TIMEOUT_SECONDS) as answer:
        return json.load(answer)["in_stock"]


def make_thumbnail(photo, width):
    with Image.open(photo) as image:
        image.draft("RGB", (width * 2, width * 2))
        smaller = image.convert("RGB")
        smaller.thumbnail((width, width * 4))
        encoded = io.BytesIO()
        smaller.save(encoded, "WEBP", quality=80)
        return encoded.getvalue(), smaller.size
