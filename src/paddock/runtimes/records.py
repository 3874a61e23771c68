"""What an installed runtime says of itself, in a file beside it: later processes find it without searching the machine
again.

So that an agent, whose own environment variables may be few, takes the very interpreter that the server has chosen.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from paddock.model.runtimes import LambdaRuntime
from paddock.runtimes.resolution import Resolution

RECORD = "installed.json"


def installed_directory(root: Path, resolution: Resolution, digest: str) -> Path:
    """`digest` names the locks and scripts that it is made from. Another interpreter or client makes another one, so
    does another `root`: what is installed names its parts by where they are, and would not start from a copy of it.
    """
    if resolution.interpreter_path is None:
        return root / resolution.runtime.identifier
    parts = f"{digest} {resolution.interpreter_path} {resolution.ric_version} {root}"
    made_from = hashlib.sha256(parts.encode()).hexdigest()[:12]
    return root / resolution.runtime.identifier / f"{resolution.version}-{made_from}"


def write_record(root: Path, directory: Path, resolution: Resolution, digest: str) -> None:
    document = {
        "digest": digest,
        "root": str(root),
        "interpreter": str(resolution.interpreter_path),
        "prefix": str(resolution.prefix),
        "version": resolution.version,
        "exact": resolution.exact,
        "note": resolution.note,
        "client": [resolution.ric_name, resolution.ric_version],
    }
    (directory / RECORD).write_text(json.dumps(document, indent=1))


def read_records(root: Path, runtime: LambdaRuntime, digest: str) -> list[Resolution]:
    """Of what is usable; exact ones first."""
    found = usable_installs(root, runtime, digest).values()
    return sorted(found, key=lambda resolution: (not resolution.exact, resolution.version))


def usable_installs(root: Path, runtime: LambdaRuntime, digest: str) -> dict[Path, Resolution]:
    """Those made here, from the present locks, whose interpreter is still there. What came here by a copy or a move of
    the whole directory is not taken: its parts are, by the install that follows.
    """
    found = {}
    for record in (root / runtime.identifier).glob(f"[!.]*/{RECORD}"):
        document = json.loads(record.read_text())
        resolution = _resolution(runtime, document)
        usable = resolution.interpreter_path is not None and os.access(resolution.interpreter_path, os.X_OK)
        if usable and document["digest"] == digest and document.get("root") == str(root):
            found[record.parent] = resolution
    return found


def _resolution(runtime: LambdaRuntime, document: dict[str, object]) -> Resolution:
    client = document["client"]
    assert isinstance(client, list)
    return Resolution(
        runtime,
        interpreter_path=Path(str(document["interpreter"])),
        prefix=Path(str(document["prefix"])),
        version=str(document["version"]),
        exact=bool(document["exact"]),
        note=str(document["note"]),
        ric_name=str(client[0]),
        ric_version=str(client[1]),
    )
