"""A small web site: each path shows one way of answering."""

import time


def handler(event, context):
    return PATHS[event["rawPath"]](event)


def page(event):
    return {
        "statusCode": 201,
        "headers": {"Content-Type": "text/html", "Access-Control-Allow-Origin": "*"},
        "cookies": ["a=1", "b=2"],
        "body": "<h1>made</h1>",
    }


def picture(event):
    return {"statusCode": 200, "headers": {"content-type": "image/x"}, "body": "/wD/", "isBase64Encoded": True}


def fail(event):
    raise ValueError("as asked")


def slow(event):
    time.sleep(30)


PATHS = {
    "/event": lambda event: event,
    "/page": page,
    "/picture": picture,
    "/fail": fail,
    "/slow": slow,
    "/wrong": lambda event: {"statusCode": "soon"},
}
