"""The data directory: who owns it while a server runs, its key pair, and where its running server is found.

Files here: `credentials.json` (0600), `place.json`, `server.json` (while a server runs), `server.lock`. Knows nothing
of what others keep beside them.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from paddock.launchers.processes import is_there
from paddock.model.errors import StartError
from paddock.ports.clock import IdSource

_KEY_ID_DIGITS = 16
_SECRET_DIGITS = 40


@dataclass(frozen=True, slots=True)
class KeyPair:
    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """What a client needs to find the server of a data directory."""

    url: str
    region: str
    pid: int
    auth: str


def prepare(data_dir: Path) -> None:
    """Make the directory, private to its owner. Raises `StartError`."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = data_dir / ".write-probe"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise StartError(_explained(data_dir, error)) from error


def _explained(data_dir: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"the disk of {data_dir} is full: free some space or choose another place with --data-dir"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{data_dir} cannot be written: choose another place with --data-dir"
    return f"{data_dir} cannot be used ({error.strerror}): choose another place with --data-dir"


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the directory for one server. The kernel lets go of the lock when the process ends, however it ends."""
    with (data_dir / "server.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            running = running_server(data_dir)
            where = f" at {running.url} (process {running.pid})" if running else ""
            raise StartError(
                f"a server already runs on {data_dir}{where}: stop it or choose another --data-dir"
            ) from error
        yield


def belongs_to(data_dir: Path, region: str, account_id: str) -> None:
    """Region and account are those of the first start: ARNs given out since hold them. Raises `StartError`."""
    path = data_dir / "place.json"
    place = {"region": region, "account_id": account_id}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_private(path, json.dumps(place, indent=1))
        return
    except ValueError as error:
        raise StartError(f"{path} is damaged: delete it, and start with the region and account of before") from error
    if stored != place:
        raise StartError(
            f"what is in {data_dir} belongs to {_shown(stored)}, not to {_shown(place)}: "
            "start it there, or choose another --data-dir"
        )


def _shown(place: object) -> str:
    if not isinstance(place, dict):
        return "nowhere"
    return f"region {place.get('region')} of account {place.get('account_id')}"


def key_pair(data_dir: Path, ids: IdSource) -> KeyPair:
    """The key pair of this data directory, made at first use and readable by its owner only."""
    path = data_dir / "credentials.json"
    try:
        return _read_key_pair(path)
    except FileNotFoundError:
        pair = KeyPair(f"AKIA{ids.hex(_KEY_ID_DIGITS).upper()}", ids.hex(_SECRET_DIGITS))
        write_private(path, json.dumps(asdict(pair), indent=1))
        return pair


def existing_key_pair(data_dir: Path) -> KeyPair | None:
    try:
        return _read_key_pair(data_dir / "credentials.json")
    except FileNotFoundError:
        return None


def _read_key_pair(path: Path) -> KeyPair:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return KeyPair(str(stored["access_key_id"]), str(stored["secret_access_key"]))
    except (ValueError, KeyError, TypeError) as error:
        raise StartError(f"{path} is damaged: delete it to have a new key pair made at the next start") from error


def announce(data_dir: Path, running: RunningServer) -> None:
    write_private(data_dir / "server.json", json.dumps(asdict(running), indent=1))


def retract(data_dir: Path) -> None:
    (data_dir / "server.json").unlink(missing_ok=True)


def running_server(data_dir: Path) -> RunningServer | None:
    """The server that last announced itself here, if its process is still there."""
    try:
        stored = json.loads((data_dir / "server.json").read_text(encoding="utf-8"))
        running = RunningServer(str(stored["url"]), str(stored["region"]), int(stored["pid"]), str(stored["auth"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running if is_there(running.pid) else None


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step by a file that only its owner can read."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
