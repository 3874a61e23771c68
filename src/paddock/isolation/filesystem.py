"""What an environment in namespaces finds at which path: AWS's places for its code, a few of the machine's own
directories.

Returns steps and touches nothing. The rest of the machine is not hidden but absent.
"""

from __future__ import annotations

import math
from pathlib import Path

from paddock.isolation.inside.order import MountStep
from paddock.isolation.loopback import LOOPBACK, own_loopback
from paddock.isolation.view import EnvironmentView

SEEN_UID, SEEN_GID = 993, 990
"""Who a function is on AWS (Runtime Interface Emulator, Managed Instances tree)."""
SEEN_USER = "sbx_user1051"
"""By name, as on AWS."""

SHARED_MEMORY_MB = 64
"""Of `/dev/shm`: small on AWS too."""
_INODES_PER_MB = 256
"""One for each 4 KiB of `/tmp`: empty files cost memory that its size does not count."""

SYSTEM_DIRECTORIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
PACKAGE_STORES = ("/nix/store", "/gnu/store")
"""Where an interpreter keeps its libraries on machines that have these."""

_ETC = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "os-release",
    "pki",
    "protocols",
    "services",
    "ssl",
    "terminfo",
    "timezone",
)
"""What programs need to load libraries, resolve names, verify certificates and tell the time; nothing of this machine's
configuration. Java's own directories come with `java-*`.
"""

_KERNEL = ("acpi", "bus", "fs", "irq", "scsi", "sys", "sysrq-trigger")
"""What configures the kernel under `/proc`: its files belong to root, who may be behind an agent in a container."""

_NOT_OF_IMAGES = {"proc", "dev", "sys", "tmp", "run"}
"""At the top of an image, what the environment has of its own. Log sockets lie below `/run` or `/tmp`."""

DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)


def mount_steps(view: EnvironmentView) -> list[MountStep]:
    """In an order in which each step finds its parent."""
    if view.image_root is not None:
        return [*_tree(view.image_root), *_own(view), *_covers(view), *_socket(view)]
    return [*_system(view), *_own(view), *_function(view), *_socket(view)]


def _own(view: EnvironmentView) -> list[MountStep]:
    """What belongs to the environment alone."""
    return [
        ("proc", "/proc", ""),
        *(("read-only", f"/proc/{name}", f"/proc/{name}") for name in _KERNEL if Path(f"/proc/{name}").exists()),
        *_devices(),
        ("tmpfs", "/tmp", f"mode=1777,size={view.tmp_size_mb}m,nr_inodes={view.tmp_size_mb * _INODES_PER_MB}"),  # noqa: S108
        *_processors(view),
    ]


def _tree(root: Path) -> list[MountStep]:
    """What lies at the top of an image, one by one: what is between is the environment's own."""
    steps: list[MountStep] = [("directory", "/run", "")]
    for path in sorted(root.iterdir()):
        if path.name not in _NOT_OF_IMAGES:
            place = f"/{path.name}"
            steps.append(
                ("link", place, str(path.readlink())) if path.is_symlink() else ("read-only", place, str(path))
            )
    return steps


def _covers(view: EnvironmentView) -> list[MountStep]:
    """Over files that every assembled image has as plain files of its own (`paddock.images.tree`)."""
    return [("cover", "/etc/hosts", _hosts(view)), ("cover", "/etc/resolv.conf", _resolv_conf(view))]


def _hosts(view: EnvironmentView) -> str:
    return f"{LOOPBACK} localhost\n{own_loopback(view.environment_id)} sandbox.localdomain sandbox\n::1 localhost\n"


def _system(view: EnvironmentView) -> list[MountStep]:
    steps: list[MountStep] = []
    for name in (*SYSTEM_DIRECTORIES, *PACKAGE_STORES):
        path = Path(name)
        if path.is_symlink():
            steps.append(("link", name, str(path.readlink())))
        elif path.is_dir():
            steps.append(("read-only", name, name))
    steps += _etc(Path("/etc"), view)
    return steps


