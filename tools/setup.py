"""Makes `.venv` from the lock files, once; with nothing changed it returns at once and needs no network.

Runs on whatever `python3` the machine has, before anything is installed: standard library only, and written so that
Python 3.7 still gets as far as the message that it is too old. It never changes anything outside this folder.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "paddock-setup.json"
OLDEST = (3, 11)
CANDIDATES = ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "/usr/bin/python3")
# Settings that send packages elsewhere than into our environment, or let foreign ones in.
FOREIGN_SETTINGS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER")
PIP_THAT_SERVES_OTHERS = (22, 3)  # the first `pip --python`
FETCH_ADVICE = (
    "The first setup needs the network (later ones do not); "
    "where a package has no wheel for this Python, name another: make setup PYTHON=python3.12"
)
LINES_SHOWN_OF_A_FAILED_STEP = 15


class SetupError(Exception):
    """What a person has to do before we can go on, in one line."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Make .venv from requirements/*.lock.")
    parser.add_argument("--dev", action="store_true", help="also what the tests and checks need")
    parser.add_argument("--python", default="", help="the Python to use (default: the first one that is new enough)")
    asked = parser.parse_args()
    try:
        set_up("dev" if asked.dev else "runtime", asked.python)
    except SetupError as problem:
        print(f"paddock setup: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("paddock setup: stopped; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def set_up(lock: str, asked_python: str) -> None:
    VENV.mkdir(exist_ok=True)
    # Two `make` at once take turns; the second then finds all done. The folder itself is the lock.
    handle = os.open(VENV, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if is_current(read_stamp(), lock, asked_python):
            return
        if not can_go_on(asked_python):
            make_venv(asked_python or find_python())
        install(lock)
    finally:
        os.close(handle)


# --- what is there ----------------------------------------------------------------------------------------------------


def version_of(python: str) -> tuple[int, ...] | None:
    """`(3, 11, 2)`, or None when this is no Python that runs."""
    code = "import sys; print(*sys.version_info[:3])"
    try:
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, timeout=30)
        return tuple(int(part) for part in answer.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def find_python() -> str:
    for candidate in CANDIDATES:
        version = version_of(candidate)
        if version is not None and version >= OLDEST:
            return candidate
    raise SetupError(
        f"Paddock needs Python {OLDEST[0]}.{OLDEST[1]} or newer, and none is on PATH. "
        "Debian 12 and Ubuntu 24.04 have it: sudo apt install python3 python3-venv"
    )


def read_stamp() -> dict[str, object]:
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_current(stamp: dict[str, object], lock: str, asked_python: str) -> bool:
    """The tools' lock holds the runtime one too, so either stamp serves whoever asks for runtime packages."""
    version = version_of(str(PYTHON))
    if version is None or (asked_python and version != version_of(asked_python)):
        return False
    acceptable = [expected_stamp("dev", version)]
    if lock == "runtime":
        acceptable.append(expected_stamp("runtime", version))
    return stamp in acceptable


def can_go_on(asked_python: str) -> bool:
    """Whether the environment that is there can take packages, or has to be made (again)."""
    version = version_of(str(PYTHON))
    if version is None or version < OLDEST or (asked_python and version != version_of(asked_python)):
        return False
    moved = read_stamp().get("root", str(ROOT)) != str(ROOT)
    return not moved and can(str(PYTHON), "from pip import __version__")


def expected_stamp(lock: str, version: tuple[int, ...]) -> dict[str, object]:
    contents = [(ROOT / "requirements" / "runtime.lock").read_bytes(), (ROOT / "pyproject.toml").read_bytes()]
    if lock == "dev":
        contents.append((ROOT / "requirements" / "dev.lock").read_bytes())
    return {
        "lock": lock,
        "python": ".".join(map(str, version)),
        "root": str(ROOT),  # an environment cannot be moved: its scripts and the link to src/ hold whole paths
        "inputs": hashlib.sha256(b"\0".join(contents)).hexdigest(),
    }


# --- making it --------------------------------------------------------------------------------------------------------


def make_venv(python: str) -> None:
    version = version_of(python)
    if version is None:
        raise SetupError(f"{python} is no Python that runs")
    if version < OLDEST:
        raise SetupError(f"{python} is too old: Paddock needs Python {OLDEST[0]}.{OLDEST[1]} or newer")
    own_pip = can(python, "import venv; from ensurepip import bootstrap")
    borrowed_pip = not own_pip and can(python, "import venv") and pip_version(python) >= PIP_THAT_SERVES_OTHERS
    if not own_pip and not borrowed_pip:
        raise SetupError(
            f"this Python cannot make environments. Install its venv package and run again: "
            f"sudo apt install {venv_package(python, version)}"
        )
    print(f"Making .venv with Python {'.'.join(map(str, version))} ...", flush=True)
    empty_venv()
    call([python, "-m", "venv", "--without-pip", str(VENV)])
    if own_pip:
        call([str(PYTHON), "-m", "ensurepip", "--default-pip"])
    else:
        # Debian can have pip without venv's bundled copy of it; that pip can install into ours.
        call([python, "-m", "pip", "--python", str(PYTHON), "install", *pip_options("runtime")], FETCH_ADVICE)


def empty_venv() -> None:
    for entry in VENV.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def venv_package(python: str, version: tuple[int, ...]) -> str:
    """Debian's own Python has a package of that name for whichever version it is; others are numbered."""
    real = shutil.which(python) or python
    return "python3-venv" if real == "/usr/bin/python3" else f"python{version[0]}.{version[1]}-venv"


def install(lock: str) -> None:
    path = lock_path(lock)
    count = sum("==" in line for line in path.read_text().splitlines())
    started = time.monotonic()
    print(f"Installing {count} packages from {path.relative_to(ROOT)} (once) ...", flush=True)
    if STAMP.exists():
        STAMP.unlink()  # half done is not done
    pip = [str(PYTHON), "-m", "pip"]
    call([*pip, "install", *pip_options(lock)], FETCH_ADVICE)
    # `--no-index`: the project is here, and all it needs, the build backend too, came with the lock.
    call([*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    version = version_of(str(PYTHON))
    assert version is not None
    STAMP.write_text(json.dumps(expected_stamp(lock, version), indent=2) + "\n")
    print(f"Ready in {time.monotonic() - started:.0f} s: .venv/bin/paddock", flush=True)


def lock_path(lock: str) -> Path:
    return ROOT / "requirements" / f"{lock}.lock"


def pip_options(lock: str) -> list[str]:
    """Whole files only, each checked against its hash; wheels only, so that no package runs code to be installed."""
    return [
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        "--requirement",
        str(lock_path(lock)),
    ]


def can(python: str, code: str) -> bool:
    return subprocess.run([python, "-c", code], capture_output=True, check=False, env=environment()).returncode == 0


def pip_version(python: str) -> tuple[int, ...]:
    """`(23, 0)`; `(0, 0)` when there is no pip."""
    code = "from pip import __version__ as version; print(*version.split('.')[:2])"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, env=environment())
    try:
        return tuple(int(part) for part in answer.stdout.split()) or (0, 0)
    except ValueError:
        return (0, 0)


def call(command: list[str], advice: str = "") -> None:
    """Run one step; what it printed is shown only when it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        print(*done.stdout.splitlines()[-LINES_SHOWN_OF_A_FAILED_STEP:], sep="\n", file=sys.stderr)
        raise SetupError(f"a step failed, its output is above. {advice}".rstrip())


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN_SETTINGS}
    kept["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    kept["PIP_REQUIRE_VIRTUALENV"] = "0"  # a borrowed pip stands outside
    return kept


if __name__ == "__main__":
    sys.exit(main())
