"""Looks names up, calls other functions and asks their URLs, as code in a VPC does."""

import json
import socket
import urllib.error
import urllib.request

import boto3
from botocore.config import Config


def handler(event, context):
    return {name: globals()[name](event[name]) for name in ("looks_up", "invokes", "fetches") if name in event}


def looks_up(names):
    return {name: addresses(name) for name in names}


def addresses(name):
    try:
        return sorted({found[4][0] for found in socket.getaddrinfo(name, 443, socket.AF_INET)})
    except socket.gaierror as error:
        return error.args[1]


def invokes(name):
    """Where `AWS_ENDPOINT_URL` says."""
    client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    return json.loads(client.invoke(FunctionName=name, Payload=json.dumps({"looks_up": []}))["Payload"].read())


def fetches(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return str(getattr(error, "reason", error))
