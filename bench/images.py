"""`python -m bench.images`: what it takes to pull an image, to unpack it and to start it.

The image is made of files of this machine, in compressed layers. Unpacking is given as a ratio to `tar -x` of the same
layers in the same round, a start as a ratio to one that sees the machine's own directories.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import http.server
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sysconfig
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath
from statistics import median
from typing import Any

from bench import table
from paddock.images.budget import Budget
from paddock.images.compression import decompressed
from paddock.images.documents import Descriptor
from paddock.images.layers import UnpackedLayer, unpack_layer
from paddock.images.limits import MAX_ENTRIES, MAX_UNPACKED_BYTES
from paddock.images.reference import RegistryReference
from paddock.images.registry import RegistrySource
from paddock.images.sources import verified
from paddock.images.tar import file_pieces
from paddock.images.tree import assemble
from paddock.isolation.ladder import Way, ways_of_this_machine
from paddock.isolation.view import EnvironmentView, Program, Rung
from paddock.stores.code import EncryptedCodeStore, sha256_of
from paddock.stores.keyring import Keyring

MIB = 1024 * 1024
LAYER_BYTES = (64 * MIB, 8 * MIB)
"""Uncompressed, at the most: an interpreter with its library, and a function with a few packages."""
STARTS = 15


@dataclass(frozen=True)
class Layer:
    archive: Path
    diff_id: str
    unpacked_bytes: int
    files: int


def make_layers(place: Path) -> list[Layer]:
    files = (path for path in Path(sysconfig.get_path("stdlib")).rglob("*") if path.is_file() and not path.is_symlink())
    made = [_made(place / f"{number}.tar.gz", files, most) for number, most in enumerate(LAYER_BYTES)]
    shell = place / "shell.tar.gz"
    return [*made, _made(shell, iter(_shell()), MIB * 100)]


def _shell() -> list[Path]:
    program = Path(shutil.which("sh") or "/bin/sh").resolve()
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, timeout=60, check=True).stdout
    return [program, *(Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", listed, re.MULTILINE))]


def _made(place: Path, files: Iterator[Path], most_bytes: int) -> Layer:
    written, count, size = io.BytesIO(), 0, 0
    with tarfile.open(fileobj=written, mode="w") as archive:
        for path in files:
            archive.add(path.resolve(), str(path).lstrip("/"), recursive=False)
            count, size = count + 1, size + path.stat().st_size
            if size > most_bytes:
                break
    content = written.getvalue()
    place.write_bytes(gzip.compress(content, 6))
    return Layer(place, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content), count)


def timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


# Pulling


class _Blobs(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it so
        pass

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.rpartition(":")[2])


@contextmanager
def served(place: Path) -> Iterator[str]:
    handler = partial(_Blobs, directory=str(place))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def pull(address: str, blobs: list[Path], data: Path) -> None:
    """From a registry on this machine, verified, into the store that encrypts."""
    source = RegistrySource(RegistryReference(address, "image", "latest"), lambda _: None)

    async def keep() -> None:
        store = EncryptedCodeStore(data / "code", Keyring.open(data / "keyring.json"))
        for blob in blobs:
            wanted = Descriptor(f"sha256:{blob.name}", blob.stat().st_size)
            name = sha256_of(blob.read_bytes())
            await store.put_pieces(name, wanted.size_bytes, verified(source.blob(wanted), wanted))
        store.close()

    asyncio.run(keep())


# Unpacking


def unpack(layers: list[Layer], place: Path) -> list[tuple[Path, UnpackedLayer]]:
    budget = Budget(MAX_UNPACKED_BYTES, MAX_ENTRIES)
    unpacked = []
    for number, layer in enumerate(layers):
        target = place / str(number)
        target.mkdir(parents=True)
        with layer.archive.open("rb") as file:
            unpacked.append((target, unpack_layer(decompressed(file_pieces(file)), target, layer.diff_id, budget)))
    return unpacked


def tar_unpack(layers: list[Layer], place: Path) -> None:
    for number, layer in enumerate(layers):
        target = place / str(number)
        target.mkdir(parents=True)
        subprocess.run(["tar", "-xzf", str(layer.archive), "-C", str(target)], check=True, timeout=300)


# Starting


def start(way: Way, view: EnvironmentView) -> float:
    """Milliseconds until the program says something."""
    program = Program((str(_shell()[0]), "-c", "echo ready; read line"), {}, PurePath("/"))
    began = time.perf_counter()
    launch = way.wrap(view, program)
    with subprocess.Popen(
        launch.argv,
        env=dict(launch.environment),
        pass_fds=launch.pass_fds,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    ) as process:
        launch.close_passed()
        launch.wait_executed()
        assert process.stdout is not None
        if process.stdout.readline().strip() != b"ready":
            raise SystemExit("the program did not start")
        taken = time.perf_counter() - began
        os.killpg(process.pid, signal.SIGKILL)
    return taken * 1000


def starts(way: Way, place: Path, root: Path) -> tuple[float, float]:
    """Medians: of an image, of a package."""
    for name in ("task", "runtime", "lang"):
        (place / name).mkdir(exist_ok=True)
    package = EnvironmentView(
        environment_id="env-bench",
        task_root=place / "task",
        opt_root=None,
        runtime_dir=place / "runtime",
        lang_dir=place / "lang",
        readable_paths=(),
        memory_mb=512,
        vcpu=1.0,
    )
    image = replace(package, task_root=root, runtime_dir=root, lang_dir=root, image_root=root)
    pairs = [(start(way, image), start(way, package)) for _ in range(STARTS)]
    return median(one for one, _ in pairs), median(other for _, other in pairs)


def _children_seconds() -> float:
    """Processor time of what was started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.images", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    found, described = measure(parser.parse_args().rounds)
    print(described, table.text(found), sep="\n")


