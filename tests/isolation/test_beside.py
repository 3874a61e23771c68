"""Several programs in one environment, on each means of isolation that has namespaces: what Lambda extensions are."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import pytest

from paddock.isolation.beside import Beside, Exit, FirstProcess
from paddock.isolation.inside.several import MOST_PROGRAMS
from paddock.isolation.view import EnvironmentView, LaunchFailed, Program
from tests.isolation.enclosed import TIMEOUT_SECONDS, Enclosure, descriptors

FOREVER = "import time; print('up', flush=True); time.sleep(600)"


@dataclass
class Running:
    number: int
    pid: int
    output: int
    errors: int

    def said(self) -> str:
        """All until nobody can write any more."""
        with os.fdopen(self.output, "rb") as file:
            self.output = -1
            return file.read().decode()

    def complained(self) -> str:
        with os.fdopen(self.errors, "rb") as file:
            self.errors = -1
            return file.read().decode()

    def line(self) -> str:
        said = b""
        while not said.endswith(b"\n"):
            more = os.read(self.output, 1)
            assert more, said
            said += more
        return said.decode().strip()

    def close(self) -> None:
        for descriptor in (self.output, self.errors):
            if descriptor >= 0:
                os.close(descriptor)


@dataclass
class Opened:
    """An environment in which nothing runs yet. `function.py` in `/var/task` is the script of all programs."""

    enclosure: Enclosure
    view: EnvironmentView
    first: FirstProcess
    process: subprocess.Popen[bytes]
    started: list[Running] = field(default_factory=list)

    def program(self, *arguments: str, **variables: str) -> Program:
        return self.enclosure.program(self.view, arguments, variables)

    def start(self, *arguments: str, **variables: str) -> Running:
        return self.executed(self.first.start(self.program(*arguments, **variables)))

    def executed(self, beside: Beside) -> Running:
        try:
            pid = beside.wait_executed()
        except LaunchFailed:
            os.close(beside.output)
            os.close(beside.errors)
            raise
        running = Running(beside.number, pid, beside.output, beside.errors)
        self.started.append(running)
        return running

    def failing(self, program: Program) -> LaunchFailed:
        with pytest.raises(LaunchFailed) as caught:
            self.executed(self.first.start(program))
        return caught.value

    def exits(self) -> list[Exit]:
        """Waits for the next ones."""
        ready, _, _ = select.select([self.first], [], [], TIMEOUT_SECONDS)
        assert ready
        return self.first.exits() or []

    def exit_of(self, running: Running) -> int:
        while True:
            for one in self.exits():
                if one.number == running.number:
                    return one.status

    def ended(self) -> int:
        """Once nobody holds the line any more, or its first process was killed."""
        return self.process.wait(TIMEOUT_SECONDS)


@contextmanager
def opened(enclosure: Enclosure, script: str, **changes: object) -> Iterator[Opened]:
    view = replace(enclosure.view(script), **changes)  # type: ignore[arg-type]
    assert enclosure.isolation.way.open is not None
    opening = enclosure.isolation.way.open(view)
    command = opening.command
    process = subprocess.Popen(
        command.argv,
        env=dict(command.environment),
        pass_fds=command.pass_fds,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    command.close_passed()
    environment = Opened(enclosure, view, opening.first, process)
    try:
        command.wait_executed()
        yield environment
    finally:
        opening.first.close()
        environment.ended()
        for running in environment.started:
            running.close()


def gone(pid: int) -> bool:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


def test_programs_share_files_processes_and_user(in_own_namespaces: Enclosure) -> None:
    script = """
        import os, signal, sys, time
        mine, others = sys.argv[1:]
        signal.alarm(30)
        open(f"/tmp/{mine}", "w").write(str(os.getpid()))
        while not os.path.exists(f"/tmp/{others}") or not open(f"/tmp/{others}").read():
            time.sleep(0.01)
        other = int(open(f"/tmp/{others}").read())
        os.kill(other, 0)  # also within Landlock
        owner = os.stat(f"/proc/{other}").st_uid
        open(f"/tmp/{mine}.seen", "w").close()
        while not os.path.exists(f"/tmp/{others}.seen"):
            time.sleep(0.01)
        print(os.getuid(), os.getgid(), owner, os.path.exists("/var/task/function.py"))
    """
    with opened(in_own_namespaces, script) as environment:
        one, other = environment.start("one", "other"), environment.start("other", "one")
        assert one.said() == other.said() == "993 990 993 True\n"


def test_programs_see_nothing_of_the_machine(in_own_namespaces: Enclosure, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the machine")
    script = f"""
        import os
        names = [name for name in os.listdir("/proc") if name.isdigit()]
        lines = [open(f"/proc/{{name}}/cmdline").read() for name in names]
        print(len(names) <= 4, any("pytest" in line for line in lines), os.path.exists({str(secret)!r}))
        print(sorted(os.listdir("/tmp")), os.path.exists({str(in_own_namespaces.directory)!r}))
    """
    with opened(in_own_namespaces, script) as environment:
        assert environment.start().said().splitlines() == ["True False False", "[] False"]


def test_each_program_is_confined_as_a_runtime_is(in_own_namespaces: Enclosure) -> None:
    wanted = ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "SigBlk", "SigIgn")
    script = f"""
        import resource
        lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
        print(*(lines[name].strip() for name in {wanted!r}))
        print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE))
        print(resource.getrlimit(resource.RLIMIT_NPROC))
        for path in ("/var/task/x", "/opt/x", "/etc/x"):
            try:
                open(path, "w")
            except OSError as error:
                print(type(error).__name__)
    """
    alone = in_own_namespaces.run(script, open_files=100, max_processes=300).said
    with opened(in_own_namespaces, script, open_files=100, max_processes=300) as environment:
        said = environment.start().said()
    assert said.splitlines()[0].split()[1] == "0000000000000000"
    assert said.splitlines()[0].split()[3:5] == ["1", "2"]
    if "bubblewrap" in in_own_namespaces.isolation.describe():
        # Which alone ignores nothing of what its parent does, and keeps more in a set that nobody can draw from.
        assert said.splitlines()[1:] == alone.splitlines()[1:]
    else:
        assert said == alone


def test_no_program_may_look_into_the_first_process_or_speak_for_the_agent(in_own_namespaces: Enclosure) -> None:
    # At bubblewrap's it is not the first, and who kills it ends the environment.
    own_first = "bubblewrap" not in in_own_namespaces.isolation.describe()
    script = f"""
        import os
        own_first = {own_first}
        print(sorted(os.listdir("/proc/self/fd")))
        for name in sorted(os.listdir("/proc"), key=len):
            if name.isdigit() and int(name) != os.getpid():
                for what in ("environ", "mem", "fd/3", "fd/6", "fd/9", "fd/13", "root", "cwd"):
                    try:
                        print("seen", what, open(f"/proc/{{name}}/{{what}}", "rb").read(1))
                    except IsADirectoryError:
                        print("seen", what)
                    except OSError:
                        pass
                try:
                    if own_first:
                        os.kill(int(name), 9)
                except OSError:
                    pass
        print("still there")
    """
    with opened(in_own_namespaces, script) as environment:
        lines = environment.start(TOKEN="hush").said().splitlines()
        again = environment.start().said().splitlines()
    # The fourth is the directory itself.
    assert lines[0] == "['0', '1', '2', '3']"
    assert lines[-1] == again[-1] == "still there"
    if own_first:
        assert lines[1:-1] == again[1:-1] == []


def test_a_program_has_its_own_variables_arguments_directory_and_output(in_own_namespaces: Enclosure) -> None:
    script = """
        import os, sys
        print(sys.argv[1:], os.environ.get("WHO"), os.getcwd(), os.getsid(0) == os.getpid(), flush=True)
        print("on error", sys.argv[1], file=sys.stderr)
        open("/dev/stdout", "w").write("by name")
    """
    with opened(in_own_namespaces, script) as environment:
        first = environment.start("a b", WHO="first")
        program = replace(environment.program("c"), cwd=PurePath("/tmp"))
        second = environment.executed(environment.first.start(program))
        assert first.complained() == "on error a b\n"
        assert second.complained() == "on error c\n"
        assert first.said() == "['a b'] first /var/task True\nby name"
        assert second.said() == "['c'] None /tmp True\nby name"


def test_exits_are_told_one_by_one_with_their_status(in_own_namespaces: Enclosure) -> None:
    script = """
        import os, sys, time
        if sys.argv[1] == "killed":
            os.kill(os.getpid(), 9)
        if sys.argv[1] != "stays":
            raise SystemExit(int(sys.argv[1]))
        print("up", flush=True)
        time.sleep(600)
    """
    with opened(in_own_namespaces, script) as environment:
        stays = environment.start("stays")
        assert stays.line() == "up"
        assert environment.exit_of(environment.start("0")) == 0
        assert environment.exit_of(environment.start("7")) == 7
        assert environment.exit_of(environment.start("killed")) == -signal.SIGKILL
        assert environment.first.exits() == []
        environment.first.signal(stays.number, signal.SIGKILL)
        assert environment.exits() == [Exit(stays.number, -signal.SIGKILL)]


def test_a_signal_reaches_one_program_s_whole_group_and_no_other(in_own_namespaces: Enclosure) -> None:
    script = """
        import os, signal, sys, time
        def end(*_):
            os.write(1, b"going leader\\n" if os.getpid() == leader else b"going child\\n")
            sys.exit(3)
        leader = os.getpid()
        signal.signal(signal.SIGTERM, end)
        os.fork()
        os.write(1, b"up\\n")
        time.sleep(600)
    """
    with opened(in_own_namespaces, script) as environment:
        one, other = environment.start(), environment.start()
        for running in (one, one, other, other):
            assert running.line() == "up"
        assert environment.first.signal(one.number, signal.SIGTERM)
        assert sorted(one.said().splitlines()) == ["going child", "going leader"]
        assert environment.exits() == [Exit(one.number, 3)]
        assert environment.first.exits() == []
        environment.first.signal(other.number, signal.SIGTERM)
        assert sorted(other.said().splitlines()) == ["going child", "going leader"]


def test_the_pid_is_the_one_the_agent_sees(in_own_namespaces: Enclosure) -> None:
    with opened(in_own_namespaces, FOREVER) as environment:
        running = environment.start("by-this-name")
        assert running.line() == "up"
        assert b"by-this-name" in Path(f"/proc/{running.pid}/cmdline").read_bytes()
        assert os.getpgid(running.pid) == os.getsid(running.pid) == running.pid


@pytest.mark.parametrize("way", ["line", "kill"])
def test_nothing_outlives_the_environment(in_own_namespaces: Enclosure, way: str) -> None:
    script = """
        import os, signal, time
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(1, b"daemon\\n")
                time.sleep(600)
            os._exit(0)
        os.wait()
        os.write(1, b"up\\n")
        time.sleep(600)
    """
    with opened(in_own_namespaces, script) as environment:
        one, other = environment.start(), environment.start()
        for program in (one, other):
            assert {program.line(), program.line()} == {"up", "daemon"}
        if way == "line":
            environment.first.close()
        else:
            os.killpg(environment.process.pid, signal.SIGKILL)
        environment.ended()
        # The daemons held the pipes too.
        assert one.said() == other.said() == ""
        assert gone(one.pid)
        assert gone(other.pid)
        if way == "kill":
            assert environment.exits() == []
            assert environment.first.exits() is None
        assert not environment.first.signal(one.number, signal.SIGTERM)


def test_orphans_of_programs_are_buried(in_own_namespaces: Enclosure) -> None:
    script = """
        import os, time
        for _ in range(20):
            if os.fork() == 0:
                if os.fork() == 0:
                    os._exit(0)
                os._exit(0)
            os.wait()
        def dead():
            states = []
            for name in os.listdir("/proc"):
                if name.isdigit():
                    try:
                        states.append(open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[0])
                    except OSError:
                        pass
            return states.count("Z")
        deadline = time.monotonic() + 30
        while dead() and time.monotonic() < deadline:
            time.sleep(0.01)
        print(dead())
    """
    with opened(in_own_namespaces, script) as environment:
        assert environment.start().said() == "0\n"


def test_what_cannot_be_executed_is_told_apart(in_own_namespaces: Enclosure) -> None:
    with opened(in_own_namespaces, FOREVER) as environment:
        task = environment.view.task_root
        for name, content, mode in (
            ("plain", "#!/bin/sh\n", 0o644),
            ("lost", "#!/no/such/interpreter\n", 0o755),
            ("noise", "neither program nor script", 0o755),
        ):
            (task / name).write_text(content)
            (task / name).chmod(mode)
        base = environment.program()
        failures = {
            name: environment.failing(replace(base, argv=(f"/var/task/{name}",)))
            for name in ("plain", "lost", "noise", "absent")
        }
        assert {failed.stage for failed in failures.values()} == {"entry point"}
        assert [name for name, failed in failures.items() if failed.not_executable] == ["plain"]
        nowhere = environment.failing(replace(base, cwd=PurePath("/nowhere")))
        assert (nowhere.stage, nowhere.not_executable) == ("working directory", False)
        # And others still can be.
        assert environment.start().line() == "up"


def test_a_flood_of_orders_ends_at_a_bound(in_own_namespaces: Enclosure) -> None:
    with opened(in_own_namespaces, "") as environment:
        for _ in range(MOST_PROGRAMS):
            environment.start()
        with pytest.raises(LaunchFailed, match="more than"):
            environment.first.start(environment.program())
        before = descriptors()
        for _ in range(10_000):
            environment.first.signal(0, signal.SIGTERM)
            environment.first.signal(999, signal.SIGTERM)
        assert descriptors() == before
        seen = {one.number for _ in range(MOST_PROGRAMS) for one in (environment.first.exits() or [])}
        while len(seen) < MOST_PROGRAMS:
            seen |= {one.number for one in environment.exits()}
        assert environment.process.poll() is None


def test_the_first_process_holds_to_the_bound_by_itself(in_own_namespaces: Enclosure) -> None:
    with opened(in_own_namespaces, "") as environment:
        for _ in range(MOST_PROGRAMS):
            environment.start()
        environment.first._count = 0
        assert "at most" in environment.failing(environment.program()).text


def test_a_fork_bomb_leaves_the_first_process_able_to_end(in_own_namespaces: Enclosure) -> None:
    script = """
        import os, time
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(600)
        except OSError:
            print("full", flush=True)
            time.sleep(600)
    """
    if (
        "bubblewrap" in in_own_namespaces.isolation.describe()
        or "own user" not in in_own_namespaces.isolation.describe()
    ):
        pytest.skip("processes of a user who is the machine's root are not counted")
    with opened(in_own_namespaces, script, max_processes=20) as environment:
        bomb = environment.start()
        assert bomb.line() == "full"
        environment.first.signal(bomb.number, signal.SIGKILL)
        assert environment.exit_of(bomb) == -signal.SIGKILL
        assert environment.start().line() == "full"


def test_the_control_group_is_joined_before_any_program_runs(in_own_namespaces: Enclosure, tmp_path: Path) -> None:
    joined = tmp_path / "cgroup.procs"
    joined.write_text("")
    joined.chmod(0o666)
    with opened(in_own_namespaces, "print('done')", join_files=(joined,)) as environment:
        assert joined.read_text() == "0"
        assert environment.start().said() == "done\n"


def test_an_environment_that_cannot_be_opened_says_why(in_own_namespaces: Enclosure, tmp_path: Path) -> None:
    before = descriptors()
    with (
        pytest.raises(LaunchFailed) as caught,
        opened(in_own_namespaces, "", join_files=(tmp_path / "gone" / "cgroup.procs",)),
    ):
        pytest.fail("it opened")
    assert caught.value.stage == "joining the control group"
    assert descriptors() == before


def test_nothing_is_left_open_in_the_agent_and_the_machine_is_as_it_was(in_own_namespaces: Enclosure) -> None:
    before, mounts = descriptors(), Path("/proc/self/mountinfo").read_text()
    with opened(in_own_namespaces, "print('done')") as environment:
        assert environment.start().said() == "done\n"
        environment.failing(replace(environment.program(), argv=("/var/task/absent",)))
    assert descriptors() == before
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_a_program_asked_of_an_environment_that_is_gone_fails(in_own_namespaces: Enclosure) -> None:
    with opened(in_own_namespaces, FOREVER) as environment:
        os.killpg(environment.process.pid, signal.SIGKILL)
        environment.ended()
        assert environment.exits() == []
        with pytest.raises(LaunchFailed):
            environment.executed(environment.first.start(environment.program()))


def test_variables_are_on_no_command_line(in_own_namespaces: Enclosure) -> None:
    with opened(in_own_namespaces, FOREVER) as environment:
        assert environment.start(TOKEN="hush-hush").line() == "up"
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and entry.name != str(os.getpid()):
                try:
                    assert b"hush-hush" not in (entry / "cmdline").read_bytes()
                except OSError:
                    continue


def test_an_extension_listens_where_the_agent_reaches_it(in_own_namespaces: Enclosure) -> None:
    """As subscribers of telemetry do."""
    script = """
        import socket
        listener = socket.create_server(("sandbox.localdomain", 0))
        print(*listener.getsockname(), flush=True)
        listener.accept()[0].sendall(b"heard")
    """
    with opened(in_own_namespaces, script) as environment:
        address, port = environment.start().line().split()
        with socket.create_connection((address, int(port)), timeout=TIMEOUT_SECONDS) as connection:
            assert connection.recv(10) == b"heard"
