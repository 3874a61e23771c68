"""Builds the demo's Node.js function: its code, zod and dayjs."""

from __future__ import annotations

import shutil
from pathlib import Path

from paddock.demo_functions.deployment_package import remove_except, write_package
from paddock.runtimes import Progress, ProgressCallback, RuntimeStore
from paddock.runtimes.directories import install_directory
from paddock.runtimes.jobs import Job, os_errors_explained
from paddock.runtimes.locks import digest
from paddock.runtimes.packages import npm_install
from paddock.runtimes.progress import silent

NAME = "pricing"
RUNTIME = "nodejs22.x"
HANDLER = "index.handler"

_SOURCE = Path(__file__).parent / "functions" / NAME
_FILES = ("index.mjs", "package.json", "package-lock.json")


def build(store: RuntimeStore, data_dir: Path, progress: ProgressCallback = silent, runtime: str = RUNTIME) -> bytes:
    """The deployment package; built once per data directory. Installs `runtime`, whose npm it uses. Raises
    `RuntimeUnavailable`.
    """
    name = f"{NAME}-{digest(*(_SOURCE / file for file in _FILES))}"

    def build_package(directory: Path) -> None:
        node_prefix = store.ensure(runtime, progress).resolution.prefix
        assert node_prefix is not None
        work = directory / "work"
        work.mkdir()
        for file in _FILES:
            shutil.copyfile(_SOURCE / file, work / file)
        npm_install(work, node_prefix, Job(NAME, "Installing zod and dayjs", progress, 0.3), run_scripts=False)
        (work / "node_modules" / ".package-lock.json").unlink(missing_ok=True)
        progress(Progress("Packing", NAME, 0.9))
        write_package(work, directory / "package.zip")
        remove_except(directory, "package.zip")

    with os_errors_explained(NAME, data_dir):
        built = install_directory(data_dir.absolute() / "demo-functions" / name, build_package, progress)
        return (built / "package.zip").read_bytes()