HEADINGS = ("what", "median", "beside", "ratio")


@dataclass(frozen=True)
class Round:
    """Seconds. `processor` is our processor time of unpacking and laying, over that of `tar -x`."""

    pulled: float
    unpacked: float
    laid: float
    by_tar: float
    processor: float


def measure(rounds: int) -> tuple[list[tuple[str, ...]], str]:
    """A table, headings first, and what the image is."""
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as directory:
        place = Path(directory)
        (place / "made").mkdir()
        layers = make_layers(place / "made")
        packed_mib = sum(layer.archive.stat().st_size for layer in layers) / MIB
        unpacked_mib = sum(layer.unpacked_bytes for layer in layers) / MIB
        files = sum(layer.files for layer in layers)
        described = (
            f"an image of {len(layers)} layers, {files:,} files, {packed_mib:.1f} MiB compressed and "
            f"{unpacked_mib:.1f} MiB unpacked"
        )
        lines = [HEADINGS, *_packing(place, layers, rounds, packed_mib)]
        return [*lines, *_starting(place, place / f"round-{rounds - 1}" / "root")], described


def _packing(place: Path, layers: list[Layer], rounds: int, packed_mib: float) -> list[tuple[str, ...]]:
    (place / "blobs").mkdir()
    named = [
        replace(
            layer,
            archive=layer.archive.rename(place / "blobs" / hashlib.sha256(layer.archive.read_bytes()).hexdigest()),
        )
        for layer in layers
    ]
    with served(place / "blobs") as address:
        found = [_round(place / f"round-{number}", named, address) for number in range(rounds)]
    unpacking = median(one.unpacked / one.by_tar for one in found)
    return [
        ("pulled from a registry, verified, kept encrypted", _seconds(one.pulled for one in found), "", ""),
        ("the same, MiB compressed a second", f"{median(packed_mib / one.pulled for one in found):.0f}", "", ""),
        ("unpacked", _seconds(one.unpacked for one in found), "`tar -x`", f"{unpacking:.2f}"),
        ("laid over each other", _seconds(one.laid for one in found), "", ""),
        (
            "processor time of both",
            "",
            "that of `tar -x`",
            f"{median(one.processor for one in found):.2f}",
        ),
    ]


def _seconds(values: Iterable[float]) -> str:
    return f"{median(values):.2f} s"


def _round(work: Path, layers: list[Layer], address: str) -> Round:
    work.mkdir()
    pulled = timed(partial(pull, address, [layer.archive for layer in layers], work))
    cpu_began, root = time.process_time(), work / "root"
    began = time.perf_counter()
    unpacked = unpack(layers, work / "ours")
    unpacking = time.perf_counter() - began
    root.mkdir()
    laying = timed(partial(assemble, unpacked, root))
    own_seconds, before = time.process_time() - cpu_began, _children_seconds()
    by_tar = timed(partial(tar_unpack, layers, work / "tar"))
    return Round(pulled, unpacking, laying, by_tar, own_seconds / (_children_seconds() - before))


def _starting(place: Path, root: Path) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for way in ways_of_this_machine(place):
        if way.rung is Rung.NAMESPACES:
            image_ms, package_ms = starts(way, place, root)
            ratio = f"{image_ms / package_ms:.2f}"
            lines.append((f"started, {way.layers[0]}", f"{image_ms:.1f} ms", "from a package", ratio))
    return lines or [("started", "this machine gives no namespaces", "", "")]


if __name__ == "__main__":
    main()
