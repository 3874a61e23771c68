"""Puts a Node.js runtime together: aws-lambda-ric, compiled once, and an interpreter where there is none.

The client's native part uses Node-API, which is the same for all versions of Node.js that it supports: one build
serves them all. Node.js before 22 has the last client that was made for it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from paddock.model.runtimes import LambdaRuntime
from paddock.runtimes import locks
from paddock.runtimes.directories import install_directory, link_tree
from paddock.runtimes.errors import CompilerMissing
from paddock.runtimes.jobs import Job
from paddock.runtimes.languages.nodejs_interpreters import find_node
from paddock.runtimes.languages.nodejs_pinned import COMPLETE_MAJOR, install_pinned_node, pinned_node
from paddock.runtimes.languages.support import (
    BOOTSTRAPS,
    EXEC_WRAPPER,
    Machine,
    nothing_instead,
    prefix_only,
    write_bootstrap,
)
from paddock.runtimes.locks import NODEJS_CLIENT, NODEJS_OLD_CLIENT, nodejs_client, nodejs_client_version
from paddock.runtimes.packages import npm_install, npm_program
from paddock.runtimes.progress import ProgressCallback
from paddock.runtimes.records import installed_directory, read_records, write_record
from paddock.runtimes.resolution import Client, Resolution, exact_resolution, machine_architecture

LAST_WORDS = BOOTSTRAPS / "nodejs_last_words.cjs"
SCRIPTS = (BOOTSTRAPS / "nodejs.sh", EXEC_WRAPPER, BOOTSTRAPS / "nodejs_index.mjs", LAST_WORDS)
CLIENT_FILES = ("index.mjs", "rapid-client.node", "package.json", "LICENSE", "NOTICE", "THIRD-PARTY-LICENSES")
"""What runs; the rest of the package and all of its dependencies are for building. The old client has the first two in
`dist`.
"""

BUILD_TOOLS = {"cmake": "cmake", "g++": "g++", "gcc": "g++", "make": "make", "tar": "tar", "xz": "xz-utils"}
"""What the client's install scripts call, and the Debian package that has it."""

OLD_BUILD_TOOLS = {"autoreconf": "autoconf", "automake": "automake", "libtoolize": "libtool"}
"""What those of the older client call besides."""


readable_paths = prefix_only
instead = nothing_instead


def digest() -> str:
    clients = (NODEJS_CLIENT, NODEJS_OLD_CLIENT)
    return locks.digest(*(client / "package-lock.json" for client in clients), *SCRIPTS)


def resolve(runtime: LambdaRuntime, machine: Machine) -> Resolution:
    """What is installed; else one that is here with headers and npm; else the pinned one, which an install puts
    there.
    """
    installed = read_records(machine.root, runtime, digest())
    if installed:
        return installed[0]
    found = find_node(int(runtime.version), machine.environ)
    if found is None:
        found = pinned_node(runtime.version, machine.root)
    client = nodejs_client(int(runtime.version))
    return exact_resolution(runtime, found, Client("aws-lambda-ric", nodejs_client_version(client)))


def require_tools(runtime: LambdaRuntime, machine: Machine) -> None:
    """What compiles the client, unless it is compiled already."""
    old = nodejs_client(int(runtime.version)) == NODEJS_OLD_CLIENT
    packages_of = BUILD_TOOLS | OLD_BUILD_TOOLS if old else BUILD_TOOLS
    missing = tuple(tool for tool in packages_of if shutil.which(tool) is None)
    if missing and not _client_directory(machine.root, runtime).is_dir():
        packages = tuple(dict.fromkeys(packages_of[tool] for tool in missing))
        raise CompilerMissing(runtime.identifier, missing, packages)


def _client_directory(root: Path, runtime: LambdaRuntime) -> Path:
    lock = nodejs_client(int(runtime.version)) / "package-lock.json"
    return root / "nodejs-client" / f"{machine_architecture()}-{locks.digest(lock)}"


def install(resolution: Resolution, machine: Machine, progress: ProgressCallback) -> Path:
    """The compiler is asked for before anything is fetched."""
    root = machine.root
    subject = resolution.runtime.identifier
    require_tools(resolution.runtime, machine)
    node_prefix = _install_interpreter(resolution, root, progress)
    client_lock = nodejs_client(int(resolution.runtime.version))

    def build_client(directory: Path) -> None:
        job = Job(subject, f"Compiling aws-lambda-ric {resolution.ric_version}", progress)
        complete = npm_program(node_prefix).is_file()
        complete_prefix = node_prefix if complete else install_pinned_node(COMPLETE_MAJOR, root, job)
        _compile_client(directory, client_lock, complete_prefix, job)

    def build_runtime(directory: Path) -> None:
        client = install_directory(_client_directory(root, resolution.runtime), build_client, progress)
        runtime = directory / "runtime"
        link_tree(client, runtime / "node_modules" / "aws-lambda-ric")
        (directory / "lang").symlink_to(node_prefix, target_is_directory=True)
        program = "node_modules/aws-lambda-ric/index.mjs"
        if client_lock == NODEJS_OLD_CLIENT:
            program = "index.mjs"
            shutil.copyfile(SCRIPTS[2], runtime / program)
        values = {
            "EXECUTION_ENV": resolution.runtime.execution_env,
            "MAJOR": resolution.runtime.version,
            "CLIENT": program,
        }
        write_bootstrap(runtime / "bootstrap", SCRIPTS[0], values)
        shutil.copyfile(LAST_WORDS, runtime / "last_words.cjs")
        _check(runtime, node_prefix, Job(subject, "Checking the runtime", progress, 0.95), client)
        write_record(root, directory, resolution, digest())

    return install_directory(installed_directory(root, resolution, digest()), build_runtime, progress)


def _install_interpreter(resolution: Resolution, root: Path, progress: ProgressCallback) -> Path:
    """The interpreter's prefix; fetched when it is the pinned one and not there yet."""
    assert resolution.prefix is not None
    major = resolution.runtime.version
    if resolution.prefix != pinned_node(major, root).prefix:
        return resolution.prefix
    job = Job(resolution.runtime.identifier, f"Installing Node.js {resolution.version}", progress, 0.05)
    return install_pinned_node(major, root, job)


def _compile_client(directory: Path, client_lock: Path, node_prefix: Path, job: Job) -> None:
    """`directory` ends up with the few files that run."""
    project = directory / "build"
    shutil.copytree(client_lock, project)
    environment = {"npm_config_nodedir": str(node_prefix), "npm_config_python": sys.executable}
    npm_install(project, node_prefix, job, run_scripts=True, environment=environment)
    package = project / "node_modules" / "aws-lambda-ric"
    for name in CLIENT_FILES:
        here = package / name
        shutil.copy2(here if here.is_file() else package / "dist" / name, directory / name)
    shutil.rmtree(project)


def _check(runtime: Path, node_prefix: Path, job: Job, client: Path) -> None:
    """The compiled part must load in this Node.js before anybody relies on it. It wants an address; it calls nobody."""
    addon = runtime / "node_modules" / "aws-lambda-ric" / "rapid-client.node"
    argv = [str(node_prefix / "bin" / "node"), "-e", "require(process.argv[1])", str(addon)]
    environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}
    job.run(argv, runtime, environment, f"Remove {client} and try again.")
