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


def test_before_linux_6_12_only_a_new_record_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_file: int, _data: bytes) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "write", refuse)
    mark = tmp_path / "memory.peak"
    mark.write_text("500\n")
    peak = PeakV2(tmp_path)
    assert peak.take() == 500
    assert peak.take() == 0
    mark.write_text("700\n")
    assert (peak.take(), peak.take()) == (700, 0)
    peak.close()


@pytest.mark.parametrize("kind", [PeakV1, PeakV2])
def test_a_kernel_that_keeps_no_mark_says_nothing(tmp_path: Path, kind: type[PeakV1 | PeakV2]) -> None:
    peak = kind(tmp_path)
    assert peak.take() == 0
    peak.close()
