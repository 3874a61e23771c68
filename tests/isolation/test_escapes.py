"""Attempts to get out of an execution environment, each as a hostile function would make it. None may succeed.

A script that does get out must do no harm: files are opened and not written, signals are 0, targets do not exist.
Each says `escaped: ...` for whatever it managed, and `done` at its end, so that a script that breaks is not taken for
one that was held.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddock.isolation.inside import system
from paddock.isolation.view import Rung
from tests.isolation.enclosed import Enclosure, Ended, processes_with

WITHIN_A_FILE_SYSTEM = """
import os
def readable(path):
    try:
        with open(path, "rb") as file:
            return file.read(64)
    except OSError:
        return b""
def attempt(what, do, *arguments):
    try:
        result = do(*arguments)
    except OSError:
        return
    print("escaped:", what, result)
"""
"""What the scripts share."""


def held(ended: Ended) -> None:
    assert "escaped" not in ended.said
    assert ended.said.rstrip().endswith("done"), ended
    assert ended.status == 0


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A foreign process with a secret, of the agent's user: another environment, or the agent itself."""
    program = "import time; secret = 'the neighbour' + \"'s secret\"; time.sleep(600)"
    variables = {"SECRET": "the neighbour's secret"}
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", program], env=variables) as process:
        yield process
        process.kill()


# Files


def test_files_of_the_machine_are_absent(in_own_namespaces: Enclosure) -> None:
    secret = in_own_namespaces.directory / "bootstrap.json"
    secret.write_text("the token")
    secret.chmod(0o644)
    script = """
        import os, sys
        for path in (sys.argv[1], "/etc/shadow", "/etc/machine-id", "/proc/1/root" + sys.argv[1]):
            try:
                open(path, "rb")
                print("escaped:", path)
            except OSError:
                pass
        for place in ("/home", "/root", "/mnt", "/srv", "/run", "/boot", "/var/lib", "/var/log", "/sys/kernel"):
            if os.path.isdir(place) and [name for name in os.listdir(place) if name != ".pyenv"]:
                print("escaped:", place, os.listdir(place))
        print("done")
    """
    held(in_own_namespaces.run(script, str(secret)))


def test_files_of_the_machine_are_refused_where_landlock_is_all_there_is(anywhere: Enclosure) -> None:
    """Save those in `/tmp`, which a plain process shares with the machine."""
    if "Landlock" not in anywhere.isolation.describe():
        pytest.skip("this rung has no Landlock")
    script = (
        WITHIN_A_FILE_SYSTEM
        + """
import sys
for path in sys.argv[1:]:
    if readable(path):
        print("escaped:", path)
attempt("write", os.open, "/usr", os.O_TMPFILE | os.O_WRONLY)
attempt("append", open, sys.argv[1], "a")
print("done")
"""
    )
    files = ("/var/lib/dpkg/status", str(Path.home() / ".bashrc"), __file__)
    held(anywhere.run(script, *(path for path in files if not path.startswith("/tmp/"))))


def test_the_server_s_data_is_nowhere_to_be_found(in_own_namespaces: Enclosure, tmp_path: Path) -> None:
    names = ("credentials.json", "keyring.json", "paddock.db", "server.json", "agent.log", "bootstrap.json")
    for name in names:
        (tmp_path / name).write_text("the server's")
        (tmp_path / name).chmod(0o666)
    script = """
        import os, sys
        for directory, below, files in os.walk("/"):
            if directory in ("/proc", "/usr", "/sys"):
                below.clear()
            for name in set(files) & set(sys.argv[1:]):
                try:
                    if b"the server's" in open(os.path.join(directory, name), "rb").read(64):
                        print("escaped:", directory, name)
                except OSError:
                    pass
        print("done")
    """
    held(in_own_namespaces.run(script, *names))


