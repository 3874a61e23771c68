"""What the agent may rely on, whatever the rung: how a runtime starts, fails to start, is stopped and ends."""

from __future__ import annotations

import os
import signal
import stat
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from paddock.isolation.view import LaunchFailed, Program, Rung
from tests.isolation.enclosed import INTERPRETER, Enclosure, descriptors


def test_a_runtime_runs_in_its_working_directory_with_its_arguments(anywhere: Enclosure) -> None:
    script = "import os, sys; print(os.getcwd(), sys.argv[1:]); print('to stderr', file=sys.stderr)"
    view = anywhere.view(script)
    ended = anywhere.run(script, "a b", "", view=view)
    place = "/var/task" if anywhere.isolation.has_aws_layout else str(view.task_root)
    assert ended.said.splitlines() == [f"{place} ['a b', '']", "to stderr"]
    assert ended.status == 0


@pytest.mark.parametrize("status", [0, 1, 3, 127])
def test_an_exit_status_comes_through(anywhere: Enclosure, status: int) -> None:
    assert anywhere.run(f"raise SystemExit({status})").status == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_death_by_signal_comes_through(anywhere: Enclosure, number: int) -> None:
    script = f"import os, signal; signal.signal({number}, signal.SIG_DFL); os.kill(os.getpid(), {number})"
    if number == signal.SIGKILL:
        script = "import os; os.kill(os.getpid(), 9)"
    assert anywhere.run(script).status == -number


def test_a_request_to_end_reaches_the_runtime(anywhere: Enclosure) -> None:
    if "bubblewrap" in anywhere.isolation.describe():
        pytest.skip("bubblewrap ends itself, and all else with it, on the first signal")
    script = """
        import signal, sys, time
        def end(*_):
            print("going", flush=True)
            sys.exit(7)
        signal.signal(signal.SIGTERM, end)
        print("up", flush=True)
        time.sleep(600)
    """
    started = anywhere.start(script)
    assert started.line() == "up"
    os.kill(started.process.pid, signal.SIGTERM)
    ended = started.ended()
    assert (ended.status, ended.said.strip()) == (7, "going")


def test_output_ends_when_the_last_who_could_write_is_gone(in_own_namespaces: Enclosure) -> None:
    """The processes in between hold no end of the pipes, or the agent would wait for words that never come."""
    script = "import os; print('last words', flush=True); os.close(1); os.close(2); import time; time.sleep(600)"
    if "bubblewrap" in in_own_namespaces.isolation.describe():
        pytest.skip("bubblewrap's own processes keep the pipes until the end")
    started = in_own_namespaces.start(script)
    try:
        assert started.process.stdout is not None
        assert started.process.stdout.read() == "last words\n"
        assert started.process.poll() is None
    finally:
        started.kill()


def test_a_program_that_is_not_there_is_the_function_s_fault(anywhere: Enclosure) -> None:
    if "bubblewrap" in anywhere.isolation.describe():
        pytest.skip("bubblewrap says so on the function's log, and exits")
    view = anywhere.view("")
    program = replace(anywhere.program(view, (), {}), argv=("/var/task/bootstrap",))
    with pytest.raises(LaunchFailed, match="No such file") as caught:
        anywhere.start("", view=view, program=program)
    assert caught.value.stage == "entry point"


def test_a_program_that_may_not_be_executed_is_the_function_s_fault(anywhere: Enclosure) -> None:
    if "bubblewrap" in anywhere.isolation.describe():
        pytest.skip("as above")
    view = anywhere.view("")
    program = anywhere.program(view, (), {})
    with pytest.raises(LaunchFailed, match="Permission denied") as caught:
        anywhere.start("", view=view, program=replace(program, argv=(str(program.cwd / "function.py"),)))
    assert caught.value.stage == "entry point"


def test_a_working_directory_that_is_not_there_is_the_function_s_fault(anywhere: Enclosure) -> None:
    if "bubblewrap" in anywhere.isolation.describe():
        pytest.skip("as above")
    view = anywhere.view("")
    program = replace(anywhere.program(view, (), {}), cwd=PurePath("/var/task/nowhere"))
    with pytest.raises(LaunchFailed) as caught:
        anywhere.start("", view=view, program=program)
    assert caught.value.stage == "working directory"


def test_a_control_group_that_cannot_be_joined_is_ours(anywhere: Enclosure, tmp_path: Path) -> None:
    with pytest.raises(LaunchFailed) as caught:
        anywhere.start("print('never')", join_files=(tmp_path / "gone" / "cgroup.procs",))
    assert caught.value.stage == "joining the control group"


