"""The system calls that Python does not have, by ctypes. Knows numbers and structures, no policy.

Sources: the kernel's user-space headers (`linux/mount.h`, `linux/landlock.h`, `linux/seccomp.h`, `linux/prctl.h`) and
manual pages of section 2.
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

_MOUNT_ATTR_RDONLY = 1
_MOUNT_ATTR_NOSUID = 2
_MOUNT_ATTR_NODEV = 4
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MNT_DETACH = 2

_NS_GET_USERNS = 0xB701

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_HIGHEST_CAPABILITY = 63

_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1

SIGKILL, SIGTERM, SIGCHLD, SIGINT, SIGHUP = 9, 15, 17, 2, 1
_SIG_BLOCK, _SIG_SETMASK = 0, 2
_SIGNAL_SET_BYTES = 128
_SFD_NONBLOCK_CLOEXEC = 0o2004000

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_MOUNT_SETATTR = 442
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
"""The same on all architectures since Linux 5.1."""

ARCHITECTURE = os.uname().machine
LINUX = sys.platform == "linux"

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _call(what: str, number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    passed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *passed), what)


def _prctl(what: str, option: int, *arguments: int) -> None:
    passed = [ctypes.c_ulong(one) for one in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_libc.prctl(option, *passed), what)


# Namespaces and mounts


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def set_namespace(descriptor: int, kind: int) -> None:
    _checked(_libc.setns(descriptor, kind), "setns")


def owner_of_namespace(descriptor: int) -> int:
    """A descriptor of the user namespace that it belongs to."""
    return _checked(_libc.ioctl(descriptor, ctypes.c_ulong(_NS_GET_USERNS)), "NS_GET_USERNS")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    data = options.encode() if options else None
    passed = (os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data)
    _checked(_libc.mount(*passed), f"mount {target}")


def make_read_only(target: str, *, recursive: bool) -> None:
    """Also without set-user-id programs and devices. Since Linux 5.12."""
    wanted = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    attributes = ctypes.create_string_buffer(bytes(wanted), 32)
    _call(f"mount_setattr {target}", _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), flags, attributes, 32)


def change_root(directory: str) -> None:
    """The old root is gone afterwards: it is stacked below the new one, then detached."""
    os.chdir(directory)
    _call("pivot_root", _PIVOT_ROOT[ARCHITECTURE], b".", b".")
    _checked(_libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")


def set_host_name(name: str) -> None:
    _checked(_libc.sethostname(name.encode(), ctypes.c_size_t(len(name))), "sethostname")


# Privileges


def end_with_parent() -> None:
    """SIGKILL when the thread that started this process is gone. Forgotten by the kernel when the uid changes."""
    _prctl("PR_SET_PDEATHSIG", _PR_SET_PDEATHSIG, SIGKILL)


def bury_descendants() -> None:
    """Whoever of them loses its parent becomes a child of this process."""
    _prctl("PR_SET_CHILD_SUBREAPER", _PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(dumpable: bool) -> None:
    """Not dumpable: no other process of the same user may look into this one."""
    _prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, int(dumpable))


def no_new_privileges() -> None:
    _prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)


def keep_capabilities(kept: int) -> None:
    """`kept` is a bit mask of capabilities; all others are given up for good, by this process and all it starts."""
    for number in range(_HIGHEST_CAPABILITY + 1):
        if not kept & (1 << number):
            try:
                _prctl("PR_CAPBSET_DROP", _PR_CAPBSET_DROP, number)
            except OSError:
                break
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    header = ctypes.create_string_buffer(bytes((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)), 8)
    data = ctypes.create_string_buffer(bytes((ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)), 24)
    _call("capset", _CAPSET[ARCHITECTURE], header, data)


# Seccomp and Landlock


def install_filter(program: bytes) -> None:
    """`program` is an array of `struct sock_filter`, eight bytes each."""
    instructions = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    described = Program(len(program) // 8, ctypes.addressof(instructions))
    _prctl("PR_SET_SECCOMP", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(described))


def landlock_version() -> int:
    """Zero where the kernel has none, or has it turned off."""
    if not LINUX:
        return 0
    version: int = _libc.syscall(
        ctypes.c_long(_LANDLOCK_CREATE_RULESET),
        None,
        ctypes.c_size_t(0),
        ctypes.c_uint32(_LANDLOCK_CREATE_RULESET_VERSION),
    )
    return max(0, version)


def restrict_files(handled: tuple[int, int, int], rules: list[tuple[str, int]]) -> None:
    """`handled`: what is refused unless a rule allows it (files, network, scope); `rules`: path and what is allowed
    beneath it. Paths that are not there are passed over.
    """
    attributes = ctypes.create_string_buffer(bytes((ctypes.c_uint64 * 3)(*handled)), 24)
    # An older kernel accepts the longer structure as long as what it does not know is zero.
    ruleset = _call("landlock_create_ruleset", _LANDLOCK_CREATE_RULESET, attributes, 24, 0)
    for path, allowed in rules:
        try:
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        rule = allowed.to_bytes(8, sys.byteorder) + beneath.to_bytes(4, sys.byteorder)
        described = ctypes.create_string_buffer(rule, 12)
        _call(f"landlock_add_rule {path}", _LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, described, 0)
        os.close(beneath)
    _call("landlock_restrict_self", _LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


# Signals: without the standard library's module, whose import takes longer than all the rest


class SignalWait:
    """Holds back the signals that a waiting process has to hear of."""

    def __init__(self) -> None:
        self._awaited = ctypes.create_string_buffer(_SIGNAL_SET_BYTES)
        self._before = ctypes.create_string_buffer(_SIGNAL_SET_BYTES)
        _libc.sigemptyset(self._awaited)
        for number in (SIGCHLD, SIGTERM, SIGINT, SIGHUP):
            _libc.sigaddset(self._awaited, number)
        _libc.sigprocmask(_SIG_BLOCK, self._awaited, self._before)

    def next(self) -> int:
        """Blocks until one of them came."""
        number = ctypes.c_int(0)
        while _libc.sigwait(self._awaited, ctypes.byref(number)) != 0:
            pass
        return number.value

    def descriptor(self) -> int:
        """Readable when one of them came; for a process that waits for more than signals."""
        return _checked(_libc.signalfd(-1, self._awaited, _SFD_NONBLOCK_CLOEXEC), "signalfd")

    def give_back(self) -> None:
        """For a program that is about to be executed."""
        _libc.sigprocmask(_SIG_SETMASK, self._before, None)


def default_action(number: int) -> None:
    _libc.signal(number, None)
