"""Opens a TCP connection to where the event says, sends and receives as many bytes as it says."""

import os
import socket
import struct

ENVIRONMENT = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
LISTENERS = []


def handler(event, context):
    if "listen" in event:
        return listen(event["listen"])
    up, down = event.get("up", 0), event.get("down", 0)
    try:
        with socket.create_connection((event["address"], event["port"]), event.get("patience", 20)) as connection:
            connection.sendall(struct.pack("!II", up, down) + bytes(up))
            received = 0
            while received < down:
                received += len(connection.recv(1 << 16) or bytes(down))
            return {"received": received, "from": connection.getsockname()[0], "environment": ENVIRONMENT}
    except TimeoutError:
        return {"failed": "timed out"}
    except OSError as error:
        return {"failed": error.strerror}


def listen(port):
    """At all addresses, as some extensions do. `address` is the instance's: none is asked for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        unsent.connect(("198.51.100.2", 9))
        answer = {"address": unsent.getsockname()[0], "environment": ENVIRONMENT}
    try:
        LISTENERS.append(socket.create_server(("0.0.0.0", port)))
    except OSError as error:
        return answer | {"failed": error.strerror}
    return answer | {"listens": port}
