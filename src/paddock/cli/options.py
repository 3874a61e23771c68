"""Options that several commands share, and how a command finds its server."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddock.model.errors import StartError
from paddock.server import data_dir as data_directory
from paddock.server.settings import default_data_dir

if TYPE_CHECKING:
    from paddock.server.data_dir import KeyPair, RunningServer


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


DataDir = Annotated[
    Path | None,
    typer.Option(envvar="PADDOCK_DATA_DIR", help="Where state, code, logs and runtimes are kept.", show_default=False),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]

CONNECT_SECONDS = 5
READ_SECONDS = 60


def resolved(data_dir: Path | None) -> Path:
    return (data_dir or default_data_dir()).expanduser().absolute()


def found_server(data_dir: Path | None) -> tuple[RunningServer, KeyPair]:
    """The running server of a data directory and the keys it takes. Raises `StartError` saying how to start one."""
    directory = resolved(data_dir)
    running = data_directory.running_server(directory)
    keys = data_directory.existing_key_pair(directory)
    if running is None or keys is None:
        raise StartError(f"no server runs on {directory}: start one with `paddock up`, or name its --data-dir")
    return running, keys


def client(service: str, running: RunningServer, keys: KeyPair, *, connections: int = 10) -> Any:
    """A boto3 client of a Paddock server; never looks at the user's own AWS settings."""
    import boto3
    from botocore.config import Config

    session: Any = boto3.session.Session(
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        region_name=running.region,
    )
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=connections,
    )
    return session.client(service, endpoint_url=running.url, config=config)
