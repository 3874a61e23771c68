"""Reads files of a Maven repository where no Maven is installed: the local one, the user's mirror, or the default.

Of the user's settings.xml it knows where the local repository is and what mirrors the central one. What needs a
password is left to Maven itself. Proxies and certificates are those of the environment variables.
"""

from __future__ import annotations

import os
import re
import shutil
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

DEFAULT_ADDRESS = "https://repo.maven.apache.org/maven2"
"""What Maven asks when nobody has told it otherwise."""

SILENCE_TIMEOUT_SECONDS = 60.0
"""A slow connection may take as long as it needs, a dead one may not."""

CHUNK_BYTES = 256 * 1024

MAX_FILE_BYTES = 64 * 1024 * 1024
"""The largest file that is pinned has 28 MB; what goes on and on is something else."""


@dataclass(frozen=True, slots=True)
class MavenRepository:
    """`local` is looked at first, then `address` is asked."""

    local: Path
    address: str = DEFAULT_ADDRESS

    @classmethod
    def of_user(cls, home: Path) -> MavenRepository:
        """As `home`/.m2/settings.xml says."""
        local, address = str(home / ".m2" / "repository"), DEFAULT_ADDRESS
        file = home / ".m2" / "settings.xml"
        if file.is_file():
            settings = ET.parse(file).getroot()  # noqa: S314  # the user's own file
            local = _expanded(settings.findtext("{*}localRepository"), home) or local
            for mirror in settings.iterfind("{*}mirrors/{*}mirror"):
                if mirrors_central(mirror.findtext("{*}mirrorOf") or ""):
                    address = _expanded(mirror.findtext("{*}url"), home) or address
        return cls(Path(local), address)

    def fetch(self, path: str, target: Path, on_progress: Callable[[], None]) -> None:
        """Raises `OSError`, and what `on_progress` raises."""
        kept = self.local / path
        if kept.is_file():
            shutil.copyfile(kept, target)
            return
        address = f"{self.address.rstrip('/')}/{path}"
        with urllib.request.urlopen(address, timeout=SILENCE_TIMEOUT_SECONDS) as answer, target.open("wb") as file:  # noqa: S310  # the user's own setting
            while chunk := answer.read(CHUNK_BYTES):
                on_progress()
                file.write(chunk)
                if file.tell() > MAX_FILE_BYTES:
                    raise OSError(f"more than {MAX_FILE_BYTES // 1024 // 1024} MB")


def mirrors_central(patterns: str) -> bool:
    """Whether a mirror with this `mirrorOf` stands for the central repository."""
    named = [pattern.strip() for pattern in patterns.split(",")]
    return "!central" not in named and any(pattern in {"central", "*", "external:*"} for pattern in named)


def _expanded(text: str | None, home: Path) -> str:
    """With the two kinds of property that such settings use."""
    text = (text or "").strip().replace("${user.home}", str(home))
    return re.sub(r"\$\{env\.(\w+)\}", lambda name: os.environ.get(name[1], ""), text)
