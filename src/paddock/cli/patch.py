"""`paddock patch`: replace instances so that new runtimes and a new agent take effect; new ones first, then the old."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddock.cli.options import CONNECT_SECONDS, DataDir, Output, OutputOption, found_server
from paddock.cli.status import fetch_status
from paddock.model.errors import StartError

if TYPE_CHECKING:
    from paddock.server.data_dir import KeyPair, RunningServer

LOOK_SECONDS = 1.0

Provider = Annotated[
    str | None,
    typer.Option(help="Only this capacity provider; without it all, and default Lambda.", show_default=False),
]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress and return when all are replaced.")]


def patch(
    *, provider: Provider = None, wait: Wait = False, data_dir: DataDir = None, output: OutputOption = Output.TEXT
) -> None:
    """Replace every instance: new capacity first, then the old one drains and ends, a fifth of the fleet at a time.

    The server carries it on by itself; Ctrl-C ends only the watching.
    """
    running, keys = found_server(data_dir)
    begun = _begin(running, keys, provider)
    old = {each for ids in begun["instances"].values() for each in ids}
    if output is Output.TEXT:
        typer.echo(f"{len(old)} instances are replaced, a fifth of each fleet at a time")
    if wait:
        _watch(running, keys, old, say=output is Output.TEXT)
    if output is Output.JSON:
        typer.echo(json.dumps(begun | {"done": wait or not old}, indent=1))


def _begin(running: RunningServer, keys: KeyPair, provider: str | None) -> dict[str, Any]:
    import urllib.error
    import urllib.parse
    import urllib.request

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = f"{running.url}/_paddock/patch"
    if provider is not None:
        url += "?" + urllib.parse.urlencode({"provider": provider})
    request = AWSRequest("POST", url, data=b"")
    SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key), "lambda", running.region).add_auth(request)
    signed = urllib.request.Request(url, b"", dict(request.headers), method="POST")  # noqa: S310  # our own server
    try:
        with urllib.request.urlopen(signed, timeout=CONNECT_SECONDS) as response:  # noqa: S310
            document: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        raise StartError(_refusal(error.read())) from error
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise StartError(f"the server at {running.url} cannot be asked: {error}") from error
    return document


def _refusal(body: bytes) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    return str(document.get("message") or document.get("Message") or document)


def _watch(running: RunningServer, keys: KeyPair, old: set[str], *, say: bool) -> None:
    shown = -1
    while True:
        left = len(old & _present(fetch_status(running, keys)))
        if say and len(old) - left != shown:
            shown = len(old) - left
            typer.echo(f"replaced {shown} of {len(old)}")
        if not left:
            return
        time.sleep(LOOK_SECONDS)


def _present(document: dict[str, Any]) -> set[str]:
    fleets = [*document["providers"], *filter(None, [document.get("default_lambda")])]
    return {instance["instance_id"] for fleet in fleets for instance in fleet["instances"]}
