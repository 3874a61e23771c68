"""Answers with its event: large answers as well as large events."""


def handler(event, context):
    return event
