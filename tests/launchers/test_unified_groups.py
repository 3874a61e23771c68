"""Control groups of version 2 alone, on an older kernel: what Debian 12 has, and what this machine may not have.

A user-mode Linux boots on this machine's files and runs the tests of control groups once more, by the same Python.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
KERNEL, PACKAGE = "linux.uml", "user-mode-linux"
PATIENCE_SECONDS = 540
"""It takes half a minute on a busy machine."""
INIT = f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run/home TMPDIR=/run/tests PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
chmod 1777 /dev/shm
mount -t cgroup2 groups /sys/fs/cgroup
mkdir -p $HOME $TMPDIR
ip link set lo up
cd {ROOT}
echo "booted $(uname -r) with $(cat /sys/fs/cgroup/cgroup.controllers)"
{sys.executable} -m pytest -q -rs --color=no -p no:cacheprovider --basetemp=/run/tests/base \\
    tests/launchers/test_cgroups.py tests/launchers/test_cgroup_trees.py tests/launchers/test_cgroup_peaks.py
echo "ended with $?"
echo o > /proc/sysrq-trigger
sleep 60
"""


@pytest.fixture(scope="module")
def kernel() -> str:
    if os.geteuid() != 0:
        pytest.skip("needs root: the files of this machine are the booted system's own")
    if os.environ.get("CI") and shutil.which(KERNEL) is None:
        subprocess.run(["apt-get", "update", "-qq"], check=False, timeout=300)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGE], check=False, timeout=600
        )
    found = shutil.which(KERNEL)
    if found is None:
        pytest.skip(f"needs a user-mode Linux: apt-get install {PACKAGE}")
    return found


def said_by(kernel: str, init: Path) -> str:
    arguments = [
        kernel, "mem=2G", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", f"init={init}",
        f"uml_dir={init.parent}", "con=null", "con0=fd:0,fd:1", "ssl=null", "quiet",
    ]  # fmt: skip
    with subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "HOME": str(init.parent), "TMPDIR": str(init.parent)},
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            return process.communicate(timeout=PATIENCE_SECONDS)[0]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_groups_of_version_2_hold_on_an_older_kernel(kernel: str, tmp_path: Path) -> None:
    init = tmp_path / "init"
    init.write_text(INIT)
    init.chmod(0o755)
    said = said_by(kernel, init)
    booted = re.search(r"^booted (\S+) with (.*?)\r?$", said, re.MULTILINE)
    if booted is None:
        pytest.skip(f"a user-mode Linux does not boot here: {said[-300:]}")
    assert {"cpu", "memory", "pids"} <= set(booted[2].split()), said
    assert re.search(r"^ended with 0\r?$", said, re.MULTILINE), said[-6000:]
    assert "may not make control groups" not in said
