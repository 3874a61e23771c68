"""Signs with whatever credentials the SDK finds, and says where it found them."""

import os

import boto3

NAMES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}


def handler(event, context):
    session = boto3.session.Session()
    return {
        "method": session.get_credentials().method,
        "key": session.get_credentials().access_key,
        "variables": sorted(name for name in os.environ if name in NAMES),
        "names": [one["FunctionName"] for one in session.client("lambda").list_functions()["Functions"]],
    }
