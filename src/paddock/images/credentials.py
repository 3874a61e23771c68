"""Who we are for a registry: Docker's `config.json`, and Amazon ECR's tokens. Nothing of it is ever logged or shown."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paddock.images.credential_programs import BasicCredentials, ask_program

_HUB = {"registry-1.docker.io", "docker.io"}
_HUB_KEY = "https://index.docker.io/v1/"
_MAX_CONFIG_BYTES = 4 * 1024 * 1024
_ecr_region = re.compile(r"[0-9]{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?").fullmatch

CredentialSource = Callable[[str], BasicCredentials | None]
"""User and password for a registry (its host and port), None where there are none. Blocking; raises `OSError`, and
`ImageUnavailable` where somebody who should know does not answer.
"""


def credentials_for(registry: str) -> BasicCredentials | None:
    """ECR by AWS's own way, everything else as `docker login` left it."""
    region = _ecr_region(registry)
    if region is not None:
        return ecr_credentials(region.group(1))
    return docker_credentials(registry, os.environ)


def docker_credentials(registry: str, environ: Mapping[str, str]) -> BasicCredentials | None:
    """From `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, as Docker reads it: the registry's own helper, the
    helper for all, what stands there. Raises `ImageUnavailable` when a helper that is named does not answer.
    """
    directory = environ.get("DOCKER_CONFIG") or str(Path(environ.get("HOME") or "/nonexistent") / ".docker")
    path = Path(directory) / "config.json"
    try:
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            return None
        config = json.loads(path.read_bytes())
        found, helpers = _mapping(config.get("auths")), _mapping(config.get("credHelpers"))
    except (OSError, ValueError, AttributeError):
        return None
    names = _names(registry)
    own = next((helpers[name] for name in names if helpers.get(name)), None)
    if own:
        return ask_program(str(own), names[0], environ)
    if config.get("credsStore"):
        kept = ask_program(str(config["credsStore"]), names[0], environ)
        if kept is not None:
            return kept
    for key in (*names, f"https://{registry}", f"https://{registry}/v1/", f"https://{registry}/v2/"):
        entry = found.get(key)
        if isinstance(entry, dict):
            return _pair(str(entry.get("auth") or ""))
    return None


def _names(registry: str) -> tuple[str, ...]:
    """What the registry is called there; a helper knows it by the first."""
    return (_HUB_KEY, "docker.io", registry) if registry in _HUB else (registry,)


def _mapping(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def ecr_credentials(region: str) -> BasicCredentials | None:
    """By the AWS credentials of this process; None when there are none or they do not suffice."""
    import boto3  # noqa: PLC0415  # half a second, which only ECR is worth
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # as above

    try:
        client = boto3.client("ecr", region_name=region)
        return _pair(str(client.get_authorization_token()["authorizationData"][0]["authorizationToken"]))
    except (BotoCoreError, ClientError, KeyError, IndexError):
        return None


def _pair(encoded: str) -> BasicCredentials | None:
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None