def test_the_control_group_is_joined_before_the_runtime_runs(anywhere: Enclosure, tmp_path: Path) -> None:
    joined = tmp_path / "cgroup.procs"
    joined.write_text("")
    joined.chmod(0o666)
    anywhere.run("print('done')", join_files=(joined,))
    assert joined.read_text() == "0"


def test_nothing_is_left_open_in_the_agent(anywhere: Enclosure) -> None:
    before = descriptors()
    assert anywhere.run("print('done')").status == 0
    view = anywhere.view("")
    with pytest.raises(LaunchFailed):
        anywhere.start("", view=view, join_files=(Path("/nowhere/cgroup.procs"),))
    assert descriptors() == before


def test_variables_are_on_no_command_line(anywhere: Enclosure) -> None:
    started = anywhere.start("print('up', flush=True); import time; time.sleep(600)", variables={"TOKEN": "hush-hush"})
    try:
        assert started.line() == "up"
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and entry.name != str(os.getpid()):
                try:
                    assert b"hush-hush" not in (entry / "cmdline").read_bytes()
                except OSError:
                    continue
    finally:
        started.kill()


def test_signals_the_interpreter_in_between_ignores_are_as_usual(anywhere: Enclosure) -> None:
    view = anywhere.view("")
    program = replace(anywhere.program(view, (), {}), argv=("/bin/cat", "/proc/self/status"))
    status = dict(line.split(":", 1) for line in anywhere.run("", view=view, program=program).said.splitlines())
    # What whoever started the tests ignores is ignored all the way down; the interpreter adds two of its own.
    inherited = int(_own_status()["SigIgn"], 16)
    assert int(status["SigIgn"], 16) & ~inherited == 0
    assert int(status["SigIgn"], 16) & _bits(signal.SIGPIPE, signal.SIGXFSZ) == 0
    assert int(status["SigBlk"], 16) == 0


def _own_status() -> dict[str, str]:
    text = Path("/proc/self/status").read_text()
    return dict(line.split(":", 1) for line in text.splitlines())


def _bits(*numbers: signal.Signals) -> int:
    return sum(1 << (number - 1) for number in numbers)


def test_orphans_are_buried(in_own_namespaces: Enclosure) -> None:
    script = """
        import os, time
        for _ in range(20):
            if os.fork() == 0:
                if os.fork() == 0:
                    os._exit(0)
                os._exit(0)
            os.wait()
        deadline = time.monotonic() + 10
        def dead():
            states = []
            for name in os.listdir("/proc"):
                if name.isdigit():
                    try:
                        states.append(open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[0])
                    except OSError:
                        pass
            return states.count("Z")
        while dead() and time.monotonic() < deadline:
            time.sleep(0.01)
        print(dead())
    """
    assert in_own_namespaces.run(script).said.strip() == "0"


def test_the_machine_is_left_as_it_was(in_own_namespaces: Enclosure) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    assert in_own_namespaces.run("print('done')").status == 0
    assert Path("/proc/self/mountinfo").read_text() == before


def test_the_runtime_is_lambda_s_user_and_sees_its_layers(in_own_namespaces: Enclosure) -> None:
    script = """
        import os
        print(os.getuid(), os.getgid(), open("/opt/layer.txt").read(), os.cpu_count(), os.uname().nodename)
    """
    assert in_own_namespaces.run(script, vcpu=3.0).said.split() == [
        "993",
        "990",
        "from",
        "a",
        "layer",
        "3",
        "localhost",
    ]


def test_the_log_socket_belongs_to_the_runtime_s_user(anywhere: Enclosure, scratch: Path) -> None:
    path = scratch / "1.log"
    path.touch(mode=0o600)
    anywhere.run("print('done')", socket=path)
    owned_by_another = path.stat().st_uid != os.geteuid()
    assert owned_by_another == ("own user" in anywhere.isolation.describe())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_plain_process_is_the_process_that_was_started(anywhere: Enclosure) -> None:
    if anywhere.isolation.rung > Rung.PROCESS:
        pytest.skip("in a process namespace it has a number of its own")
    started = anywhere.start("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    try:
        assert int(started.line()) == started.process.pid
    finally:
        started.kill()


def test_a_program_says_nothing_of_its_variables() -> None:
    assert "hush" not in repr(Program((str(INTERPRETER),), {"TOKEN": "hush"}, PurePath("/")))