def test_code_and_system_cannot_be_changed(in_own_namespaces: Enclosure) -> None:
    script = (
        WITHIN_A_FILE_SYSTEM
        + """
for place in ("/", "/var", "/var/task", "/opt", "/var/runtime", "/var/lang", "/usr", "/etc", "/dev", "/sys"):
    attempt("write to " + place, os.open, place, os.O_TMPFILE | os.O_WRONLY)
attempt("function", open, "/var/task/function.py", "a")
attempt("layer", os.unlink, "/opt/layer.txt")
attempt("mode", os.chmod, "/var/task/function.py", 0o777)
print("done")
"""
    )
    held(in_own_namespaces.run(script))


def test_the_kernel_cannot_be_configured(in_own_namespaces: Enclosure) -> None:
    script = (
        WITHIN_A_FILE_SYSTEM
        + """
for path in (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory",
    "/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/hostname", "/proc/sys/fs/file-max",
    "/proc/irq/default_smp_affinity",
):
    attempt("configure " + path, os.open, path, os.O_WRONLY)
print("done")
"""
    )
    held(in_own_namespaces.run(script))


def test_devices_are_few_and_none_can_be_made(in_own_namespaces: Enclosure) -> None:
    script = (
        WITHIN_A_FILE_SYSTEM
        + """
import stat
known = {"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "ptmx", "pts", "shm"}
if set(os.listdir("/dev")) - known:
    print("escaped:", os.listdir("/dev"))
for place in ("/tmp", "/dev", "/dev/shm"):
    attempt("disk", os.mknod, place + "/disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0))
    attempt("kmem", os.mknod, place + "/memory", 0o600 | stat.S_IFCHR, os.makedev(1, 1))
print("done")
"""
    )
    held(in_own_namespaces.run(script))


def test_one_environment_s_tmp_is_not_another_s(in_own_namespaces: Enclosure) -> None:
    first = in_own_namespaces.start("open('/tmp/mine', 'w').write('x'); print('written'); import time; time.sleep(600)")
    try:
        assert first.line() == "written"
        held(in_own_namespaces.run("import os; print('escaped: /tmp' if os.listdir('/tmp') else '', 'done')"))
        assert not Path("/tmp/mine").exists()
    finally:
        first.kill()


# Processes


def test_foreign_processes_have_no_names(in_own_namespaces: Enclosure, victim: subprocess.Popen[bytes]) -> None:
    script = """
        import os
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) > 20:
                print("escaped:", name, open(f"/proc/{name}/cmdline").read())
        print("done")
    """
    held(in_own_namespaces.run(script))


def test_foreign_processes_cannot_be_signalled(in_own_namespaces: Enclosure, victim: subprocess.Popen[bytes]) -> None:
    script = (
        WITHIN_A_FILE_SYSTEM
        + """
import sys
for pid in map(int, sys.argv[1:]):
    attempt("signal", os.kill, pid, 0)
    attempt("signal to a group", os.killpg, pid, 0)
print("done")
"""
    )
    held(in_own_namespaces.run(script, str(victim.pid), str(os.getpid())))


def test_a_plain_process_cannot_signal_where_landlock_scopes_signals(
    anywhere: Enclosure, victim: subprocess.Popen[bytes]
) -> None:
    if "Landlock" not in anywhere.isolation.describe() or system.landlock_version() < 6:
        pytest.skip("this rung has no Landlock that knows of signals")
    script = WITHIN_A_FILE_SYSTEM + "import sys\nattempt('signal', os.kill, int(sys.argv[1]), 0)\nprint('done')\n"
    held(anywhere.run(script, str(victim.pid)))
    assert victim.poll() is None


OTHERS_MEMORY = (
    WITHIN_A_FILE_SYSTEM
    + """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
SECRET = b"the neighbour" + b"'s secret"
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) != os.getpid():
        for what in ("environ", "mem", "auxv", "maps"):
            if SECRET in readable(f"/proc/{name}/{what}"):
                print("escaped:", name, what)
pid = int(sys.argv[1])
if libc.ptrace(ctypes.c_long(16), ctypes.c_long(pid), None, None) == 0:
    print("escaped: ptrace")
class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))
buffer = ctypes.create_string_buffer(8)
mine = Vector(ctypes.addressof(buffer), 8)
if libc.process_vm_readv(pid, ctypes.byref(mine), 1, ctypes.byref(mine), 1, 0) > 0:
    print("escaped: process_vm_readv")
print("done")
"""
)


