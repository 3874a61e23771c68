"""The kernel's mark of the most memory: taken and set back. A real group of version 1 is in `test_cgroups`."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from paddock.launchers.cgroup_peaks import PeakV1, PeakV2


def test_version_1_is_read_and_set_back(tmp_path: Path) -> None:
    mark = tmp_path / "memory.max_usage_in_bytes"
    mark.write_text("500\n")
    peak = PeakV1(tmp_path)
    assert peak.take() == 500
    # A plain file appends what the kernel takes for an order.
    assert mark.read_text() == "500\n0"
    peak.close()


def test_version_2_is_set_back_through_the_file_that_stays_open(tmp_path: Path) -> None:
    mark = tmp_path / "memory.peak"
    mark.write_text("500\n")
    peak = PeakV2(tmp_path)
    assert peak.take() == 500
    assert mark.read_text() == "000\n"
    mark.write_text("300\n")
    assert peak.take() == 300
    peak.close()


def refuse(_file: int, _data: bytes) -> int:
    """As kernels before 6.12 do."""
    raise OSError(errno.EINVAL, "Invalid argument")


@pytest.fixture
def before_6_12(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", refuse)


def test_where_the_kernel_keeps_the_mark_nobody_looks_in_between(tmp_path: Path) -> None:
    mark, current = tmp_path / "memory.peak", tmp_path / "memory.current"
    mark.write_text("500\n")
    current.write_text("900\n")
    peak = PeakV2(tmp_path)
    assert not peak.is_sampled
    peak.sample()
    mark.write_text("300\n")
    assert peak.take() == 500, "what was found out on the way is not lost"
    mark.write_text("300\n")
    assert peak.take() == 300
    peak.close()


@pytest.mark.usefixtures("before_6_12")
def test_before_linux_6_12_a_new_record_is_seen_without_any_look(tmp_path: Path) -> None:
    mark = tmp_path / "memory.peak"
    mark.write_text("500\n")
    peak = PeakV2(tmp_path)
    assert peak.is_sampled
    assert (peak.take(), peak.take()) == (500, 0)
    mark.write_text("700\n")
    assert (peak.take(), peak.take()) == (700, 0)
    peak.close()


@pytest.mark.usefixtures("before_6_12")
def test_before_linux_6_12_the_highest_look_counts_and_is_told_once(tmp_path: Path) -> None:
    mark, current = tmp_path / "memory.peak", tmp_path / "memory.current"
    mark.write_text("900\n")
    peak = PeakV2(tmp_path)
    assert peak.take() == 900
    for held in (300, 600, 200):
        current.write_text(f"{held}\n")
        peak.sample()
    assert peak.take() == 600
    assert peak.take() == 0
    current.write_text("100\n")
    peak.sample()
    assert peak.take() == 100
    peak.close()


@pytest.mark.usefixtures("before_6_12")
def test_a_record_between_two_looks_is_more_than_any_of_them(tmp_path: Path) -> None:
    mark, current = tmp_path / "memory.peak", tmp_path / "memory.current"
    mark.write_text("500\n")
    current.write_text("400\n")
    peak = PeakV2(tmp_path)
    peak.sample()
    peak.take()
    peak.sample()
    mark.write_text("800\n")
    assert peak.take() == 800
    peak.close()


def test_before_linux_5_19_there_are_the_looks_alone(tmp_path: Path) -> None:
    current = tmp_path / "memory.current"
    peak = PeakV2(tmp_path)
    assert peak.is_sampled
    for held in (300, 600, 200):
        current.write_text(f"{held}\n")
        peak.sample()
    assert (peak.take(), peak.take()) == (600, 0)
    peak.close()


def test_a_group_that_has_gone_is_not_taken_for_an_old_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.peak").write_text("500\n")
    peak = PeakV2(tmp_path)
    assert peak.take() == 500

    def gone(*_: object) -> bytes:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(os, "pread", gone)
    monkeypatch.setattr(os, "write", gone)
    assert peak.take() == 0
    assert not peak.is_sampled
    peak.close()


@pytest.mark.parametrize("kind", [PeakV1, PeakV2])
def test_a_kernel_that_keeps_no_mark_says_nothing(tmp_path: Path, kind: type[PeakV1 | PeakV2]) -> None:
    peak = kind(tmp_path)
    peak.sample()
    assert peak.take() == 0
    peak.close()
