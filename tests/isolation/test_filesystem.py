from __future__ import annotations

from pathlib import Path

import pytest

from paddock.isolation.bubblewrap import bubblewrap_argv
from paddock.isolation.filesystem import mount_steps
from paddock.isolation.loopback import own_loopback
from paddock.isolation.view import Program
from tests.isolation.views import view_of


def test_code_runtime_and_layers_are_where_aws_has_them(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    steps = {target: (kind, detail) for kind, target, detail in mount_steps(view)}
    assert steps["/var/task"] == ("read-only", str(view.task_root))
    assert steps["/var/runtime"] == ("read-only", str(view.runtime_dir))
    assert steps["/var/lang"] == ("read-only", str(view.lang_dir))
    assert steps["/opt"] == ("read-only", str(view.opt_root))


def test_without_layers_opt_is_there_and_empty(tmp_path: Path) -> None:
    assert ("directory", "/opt", "") in mount_steps(view_of(tmp_path, opt_root=None))


@pytest.mark.skipif(not Path("/opt").is_dir(), reason="this machine has no /opt")
def test_an_interpreter_under_opt_and_the_layers_are_both_there(tmp_path: Path) -> None:
    (tmp_path / "opt" / "python").mkdir(parents=True)
    steps = mount_steps(view_of(tmp_path, readable_paths=(Path("/opt"),)))
    assert ("read-only", "/opt/python", str(tmp_path / "opt" / "python")) in steps
    assert ("read-only", "/opt", str(tmp_path / "opt")) not in steps


def test_tmp_has_the_function_s_size(tmp_path: Path) -> None:
    (options,) = [
        detail for kind, target, detail in mount_steps(view_of(tmp_path, tmp_size_mb=700)) if target == "/tmp"
    ]
    assert "size=700m" in options
    assert "nr_inodes=" in options


def test_processors_are_counted_up_to_whole_ones(tmp_path: Path) -> None:
    steps = {target: detail for _, target, detail in mount_steps(view_of(tmp_path, vcpu=1.5))}
    assert steps["/sys/devices/system/cpu/online"] == "0-1\n"
    assert steps["/sys/fs/cgroup/cpu.max"] == "200000 100000\n"
    assert steps["/sys/fs/cgroup/memory.max"] == f"{2048 * 1024 * 1024}\n"


def test_a_path_that_is_gone_or_the_system_s_own_is_passed_over(tmp_path: Path) -> None:
    steps = mount_steps(view_of(tmp_path, readable_paths=(tmp_path / "gone", Path("/usr/lib"))))
    assert not {str(tmp_path / "gone"), "/usr/lib"} & {target for _, target, _ in steps}


def test_nothing_is_mounted_before_what_it_lies_in(tmp_path: Path) -> None:
    inner = tmp_path / "runtimes" / "python"
    inner.mkdir(parents=True)
    targets = [target for _, target, _ in mount_steps(view_of(tmp_path, readable_paths=(inner, tmp_path / "runtimes")))]
    for place, target in enumerate(targets):
        assert not any(Path(later) in Path(target).parents for later in targets[place + 1 :]), target


def test_nothing_of_this_machine_s_users_and_names_is_shown(tmp_path: Path) -> None:
    steps = {target: (kind, detail) for kind, target, detail in mount_steps(view_of(tmp_path))}
    for path in ("/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf"):
        assert steps[path][0] == "file"
    assert f"{own_loopback(view_of(tmp_path).environment_id)} sandbox.localdomain" in steps["/etc/hosts"][1]
    assert not {"/etc", "/etc/shadow", "/home", "/root", "/run", "/var", "/sys"} & steps.keys()


def test_bubblewrap_s_command_line_holds_no_variables(tmp_path: Path) -> None:
    """Every user of a machine can read command lines."""
    passed: list[bytes] = []

    def pass_bytes(content: bytes) -> int:
        passed.append(content)
        return 10 + len(passed)

    program = Program(("/var/task/bootstrap", "x"), {"AWS_SECRET_ACCESS_KEY": "hush"}, Path("/var/task"))
    argv = bubblewrap_argv("/usr/bin/bwrap", mount_steps(view_of(tmp_path)), program, b"filter", pass_bytes)
    assert argv == ["/usr/bin/bwrap", "--args", str(10 + len(passed)), "--", "/var/task/bootstrap", "x"]
    options = passed[-1].split(b"\0")
    assert options[options.index(b"AWS_SECRET_ACCESS_KEY") + 1] == b"hush"
    assert b"--die-with-parent" in options
    assert options[options.index(b"--seccomp") + 1] == str(10 + passed.index(b"filter") + 1).encode()


@pytest.mark.parametrize("is_image", [False, True])
def test_names_are_resolved_where_the_view_says_and_else_as_on_the_machine(tmp_path: Path, is_image: bool) -> None:
    (tmp_path / "tree").mkdir()
    image_root = tmp_path / "tree" if is_image else None

    def found(resolv_conf: str | None) -> str:
        steps = mount_steps(view_of(tmp_path, image_root=image_root, resolv_conf=resolv_conf))
        return next(detail for _, target, detail in steps if target == "/etc/resolv.conf")

    machine = Path("/etc/resolv.conf")
    assert found(None) == (machine.read_text() if machine.exists() else "")
    assert found("nameserver 169.254.169.253\n") == "nameserver 169.254.169.253\n"
