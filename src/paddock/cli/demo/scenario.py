"""What the demo does: which functions, which events, how much traffic. Numbers only; nothing is started here."""

from __future__ import annotations

from typing import Any

from paddock.cli.load import Stream

THUMBNAILER = "paddock-demo-thumbnailer"
PRICING = "paddock-demo-pricing"
FUNCTIONS = (THUMBNAILER, PRICING)

DEFAULT_SECONDS = 60
MAX_SECONDS = 3600
THUMBNAILS_PER_SECOND = 10.0
ORDERS_PER_SECOND = 10.0
"""Well within two cores, client and server together: the point is concurrency, not heat."""

DOWNSTREAM_WAIT_MS = 800
"""Long enough that eight invocations of each function wait at any moment: Little's law, 10 a second × 0.8 s."""

MAX_CONCURRENCY = 8
"""Three environments then have 24 slots, of which a third is in use; each Python slot is a process that imports all."""

_PHOTOS = ("chelsea", "coffee", "hubble_deep_field", "rocket")
_COUNTRIES = ("DE", "FR", "US")


def thumbnail_event(number: int, photos: tuple[str, ...] = _PHOTOS) -> dict[str, Any]:
    return {"photo": photos[number % len(photos)], "width": 96 + number % 4 * 32, "wait_ms": DOWNSTREAM_WAIT_MS}


def order_event(number: int) -> dict[str, Any]:
    return {
        "lines": [{"item": "print", "quantity": 1 + number % 5}, {"item": "frame", "quantity": 1}],
        "country": _COUNTRIES[number % len(_COUNTRIES)],
        "placed": f"2026-03-{1 + number % 28:02d}",
        "wait_ms": DOWNSTREAM_WAIT_MS,
    }


def streams(functions: tuple[str, ...]) -> tuple[Stream, ...]:
    every = {
        THUMBNAILER: Stream(THUMBNAILER, THUMBNAILS_PER_SECOND, thumbnail_event),
        PRICING: Stream(PRICING, ORDERS_PER_SECOND, order_event),
    }
    return tuple(every[name] for name in functions)
