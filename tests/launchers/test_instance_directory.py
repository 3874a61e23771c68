import multiprocessing
import os
from pathlib import Path

from paddock.launchers.instance_directory import InstanceDirectory


def claims(path: Path) -> bool:
    """In a process of its own, which ends at once."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(InstanceDirectory.claim, (InstanceDirectory(path),))


def test_a_directory_is_held_by_whoever_claims_it_and_claimed_once(tmp_path: Path) -> None:
    directory = InstanceDirectory(tmp_path)
    assert not directory.is_held()
    assert directory.process() is None

    assert directory.claim()
    assert directory.is_held()
    recorded = directory.process()
    assert recorded is not None
    assert recorded.pid == os.getpid()
    assert recorded.lives
    assert not directory.claim()


def test_an_instance_whose_process_is_gone_never_runs_again(tmp_path: Path) -> None:
    assert claims(tmp_path)
    directory = InstanceDirectory(tmp_path)
    recorded = directory.process()
    assert recorded is not None
    assert not recorded.lives
    assert not directory.is_held()
    assert not directory.claim()


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    (tmp_path / "process").write_text("not a number")
    assert InstanceDirectory(tmp_path).process() is None


def test_what_is_listed_is_removed_innermost_first(tmp_path: Path) -> None:
    directory = InstanceDirectory(tmp_path)
    directory.remove_cgroups()
    outer = tmp_path / "cpu"
    (outer / "env-1").mkdir(parents=True)
    directory.cgroups.write_text(f"{outer}\n")
    directory.remove_cgroups()
    assert not outer.exists()


def test_processes_in_its_cgroups_are_its_own(tmp_path: Path) -> None:
    directory = InstanceDirectory(tmp_path)
    group = tmp_path / "memory/env-1"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("4194305\n")
    directory.cgroups.write_text(f"{tmp_path / 'memory'}\n")
    assert directory.living(tmp_path / "sockets") == [4194305]
