"""`paddock env`: shell exports that point every AWS tool at the server."""

from __future__ import annotations

import json
import shlex

import typer

from paddock.cli.options import DataDir, Output, OutputOption, found_server

UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
"""Variables of the user's shell that would win over the exported ones or break their signature."""


def env(*, data_dir: DataDir = None, output: OutputOption = Output.TEXT) -> None:
    """Print shell exports for the running server: `eval "$(paddock env)"`."""
    running, keys = found_server(data_dir)
    variables = {
        "AWS_ENDPOINT_URL": running.url,
        "AWS_REGION": running.region,
        "AWS_DEFAULT_REGION": running.region,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
    }
    if output is Output.JSON:
        typer.echo(json.dumps(variables, indent=1))
        return
    typer.echo(f"unset {' '.join(UNSET)}")
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
