"""An extension that says what it hears: compiled, so that it runs beside every runtime and in images that hold nothing
else; as a script where there is no compiler.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.runtimes.built_functions import FUNCTIONS, ToolchainMissing, bootstrap

PATH = "extensions/watcher"
"""In a layer, and below `/opt` of an image."""


@dataclass(frozen=True)
class Watcher:
    """`hears_telemetry`: a shell cannot listen."""

    content: bytes
    hears_telemetry: bool

    @property
    def files(self) -> dict[str, bytes]:
        return {PATH: self.content}


def watcher(language: str, *, in_image: bool) -> Watcher:
    """For an environment of the ordinary function in this language."""
    try:
        return Watcher(bootstrap("extension"), hears_telemetry=True)
    except ToolchainMissing:
        pass
    if language != "python":
        return Watcher(_source("watcher.sh"), hears_telemetry=False)
    script = _source("watcher.py")
    if in_image:
        script = script.replace(b"/usr/bin/env python3", b"/var/lang/bin/python3", 1)
    return Watcher(script, hears_telemetry=True)


def _source(name: str) -> bytes:
    return (FUNCTIONS / "extension" / name).read_bytes()
