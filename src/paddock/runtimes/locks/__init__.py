"""The pinned packages of each runtime, with hashes, and the few questions asked of such a list."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

LOCKS = Path(__file__).parent
PYTHON_CLIENT = LOCKS / "python-client.txt"
PYTHON_SDK = LOCKS / "python-sdk.txt"
NODEJS_CLIENT = LOCKS / "nodejs-client"
NODEJS_OLD_CLIENT = LOCKS / "nodejs-client-3"
"""A directory: package.json and package-lock.json, whose entries name no registry. The older one is the last for
Node.js before 22, one invocation at a time.
"""

FIRST_NODEJS_OF_NEW_CLIENT = 22
JAVA_CLIENT = LOCKS / "java-client.lock"


def python_client(minor: int) -> Path:
    """Older Pythons have the last client that was made for them."""
    own = LOCKS / f"python-3.{minor}-client.txt"
    return own if own.is_file() else PYTHON_CLIENT


def python_sdk(minor: int) -> Path:
    own = LOCKS / f"python-3.{minor}-sdk.txt"
    return own if own.is_file() else PYTHON_SDK


def python_interpreter(minor: int) -> Path:
    """A list for Maven; there is none for most versions."""
    return LOCKS / f"python-3.{minor}.lock"


def nodejs_client(major: int) -> Path:
    return NODEJS_OLD_CLIENT if major < FIRST_NODEJS_OF_NEW_CLIENT else NODEJS_CLIENT


def nodejs_interpreter(major: str) -> Path:
    """A list for pip, or a directory like `NODEJS_CLIENT` where PyPI has none."""
    directory = LOCKS / f"nodejs-{major}"
    return directory if directory.is_dir() else directory.with_suffix(".txt")


def java_interpreter(major: str) -> Path:
    return LOCKS / f"java-{major}.txt"


def pinned_version(lock: Path, package: str) -> str:
    """The version of `package` in a list that pip reads."""
    start = f"{package}=="
    for line in lock.read_text().splitlines():
        if line.startswith(start):
            return line.removeprefix(start).split()[0]
    raise LookupError(f"{lock.name} does not name {package}")


def nodejs_client_version(client: Path) -> str:
    dependencies = json.loads((client / "package.json").read_text())["dependencies"]
    return str(dependencies["aws-lambda-ric"])


def digest(*files: Path) -> str:
    """Names what was made from these files, so that a changed lock or script makes a new directory."""
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(file.read_bytes())
    return hashed.hexdigest()[:12]
