"""One ordinary function in six languages: its package, and the layer that it needs.

Python, Node.js and Java take a library from the layer, compiled programs and the shell a file; all say the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.runtimes import InstalledRuntime, InstallFailed
from paddock.runtimes.directories import install_directory
from paddock.runtimes.jobs import Job
from paddock.runtimes.locks import digest
from paddock.runtimes.maven import maven_fetch, read_lock
from paddock.runtimes.packages import PythonTarget, npm_install, pip_install
from paddock.runtimes.progress import silent
from tests.runtimes.built_functions import CACHE, FUNCTIONS, JAVA_RELEASE, ToolchainMissing, bootstrap, java_compiler

ORDINARY = FUNCTIONS / "ordinary"
RATE = 3
SHOP = "corner"
Files = dict[str, bytes]


@dataclass(frozen=True)
class Ordinary:
    """`layer` is what is at `/opt`, without the rate, which all have."""

    runtime: str
    handler: str
    package: Callable[[InstalledRuntime], Files]
    layer: Callable[[InstalledRuntime], Files]


def layer_of(ordinary: Ordinary, runtime: InstalledRuntime) -> Files:
    """Raises `ToolchainMissing`."""
    return {"rate": f"{RATE}\n".encode(), **ordinary.layer(runtime)}


def event(n: int) -> dict[str, object]:
    return {"do": "order", "n": n, "item": "blue pen"}


def answer(n: int) -> dict[str, object]:
    return {"n": n, "item": "Blue pen", "total": n * RATE, "shop": SHOP}


def _files_below(directory: Path, prefix: str) -> Files:
    found = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {f"{prefix}/{path.relative_to(directory).as_posix()}": path.read_bytes() for path in found}


def _fetched(name: str, build: Callable[[Path], None]) -> Path:
    """Raises `ToolchainMissing` where what is to be fetched cannot be."""
    sources = sorted(path for path in (ORDINARY / name).iterdir() if path.is_file())
    try:
        return install_directory(CACHE / f"ordinary-{name}-{digest(*sources)}", build, silent)
    except InstallFailed as failed:
        raise ToolchainMissing(str(failed)) from failed


def _job(name: str) -> Job:
    return Job(name, "Fetching a library", silent)


def _python_layer(_runtime: InstalledRuntime) -> Files:
    def build(directory: Path) -> None:
        pip_install(ORDINARY / "python/requirements.txt", directory, PythonTarget("3.13"), _job("python"))

    return _files_below(_fetched("python", build), "python")


def _nodejs_layer(runtime: InstalledRuntime) -> Files:
    def build(directory: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ORDINARY / "nodejs" / name, directory)
        npm_install(directory, runtime.lang_dir, _job("nodejs"), run_scripts=False)

    return _files_below(_fetched("nodejs", build) / "node_modules", "nodejs/node_modules")


def _java(runtime: InstalledRuntime) -> Path:
    """The library, and the function compiled against it."""
    compiler = java_compiler()

    def build(directory: Path) -> None:
        maven_fetch(ORDINARY / "java/jars.lock", directory, _job("java"))
        class_path = f"{runtime.runtime_dir}/lib/*{os.pathsep}{directory}/*"
        command = [compiler, "--release", JAVA_RELEASE, "-classpath", class_path, "-d", str(directory)]
        subprocess.run([*command, str(ORDINARY / "java/Orders.java")], check=True)

    return _fetched("java", build)


def _java_package(runtime: InstalledRuntime) -> Files:
    return {file.name: file.read_bytes() for file in _java(runtime).glob("*.class")}


def _java_layer(runtime: InstalledRuntime) -> Files:
    names = [jar.file_name for jar in read_lock(ORDINARY / "java/jars.lock")]
    return {f"java/lib/{name}": (_java(runtime) / name).read_bytes() for name in names}


def _source(path: str) -> Callable[[InstalledRuntime], Files]:
    return lambda _runtime: {Path(path).name: (ORDINARY / path).read_bytes()}


def _bootstrap(language: str) -> Callable[[InstalledRuntime], Files]:
    return lambda _runtime: {"bootstrap": bootstrap(language)}


def _nothing(_runtime: InstalledRuntime) -> Files:
    return {}


ORDINARIES: Mapping[str, Ordinary] = {
    "python": Ordinary("python3.13", "orders.handler", _source("python/orders.py"), _python_layer),
    "nodejs": Ordinary("nodejs22.x", "orders.handler", _source("nodejs/orders.mjs"), _nodejs_layer),
    "java": Ordinary("java21", "Orders::handle", _java_package, _java_layer),
    "go": Ordinary("provided.al2023", "unused", _bootstrap("go"), _nothing),
    "rust": Ordinary("provided.al2023", "unused", _bootstrap("rust"), _nothing),
    "shell": Ordinary("provided.al2023", "unused", _bootstrap("shell"), _nothing),
}