def test_others_memory_cannot_be_read(anywhere: Enclosure, victim: subprocess.Popen[bytes]) -> None:
    if anywhere.isolation.describe() == "process (limits)":
        pytest.skip("the last resort promises no more than limits")
    held(anywhere.run(OTHERS_MEMORY, str(victim.pid)))


def test_the_first_process_inside_gives_nothing_away(in_own_namespaces: Enclosure) -> None:
    script = (
        WITHIN_A_FILE_SYSTEM
        + """
assert os.getpid() != 1
for what in ("root", "cwd", "exe", "ns/mnt"):
    attempt(what, os.readlink, "/proc/1/" + what)
for number in range(20):
    attempt("descriptor", os.readlink, f"/proc/1/fd/{number}")
if readable("/proc/1/environ") or readable("/proc/1/maps"):
    print("escaped: memory of the first process")
print("done")
"""
    )
    if "bubblewrap" in in_own_namespaces.isolation.describe():
        pytest.skip("bubblewrap's own first process can be looked into; it has no more than its children")
    held(in_own_namespaces.run(script))


def test_what_others_proc_entries_tell_is_nothing(
    in_own_namespaces: Enclosure, victim: subprocess.Popen[bytes]
) -> None:
    script = (
        WITHIN_A_FILE_SYSTEM
        + """
import sys
for what in ("root/etc/passwd", "cwd", "fd", "ns/pid", "task", "status", "cgroup", "maps"):
    path = "/proc/" + sys.argv[1] + "/" + what
    attempt(path, os.stat, path)
print("done")
"""
    )
    held(in_own_namespaces.run(script, str(victim.pid)))


