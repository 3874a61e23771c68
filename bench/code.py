"""The functions that are invoked, as each language wants them: source beside this file, compiled where it must be."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

from paddock.model.runtimes import Language

FUNCTIONS = Path(__file__).parent / "functions"
AT_ONCE = FUNCTIONS / "at_once"
"""No function but a runtime of its own, on raw sockets."""
WITHOUT_EXECUTION_ENV = FUNCTIONS / "without_execution_env"
_COMPILE_SECONDS = 120
_DISTRIBUTION = Path("/usr/lib/jvm")


def handler(language: Language) -> str:
    return "index::handler" if language is Language.JAVA else "index.handler"


def directory_of(code: str, language: Language, scratch: Path) -> Path:
    """Raises `RuntimeError` where a compiler is needed and there is none."""
    if language is not Language.JAVA:
        return FUNCTIONS / code
    compiled = scratch / f"java-{code}"
    if not compiled.exists():
        compiler = shutil.which("javac") or next(map(str, _DISTRIBUTION.glob("*/bin/javac")), None)
        if compiler is None:
            raise RuntimeError("there is no javac to compile the function with")
        source = FUNCTIONS / code / "index.java"
        command = [compiler, "--release", "17", "-d", str(compiled), str(source)]
        subprocess.run(command, check=True, timeout=_COMPILE_SECONDS)
    return compiled


def package(directory: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in (*directory.glob("index.*"), *directory.glob("bootstrap"), WITHOUT_EXECUTION_ENV):
            archive.write(path, path.name)
    return buffer.getvalue()
