"""Writes `requirements/*.lock`: every package, for every Python we support, by exact version and hash.

Run by `make lock`. Pins already there are kept unless `--upgrade` is given. The lock for the tools holds all that the
runtime one holds, at the same versions, so that one environment serves both. The SAM CLI and the CDK, which tests use,
have environments and locks of their own. No address of any index is written.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.11"
COMPILE = (
    "pip",
    "compile",
    "--quiet",
    "--universal",
    "--python-version",
    OLDEST_PYTHON,
    "--generate-hashes",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-annotate",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest version of everything")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    sources = ["pyproject.toml", "requirements/build.in"]
    with tempfile.TemporaryDirectory() as scratch:
        uv = find_uv(Path(scratch))
        # The tools first: they depend on some runtime packages too, and are the ones with upper bounds.
        run([uv, *COMPILE, *upgrade, *sources, "--group", "dev", "-o", "requirements/dev.lock"])
        # Its own old pins would hold against the constraint, so the runtime lock is always made anew.
        fresh = str(Path(scratch) / "runtime.lock")
        run([uv, *COMPILE, *sources, "-c", "requirements/dev.lock", "-o", fresh])
        shutil.copyfile(fresh, ROOT / "requirements" / "runtime.lock")
        run([uv, *COMPILE, *upgrade, "requirements/sam.in", "-o", "requirements/sam.lock"])
    lock_cdk(upgrade=bool(upgrade))
    return 0


def lock_cdk(*, upgrade: bool) -> None:
    npm = shutil.which("npm")
    if npm is None:
        print("no npm: requirements/cdk/package-lock.json stays as it is", file=sys.stderr)
        return
    options = (
        "--package-lock-only",
        "--omit-lockfile-registry-resolved",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    )
    run([npm, "update" if upgrade else "install", *options], ROOT / "requirements" / "cdk")


def find_uv(scratch: Path) -> str:
    """The locking tool from PATH, or installed for this one run."""
    found = shutil.which("uv")
    if found:
        return found
    venv.create(scratch / "uv", with_pip=True)
    run([str(scratch / "uv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"])
    return str(scratch / "uv" / "bin" / "uv")


def run(command: list[str], directory: Path = ROOT) -> None:
    subprocess.run(command, cwd=directory, check=True)


if __name__ == "__main__":
    sys.exit(main())
