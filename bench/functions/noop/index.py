"""Answers at once: what is measured is everything around it."""


def handler(event, context):
    return {"ok": True}
