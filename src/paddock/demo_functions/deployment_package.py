"""A deployment package (ZIP) made of a directory, the same bytes for the same files. Knows nothing of what is in it."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

DATE = (1980, 1, 1, 0, 0, 0)
"""The first that a ZIP can express: when a file was unpacked here must not change the package's hash."""

REGULAR, EXECUTABLE = 0o100644 << 16, 0o100755 << 16


def write_package(source: Path, package: Path) -> None:
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(source).as_posix(), DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = EXECUTABLE if file.stat().st_mode & 0o100 else REGULAR
            archive.writestr(entry, file.read_bytes())


def remove_except(directory: Path, name: str) -> None:
    """What a package was made from is not kept."""
    for entry in directory.iterdir():
        if entry.name != name:
            shutil.rmtree(entry)
