"""Builds the demo's Python function: its code, AWS Lambda Powertools and Pillow for the interpreter in use,
photographs.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from paddock.demo_functions.deployment_package import remove_except, write_package
from paddock.runtimes import Progress, ProgressCallback, RuntimeStore
from paddock.runtimes.directories import install_directory
from paddock.runtimes.jobs import Job, os_errors_explained
from paddock.runtimes.locks import digest
from paddock.runtimes.packages import PythonTarget, pip_download, pip_install
from paddock.runtimes.progress import silent

NAME = "thumbnailer"
RUNTIME = "python3.13"
HANDLER = "app.handler"
PHOTOS = ("chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg")

_SOURCE = Path(__file__).parent / "functions" / NAME
_CODE = _SOURCE / "app.py"
_CREDITS = _SOURCE / "PHOTOS.txt"
_REQUIREMENTS = _SOURCE / "requirements.txt"
_PHOTO_REQUIREMENTS = _SOURCE / "photos-requirements.txt"
_PHOTO_WHEEL = PythonTarget("3.11", ("manylinux_2_28_x86_64", "manylinux_2_24_x86_64"))


def build(store: RuntimeStore, data_dir: Path, progress: ProgressCallback = silent, runtime: str = RUNTIME) -> bytes:
    """The deployment package for `runtime` as `store` resolves it; built once per data directory. Raises
    `RuntimeUnavailable`.
    """
    interpreter = store.resolve(runtime)
    name = f"{NAME}-{interpreter.version}-{digest(_CODE, _CREDITS, _REQUIREMENTS, _PHOTO_REQUIREMENTS)}"

    def build_package(directory: Path) -> None:
        work = directory / "work"
        job = Job(NAME, "Installing Powertools and Pillow", progress, 0.1)
        pip_install(_REQUIREMENTS, work, PythonTarget(".".join(interpreter.version.split(".")[:2])), job)
        _unpack_photos(directory / "wheels", work / "photos", Job(NAME, "Fetching photographs", progress, 0.4))
        for file in (_CODE, _CREDITS):
            (work / file.name).write_bytes(file.read_bytes())
        assert interpreter.interpreter_path is not None
        _compile(interpreter.interpreter_path, work, Job(NAME, "Compiling", progress, 0.7))
        progress(Progress("Packing", NAME, 0.9))
        write_package(work, directory / "package.zip")
        remove_except(directory, "package.zip")

    with os_errors_explained(NAME, data_dir):
        built = install_directory(data_dir.absolute() / "demo-functions" / name, build_package, progress)
        return (built / "package.zip").read_bytes()


def _unpack_photos(wheels: Path, photos: Path, job: Job) -> None:
    pip_download(_PHOTO_REQUIREMENTS, wheels, _PHOTO_WHEEL, job)
    (wheel,) = wheels.glob("*.whl")
    photos.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name in PHOTOS:
            (photos / name).write_bytes(archive.read(f"skimage/data/{name}"))


def _compile(interpreter: Path, work: Path, job: Job) -> None:
    """Bytecode never checked against its source: the code directory is read-only, and every worker imports it."""
    argv = [str(interpreter), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    argv += ["-s", str(work), "-p", "/var/task", str(work)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    job.run(
        argv, Path("/"), environment | {"PYTHONHASHSEED": "0"}, f"Install another Python: {interpreter} cannot do it."
    )