def test_a_daemon_ends_with_its_environment(in_own_namespaces: Enclosure) -> None:
    marker = f"daemon-of-{os.getpid()}-{time.monotonic_ns()}"
    script = """
        import os, subprocess, sys, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                argv = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)", sys.argv[1]]
                os.execve(argv[0], argv, {})
            os._exit(0)
        os.wait()
        time.sleep(0.2)
        print("done", flush=True)
        os.execv("/bin/sleep", ["sleep", "600"])
    """
    started = in_own_namespaces.start(script, marker)
    assert started.line() == "done"
    assert processes_with(marker)
    started.kill()
    deadline = time.monotonic() + 10
    while processes_with(marker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_with(marker) == []


def test_all_end_when_the_runtime_ends(in_own_namespaces: Enclosure) -> None:
    marker = f"orphan-of-{os.getpid()}-{time.monotonic_ns()}"
    script = """
        import subprocess, sys
        argv = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)", sys.argv[1]]
        subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print("done")
    """
    held(in_own_namespaces.run(script, marker))
    deadline = time.monotonic() + 10
    while processes_with(marker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_with(marker) == []


def test_all_end_when_the_agent_ends(in_own_namespaces: Enclosure) -> None:
    """A process in between takes the agent's place and is killed."""
    marker = f"abandoned-{os.getpid()}-{time.monotonic_ns()}"
    pid = os.fork()
    if pid == 0:
        try:
            started = in_own_namespaces.start("print('up', flush=True); import time; time.sleep(600)", marker)
            assert started.line() == "up"
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    deadline = time.monotonic() + 10
    while processes_with(marker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_with(marker) == []


def test_a_fork_bomb_ends_at_the_limit(in_own_namespaces: Enclosure, victim: subprocess.Popen[bytes]) -> None:
    if "bubblewrap" in in_own_namespaces.isolation.describe():
        pytest.skip("bubblewrap sets no limit: the control group's is the only one")
    if os.geteuid() == 0 and "own user" not in in_own_namespaces.isolation.describe():
        pytest.skip("the kernel sets no such limit to root")
    script = """
        import os, time
        born = 0
        try:
            while born < 500:
                if os.fork() == 0:
                    time.sleep(600)
                born += 1
        except OSError:
            pass
        print("escaped:" if born > 64 else "", born, "done")
    """
    held(in_own_namespaces.run(script, max_processes=64))
    assert victim.poll() is None


# The machine's sockets


def test_the_agent_s_socket_cannot_be_reached(in_own_namespaces: Enclosure, tmp_path: Path) -> None:
    path = str(tmp_path / "agent.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        Path(path).chmod(0o777)
        script = (
            WITHIN_A_FILE_SYSTEM
            + """
import socket, sys
attempt("agent's socket", socket.socket(socket.AF_UNIX).connect, sys.argv[1])
print("done")
"""
        )
        held(in_own_namespaces.run(script, path))


def test_abstract_sockets_of_the_machine_cannot_be_reached(anywhere: Enclosure) -> None:
    if "Landlock" not in anywhere.isolation.describe() or system.landlock_version() < 6:
        pytest.skip("abstract sockets belong to the network; only Landlock 6 keeps them apart")
    name = f"\0paddock-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        script = (
            WITHIN_A_FILE_SYSTEM
            + """
import socket, sys
attempt("abstract socket", socket.socket(socket.AF_UNIX).connect, "\\0" + sys.argv[1])
print("done")
"""
        )
        held(anywhere.run(script, name[1:]))


def test_the_sandbox_s_name_is_an_address_of_its_own_on_the_loopback(in_own_namespaces: Enclosure) -> None:
    """Telemetry subscribers listen there, each environment's on the port that it likes."""
    script = "import socket; print(*map(socket.gethostbyname, ('sandbox.localdomain', 'sandbox', 'localhost')))"
    sandbox, short, loopback = in_own_namespaces.run(script).said.split()
    assert (short, loopback) == (sandbox, "127.0.0.1")
    assert sandbox.startswith("127.")
    assert sandbox != loopback


def test_the_socket_it_is_given_can_be_reached(anywhere: Enclosure, scratch: Path) -> None:
    path = scratch / "1.log"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        script = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('done')"
        held(anywhere.run(script, str(path), socket=path))


def test_disks_and_kernel_memory_cannot_be_opened(anywhere: Enclosure) -> None:
    if anywhere.isolation.describe() == "process (limits)":
        pytest.skip("the last resort promises no more than limits")
    disks = [f"/dev/{path.name}" for path in Path("/sys/block").iterdir()]
    script = (
        WITHIN_A_FILE_SYSTEM
        + """
import sys
for path in sys.argv[1:]:
    attempt(path, os.open, path, os.O_RDONLY)
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/fs/file-max", "/proc/sysrq-trigger"):
    attempt("configure " + path, os.open, path, os.O_WRONLY)
print("done")
"""
    )
    held(anywhere.run(script, "/dev/mem", "/dev/kmsg", *disks))


# Privileges


def test_there_are_no_privileges_and_no_way_to_more(in_own_namespaces: Enclosure) -> None:
    script = """
        import os
        status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            if int(status[name], 16):
                print("escaped:", name, status[name])
        if status["NoNewPrivs"].strip() != "1" or status["Seccomp"].strip() != "2":
            print("escaped: privileges can be won back")
        if 0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()):
            print("escaped: root")
        try:
            os.setuid(0)
            print("escaped: became root")
        except OSError:
            pass
        print("done")
    """
    held(in_own_namespaces.run(script))


FORBIDDEN_CALLS = """
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
def refused(what, result):
    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        print("escaped:", what, result, ctypes.get_errno())
refused("user namespace", libc.unshare(0x10000000))
refused("mount namespace", libc.unshare(0x00020000))
refused("setns", libc.setns(0, 0))
refused("mount", libc.mount(b"none", b"/nowhere", b"tmpfs", 0, None))
refused("umount", libc.umount2(b"/nowhere", 2))
refused("chroot", libc.chroot(b"/nowhere"))
refused("keyring", libc.syscall(250 if sys.argv[1] == "x86_64" else 219, 0, -3, 1))
refused("bpf", libc.syscall(321 if sys.argv[1] == "x86_64" else 280, 0, None, 0))
refused("handle", libc.syscall(304 if sys.argv[1] == "x86_64" else 265, 0, None, 0))
refused("perf", libc.syscall(298 if sys.argv[1] == "x86_64" else 241, None, 0, -1, -1, 0))
refused("io_uring", libc.syscall(425, 1, None))
refused("new mount", libc.syscall(430, b"tmpfs", 0))
refused("clone", libc.syscall(56 if sys.argv[1] == "x86_64" else 220, 0x10000000 | 17, 0, 0, 0, 0))
import socket
for family in (17, 38, 40):
    try:
        socket.socket(family, socket.SOCK_RAW if family == 17 else socket.SOCK_STREAM)
        print("escaped: socket family", family)
    except OSError:
        pass
print("done")
"""


def test_calls_that_no_function_needs_are_refused(anywhere: Enclosure) -> None:
    if anywhere.isolation.describe() == "process (limits)":
        pytest.skip("the last resort promises no more than limits")
    held(anywhere.run(FORBIDDEN_CALLS, system.ARCHITECTURE))


KEYRINGS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
add, request, control = (248, 249, 250) if sys.argv[1] == "x86_64" else (217, 218, 219)
if libc.syscall(add, b"user", b"paddock", b"secret", 6, -4) != -1:
    print("escaped: a key outlives its environment")
if libc.syscall(request, b"user", b"paddock", None, -4) != -1:
    print("escaped: a key of somebody else")
for ring in (-1, -2, -3, -4, -5):
    if libc.syscall(control, 0, ring, 0) != -1:
        print("escaped: keyring", ring)
print("done")
"""
"""add_key, request_key, and the keyrings of thread, process, session, user and user's sessions."""


def test_kernel_keyrings_are_out_of_reach(anywhere: Enclosure) -> None:
    if anywhere.isolation.describe() == "process (limits)":
        pytest.skip("the last resort promises no more than limits")
    held(anywhere.run(KEYRINGS, system.ARCHITECTURE))


def test_only_its_own_variables_and_descriptors_are_there(anywhere: Enclosure) -> None:
    script = """
        import os, resource
        if set(os.environ) - {"PATH", "GREETING", "LC_CTYPE", "PWD"} or os.environ["GREETING"] != "hello":
            print("escaped:", dict(os.environ))
        there = os.listdir("/proc/self/fd")
        if set(there) - {"0", "1", "2", "3"}:
            print("escaped: descriptors", there)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if (soft, hard) != (4096, 4096) or resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):
            print("escaped: limits", soft, hard)
        print("done")
    """
    held(anywhere.run(script, variables={"GREETING": "hello"}))


# Resources


def test_a_full_tmp_is_an_error_and_harms_nobody(in_own_namespaces: Enclosure) -> None:
    script = """
        import errno
        written = 0
        try:
            with open("/tmp/big", "wb", buffering=0) as file:
                while written < 64 * 1024 * 1024:
                    written += file.write(bytes(1024 * 1024))
        except OSError as error:
            assert error.errno == errno.ENOSPC
        print("escaped:" if written > 4 * 1024 * 1024 else "", written, "done")
    """
    held(in_own_namespaces.run(script))


def test_empty_files_in_tmp_are_bounded_too(in_own_namespaces: Enclosure) -> None:
    if "bubblewrap" in in_own_namespaces.isolation.describe():
        pytest.skip("bubblewrap has no option for it: the control group counts them")
    script = """
        made = 0
        try:
            while made < 10_000:
                open(f"/tmp/{made}", "w").close()
                made += 1
        except OSError:
            pass
        print("escaped:" if made >= 10_000 else "", made, "done")
    """
    held(in_own_namespaces.run(script))


def test_the_rung_says_what_it_is(anywhere: Enclosure) -> None:
    assert anywhere.isolation.has_aws_layout == (anywhere.isolation.rung >= Rung.NAMESPACES)
    assert anywhere.isolation.describe().startswith(anywhere.isolation.rung.name.lower())
