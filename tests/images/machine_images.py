"""Real images out of this machine's own files: a shell with the libraries it needs, and Python as AWS's base images
have it.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from paddock.runtimes import InstalledRuntime
from tests.images.building import Entry, MadeImage, archive, directory, file, image, link, whiteout

_LEFT_OUT = {
    "test",
    "tests",
    "site-packages",
    "__pycache__",
    "idlelib",
    "ensurepip",
    "tkinter",
    "lib2to3",
    "turtledemo",
}

ENTRYPOINT = """#!/bin/sh
if [ $# -ne 1 ]; then
    echo "entrypoint requires the handler name to be the first argument" >&2
    exit 142
fi
export _HANDLER="$1"
exec /var/runtime/bootstrap
"""
"""What AWS's base images do where the Runtime API is there."""

PYTHON_PROGRAM = {
    "Entrypoint": ["/lambda-entrypoint.sh"],
    "Cmd": ["app.handler"],
    "WorkingDir": "/var/task",
    "Env": [
        "PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/task:/opt/lib",
        "LANG=en_US.UTF-8",
        "TZ=:/etc/localtime",
        "OF_THE_IMAGE=yes",
    ],
}


def shell_layer() -> bytes:
    """`/bin/sh` and some programs, with their libraries."""
    programs = [Path(found) for name in ("sh", "cat", "sleep", "ls", "id") if (found := shutil.which(name))]
    files = {f"bin/{program.name}": program.resolve() for program in programs}
    return archive(*copies(files | libraries(programs)), directory("tmp"), file("etc/hosts", "of the image"))


def python_image(runtime: InstalledRuntime, code: str) -> MadeImage:
    """A shell, the interpreter, the runtime interface client, the function. `removed.py` is in a lower layer and taken
    away by the topmost.
    """
    prefix = runtime.resolution.prefix
    assert prefix is not None
    version = ".".join(runtime.resolution.version.split(".")[:2])
    library = prefix / "lib" / f"python{version}"
    interpreter = (prefix / "bin" / f"python{version}").resolve()
    lang = {f"var/lang/bin/python{version}": interpreter}
    lang |= {f"var/lang/lib/{path.name}": path.resolve() for path in (prefix / "lib").glob("libpython*.so*")}
    lang |= tree(library, f"var/lang/lib/python{version}")
    client = tree(runtime.runtime_dir, "var/runtime")
    shared = [interpreter, *library.glob("lib-dynload/*.so"), *runtime.runtime_dir.glob("*.so")]
    base = (
        *copies(lang | libraries(shared)),
        link("var/lang/bin/python3", f"python{version}"),
        file("lambda-entrypoint.sh", "#!/bin/sh\nexit 1\n", mode=0o755),
    )
    above = (
        *copies(client),
        file("lambda-entrypoint.sh", ENTRYPOINT, mode=0o755),
        file("var/task/removed.py", "raise RuntimeError('a whiteout was overlooked')"),
    )
    function = (file("var/task/app.py", code), whiteout("var/task/removed.py"))
    return image(shell_layer(), archive(*base), archive(*above), archive(*function), program=PYTHON_PROGRAM)


def tree(top: Path, place: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in top.rglob("*"):
        inside = path.relative_to(top)
        if path.is_file() and not _LEFT_OUT & set(inside.parts) and not inside.parts[0].startswith("config-"):
            found[f"{place}/{inside}"] = path
    return found


def libraries(programs: Iterable[Path]) -> dict[str, Path]:
    """By the paths under which the loader finds them."""
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, timeout=60, check=False)
    paths = re.findall(r"(?:=> |^\s+)(/\S+) \(0x", listed.stdout, re.MULTILINE)
    return {path.removeprefix("/"): Path(path).resolve() for path in paths if "libpython" not in path}


def copies(files: dict[str, Path]) -> list[Entry]:
    entries = []
    for name, path in files.items():
        info = tarfile.TarInfo(name)
        status = path.stat()
        content = path.read_bytes()
        info.size, info.mtime = len(content), int(status.st_mtime)
        info.mode = stat.S_IMODE(status.st_mode) | 0o444
        entries.append((info, content))
    return entries
