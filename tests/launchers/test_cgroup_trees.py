"""Where an instance's cgroups are made and what is written there, on directory trees that look like the kernel's."""

import shutil
from pathlib import Path

import pytest

from paddock.launchers.cgroups import CgroupV1, CgroupV2, CpuShare, open_cgroups

HALF = CpuShare(0.5, strict=False)
STRICT = CpuShare(1.5, strict=True)


def v1_tree(root: Path, own: str = "/") -> tuple[str, str]:
    """Mounts and own groups of a kernel of version 1."""
    lines = []
    for number, name in enumerate(["cpu,cpuacct", "memory"]):
        (root / name / own.strip("/")).mkdir(parents=True)
        lines.append(f"{30 + number} 25 0:2{number} / {root / name} rw - cgroup cgroup rw,{name}")
    return "\n".join(lines), f"2:cpu,cpuacct:{own}\n1:memory:{own}\n0::/\n"


def v2_tree(root: Path, own: str = "/session", controllers: str = "cpuset cpu io memory pids") -> tuple[str, str]:
    directory = root / own.strip("/")
    directory.mkdir(parents=True)
    (directory / "cgroup.controllers").write_text(controllers + "\n")
    (directory / "cgroup.subtree_control").write_text("cpu\n")
    return f"30 25 0:26 / {root} rw - cgroup2 cgroup2 rw", f"0::{own}\n"


def text(path: Path) -> str:
    return path.read_text()


def test_version_1_limits_memory_and_weighs_cpu(tmp_path: Path) -> None:
    instance = open_cgroups(*v1_tree(tmp_path), "paddock-i", STRICT)
    assert isinstance(instance, CgroupV1)
    assert text(tmp_path / "cpu,cpuacct/paddock-i/cpu.shares") == "6144"
    assert text(tmp_path / "cpu,cpuacct/paddock-i/cpu.cfs_period_us") == "50000"
    assert text(tmp_path / "cpu,cpuacct/paddock-i/cpu.cfs_quota_us") == "75000"

    environment = instance.child("env-1", HALF, 1 << 30)
    assert text(tmp_path / "cpu,cpuacct/paddock-i/env-1/cpu.shares") == "2048"
    assert not (tmp_path / "cpu,cpuacct/paddock-i/env-1/cpu.cfs_quota_us").exists()
    assert text(tmp_path / "memory/paddock-i/env-1/memory.limit_in_bytes") == str(1 << 30)
    assert [str(path.relative_to(tmp_path)) for path in environment.join_files] == [
        "cpu,cpuacct/paddock-i/env-1/cgroup.procs",
        "memory/paddock-i/env-1/cgroup.procs",
    ]