def _resolv_conf(view: EnvironmentView) -> str:
    return _read(Path("/etc/resolv.conf")) if view.resolv_conf is None else view.resolv_conf


def _etc(etc: Path, view: EnvironmentView) -> list[MountStep]:
    steps: list[MountStep] = []
    for path in sorted([*(etc / name for name in _ETC), *etc.glob("java*")]):
        if path.is_symlink() and not str(path.readlink()).startswith("/etc"):
            steps.append(("link", str(path), str(path.readlink())))
        elif path.exists():
            steps.append(("read-only", str(path), str(path)))
    users = (
        f"root:x:0:0:root:/root:/sbin/nologin\n{SEEN_USER}:x:{SEEN_UID}:{SEEN_GID}::/home/{SEEN_USER}:/sbin/nologin\n"
    )
    return [
        *steps,
        ("file", "/etc/passwd", users),
        ("file", "/etc/group", f"root:x:0:\n{SEEN_USER}:x:{SEEN_GID}:\n"),
        ("file", "/etc/hosts", _hosts(view)),
        ("file", "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        ("file", "/etc/resolv.conf", _resolv_conf(view)),
    ]


def _devices() -> list[MountStep]:
    return [
        *(("as-it-is", f"/dev/{name}", f"/dev/{name}") for name in DEVICES),
        *(("link", f"/dev/{name}", target) for name, target in _DEVICE_LINKS),
        ("terminals", "/dev/pts", ""),
        ("tmpfs", "/dev/shm", f"mode=1777,size={SHARED_MEMORY_MB}m"),  # noqa: S108
    ]


def _processors(view: EnvironmentView) -> list[MountStep]:
    """Where the C library, and the clients of Node.js, .NET and Rust, read how many processors there are."""
    count = max(1, math.ceil(view.vcpu))
    online = "0\n" if count == 1 else f"0-{count - 1}\n"
    places = ("online", "possible", "present")
    return [
        *(("file", f"/sys/devices/system/cpu/{place}", online) for place in places),
        ("file", "/sys/fs/cgroup/cpu.max", f"{count * 100_000} 100000\n"),
        ("file", "/sys/fs/cgroup/memory.max", f"{view.memory_mb * 1024 * 1024}\n"),
    ]


def _function(view: EnvironmentView) -> list[MountStep]:
    steps: list[MountStep] = [
        ("read-only", "/var/runtime", str(view.runtime_dir)),
        ("read-only", "/var/lang", str(view.lang_dir)),
        ("read-only", "/var/task", str(view.task_root)),
        ("link", "/var/tmp", "/tmp"),  # noqa: S108
    ]
    readable = [path for path in view.readable_paths if path.exists() and not is_system(path)]
    steps += _layers(view.opt_root, readable)
    steps += [("read-only", str(path), str(path)) for path in sorted(readable)]
    return steps


def _socket(view: EnvironmentView) -> list[MountStep]:
    return [] if view.socket is None else [("as-it-is", str(view.socket), str(view.socket))]


def _layers(opt_root: Path | None, readable: list[Path]) -> list[MountStep]:
    """`/opt` as one mount, unless an interpreter of the machine lives beneath it too."""
    if not any(path.is_relative_to("/opt") for path in readable):
        return [("directory", "/opt", "")] if opt_root is None else [("read-only", "/opt", str(opt_root))]
    entries = sorted(opt_root.iterdir()) if opt_root is not None else []
    return [("directory", "/opt", ""), *(("read-only", f"/opt/{path.name}", str(path)) for path in entries)]


def is_system(path: Path) -> bool:
    """Already there with the system's own directories."""
    return any(path.is_relative_to(place) for place in (*SYSTEM_DIRECTORIES, *PACKAGE_STORES))


def _read(path: Path) -> str:
    """Copied, because the real file is often a link to a place that is absent inside."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
