"""The ordinary function as an image, of this machine's own files: what a Dockerfile on AWS's base image would hold, and
for a compiled program nothing but what it needs.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from paddock.runtimes import InstalledRuntime
from tests.images.building import Entry, MadeImage, archive, directory, file, image
from tests.images.machine_images import ENTRYPOINT, copies, libraries, tree

_SHELL = ("sh", "cat")
_SHELL_FUNCTION = (*_SHELL, "curl", "sed", "mktemp", "sleep", "wc", "ls")
_JAVA_CLIENT = "var/java-client"
_VARIABLES = ["PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin", "LD_LIBRARY_PATH=/var/lang/lib:/opt/lib"]


def ordinary_image(
    language: str, runtime: InstalledRuntime, handler: str, package: Mapping[str, bytes], opt: Mapping[str, bytes]
) -> MadeImage:
    """Layers: the machine's programs, the runtime, the function with what a layer would hold."""
    built = {f"var/task/{name}": content for name, content in package.items()}
    built |= {f"opt/{name}": content for name, content in opt.items()}
    function = archive(*(file(name, content, mode=0o755) for name, content in built.items()))
    scripts = any(content.startswith(b"#!/bin/sh") for content in opt.values())
    tools = _programs(*_SHELL_FUNCTION) if scripts else {}
    if language in _MANAGED:
        program = {"Entrypoint": ["/lambda-entrypoint.sh"], "Cmd": [handler]}
        base = archive(*copies(_MANAGED[language](runtime) | _programs(*_SHELL) | tools), directory("tmp"))
        above = archive(
            *copies(tree(runtime.runtime_dir, "var/runtime")),
            *_java_bootstrap(language, runtime),
            file("lambda-entrypoint.sh", ENTRYPOINT, 0o755),
        )
        return image(base, above, function, program=_settings(program))
    bootstrap = package["bootstrap"]
    needed = _programs(*_SHELL_FUNCTION) if bootstrap.startswith(b"#!") else _needed_by(bootstrap)
    base = archive(*copies(needed | tools), directory("tmp"))
    return image(base, function, program=_settings({"Entrypoint": ["/var/task/bootstrap"]}))


def _settings(program: Mapping[str, object]) -> dict[str, object]:
    return {**program, "WorkingDir": "/var/task", "Env": _VARIABLES}


def _programs(*names: str) -> dict[str, Path]:
    found = [Path(path) for name in names if (path := shutil.which(name)) is not None]
    return {f"bin/{program.name}": program.resolve() for program in found} | libraries(found)


def _needed_by(program: bytes) -> dict[str, Path]:
    """What the loader would look for; nothing for one that is linked statically."""
    with tempfile.NamedTemporaryFile() as copy:
        copy.write(program)
        copy.flush()
        return libraries([Path(copy.name)])


def _python(runtime: InstalledRuntime) -> dict[str, Path]:
    prefix, version = _prefix(runtime), ".".join(runtime.resolution.version.split(".")[:2])
    library = prefix / "lib" / f"python{version}"
    interpreter = (prefix / "bin" / f"python{version}").resolve()
    lang = {f"var/lang/bin/{name}": interpreter for name in ("python3", f"python{version}")}
    lang |= {f"var/lang/lib/{path.name}": path.resolve() for path in (prefix / "lib").glob("libpython*.so*")}
    lang |= tree(library, f"var/lang/lib/python{version}")
    return lang | libraries([interpreter, *library.glob("lib-dynload/*.so"), *runtime.runtime_dir.glob("*.so")])


def _nodejs(runtime: InstalledRuntime) -> dict[str, Path]:
    program = _prefix(runtime) / "bin" / "node"
    return {"var/lang/bin/node": program} | libraries([program, *runtime.runtime_dir.rglob("*.node")])


def _java(runtime: InstalledRuntime) -> dict[str, Path]:
    prefix, client = _prefix(runtime), _java_client(runtime)
    shared = [prefix / "bin" / "java", *prefix.rglob("*.so"), *client.glob("*.so")]
    outside = {name: path for name, path in libraries(shared).items() if not path.is_relative_to(prefix)}
    return tree(prefix, "var/lang") | tree(client, _JAVA_CLIENT) | outside


def _java_client(runtime: InstalledRuntime) -> Path:
    (client,) = (path for path in runtime.readable_paths if path.parent.name == "java-client")
    return client


def _java_bootstrap(language: str, runtime: InstalledRuntime) -> list[Entry]:
    """The install wrote down where the client is on this machine; that may be beneath `/tmp`, which an environment has
    for itself.
    """
    if language != "java":
        return []
    text = (runtime.runtime_dir / "bootstrap").read_text()
    return [file("var/runtime/bootstrap", text.replace(str(_java_client(runtime)), f"/{_JAVA_CLIENT}"), 0o755)]


def _prefix(runtime: InstalledRuntime) -> Path:
    assert runtime.resolution.prefix is not None
    return runtime.resolution.prefix.resolve()


_MANAGED: Mapping[str, Callable[[InstalledRuntime], dict[str, Path]]] = {
    "python": _python,
    "nodejs": _nodejs,
    "java": _java,
}