def test_version_1_is_read(tmp_path: Path) -> None:
    cpu, memory = tmp_path / "cpu", tmp_path / "memory"
    cpu.mkdir()
    memory.mkdir()
    (cpu / "cpuacct.usage").write_text("1500000000\n")
    (memory / "memory.usage_in_bytes").write_text("5000\n")
    (memory / "memory.stat").write_text("cache 1\ntotal_inactive_file 2000\n")
    (memory / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    (memory / "cgroup.procs").write_text("12\n34\n")
    group = CgroupV1({"cpu": cpu, "cpuacct": cpu, "memory": memory})

    assert group.cpu_seconds() == 1.5
    assert group.memory().now_bytes == 3000
    assert group.out_of_memory_kills() == 3
    assert group.pids() == [12, 34]
    assert group.directories == (cpu, memory)


def test_beside_version_1_a_tree_of_version_2_knows_the_sockets(tmp_path: Path) -> None:
    mounts, own = v1_tree(tmp_path, "/own")
    (tmp_path / "unified/own").mkdir(parents=True)
    mounts += f"\n40 25 0:30 / {tmp_path / 'unified'} rw - cgroup2 cgroup2 rw"
    instance = open_cgroups(mounts, own.replace("0::/", "0::/own"), "paddock-i", HALF)
    assert instance is not None
    assert instance.sockets == tmp_path / "unified/own/paddock-i"
    assert instance.sockets in instance.directories
    environment = instance.child("env-1", HALF, 1 << 30)
    assert environment.sockets == instance.sockets / "env-1"
    assert environment.sockets / "cgroup.procs" in environment.join_files
    assert list(environment.sockets.iterdir()) == [], "it limits nothing"


def test_of_version_1_alone_nobody_knows_sockets(tmp_path: Path) -> None:
    instance = open_cgroups(*v1_tree(tmp_path), "paddock-i", HALF)
    assert instance is not None
    assert instance.sockets is None


def test_version_2_limits_memory_and_weighs_cpu(tmp_path: Path) -> None:
    instance = open_cgroups(*v2_tree(tmp_path), "paddock-i", STRICT)
    assert isinstance(instance, CgroupV2)
    directory = tmp_path / "session/paddock-i"
    assert instance.sockets == directory
    assert text(tmp_path / "session/cgroup.subtree_control") == "+memory +pids"
    assert text(directory / "cpu.weight") == "600"
    assert text(directory / "cpu.max") == "75000 50000"

    environment = instance.child("env-1", HALF, 1 << 30)
    assert text(directory / "cgroup.subtree_control") == "+cpu +memory +pids"
    assert text(directory / "env-1/cpu.weight") == "200"
    assert text(directory / "env-1/memory.max") == str(1 << 30)
    assert text(directory / "env-1/memory.oom.group") == "1"
    assert environment.join_files == (directory / "env-1/cgroup.procs",)


def test_version_2_is_read(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    (tmp_path / "memory.current").write_text("5000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 1000\n")
    (tmp_path / "memory.events").write_text("low 0\noom 1\noom_kill 2\n")
    (tmp_path / "cgroup.procs").write_text("12\n")
    group = CgroupV2(tmp_path)

    assert group.cpu_seconds() == 2.5
    assert group.memory().now_bytes == 4000
    assert group.out_of_memory_kills() == 2
    assert group.pids() == [12]


def test_what_cannot_be_read_is_zero(tmp_path: Path) -> None:
    for group in (
        CgroupV2(tmp_path / "gone"),
        CgroupV1(dict.fromkeys(["cpu", "cpuacct", "memory"], tmp_path / "gone")),
    ):
        assert (group.cpu_seconds(), group.memory().now_bytes, group.out_of_memory_kills(), group.pids()) == (
            0,
            0,
            0,
            [],
        )
        group.remove()


@pytest.mark.parametrize(
    "mounts", ["", "30 25 0:26 / /nowhere rw - cgroup2 cgroup2 rw", "nonsense", "1 - cgroup x rw,cpu"]
)
def test_where_there_is_no_tree_of_ours_there_are_no_cgroups(mounts: str) -> None:
    assert open_cgroups(mounts, "0::/\n", "paddock-i", HALF) is None


def test_a_tree_without_the_controllers_is_of_no_use(tmp_path: Path) -> None:
    assert open_cgroups(*v2_tree(tmp_path, controllers="hugetlb"), "paddock-i", HALF) is None


def test_a_group_that_may_not_be_made_is_not_left_half_made(tmp_path: Path) -> None:
    mounts, own = v1_tree(tmp_path)
    shutil.rmtree(tmp_path / "memory")
    assert open_cgroups(mounts, own, "paddock-i", HALF) is None
    assert [path.name for path in (tmp_path / "cpu,cpuacct").iterdir()] == []


def test_the_own_group_is_found_where_a_container_sees_only_part_of_the_tree(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/cgroup.controllers").write_text("cpu memory")
    (tmp_path / "inner/cgroup.subtree_control").write_text("cpu memory")
    mounts = f"30 25 0:26 /docker/abc {tmp_path} rw - cgroup2 cgroup2 rw"
    assert open_cgroups(mounts, "0::/docker/abc/inner\n", "paddock-i", HALF) is not None
    assert (tmp_path / "inner/paddock-i").is_dir()


def test_a_removed_group_is_gone(tmp_path: Path) -> None:
    group = CgroupV2(tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    group.remove()
    assert not (tmp_path / "empty").exists()
