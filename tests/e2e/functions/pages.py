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


def browser(event):
    """Asks the URL that its query names, as a script of a page does, and shows what came of it."""
    script = 'fetch("%s").then((answer) => answer.text()).catch(() => "refused").then((text) => document.write(text))'
    body = f"<!doctype html><script>{script % event['queryStringParameters']['url']}</script>"
    return {"statusCode": 200, "headers": {"content-type": "text/html"}, "body": body}


def fail(event):
    raise ValueError("as asked")


def slow(event):
    time.sleep(30)


PATHS = {
    "/event": lambda event: event,
    "/page": page,
    "/picture": picture,
    "/browser": browser,
    "/fail": fail,
    "/slow": slow,
    "/wrong": lambda event: {"statusCode": "soon"},
}
