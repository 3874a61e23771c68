"""The data directory: one server at a time, a private key pair, an announcement that dies with its process."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from paddock.model.errors import StartError
from paddock.ports.clock import SeededIds
from paddock.server import data_dir


def test_the_key_pair_is_made_once_and_is_private(tmp_path: Path) -> None:
    first = data_dir.key_pair(tmp_path, SeededIds(1))
    second = data_dir.key_pair(tmp_path, SeededIds(2))

    assert first == second == data_dir.existing_key_pair(tmp_path)
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600
    assert first.secret_access_key not in repr(first)


def test_a_damaged_key_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")

    with pytest.raises(StartError, match="delete it"):
        data_dir.key_pair(tmp_path, SeededIds(1))


def test_a_directory_stays_with_the_region_and_account_of_its_first_start(tmp_path: Path) -> None:
    data_dir.belongs_to(tmp_path, "us-east-1", "000000000000")
    data_dir.belongs_to(tmp_path, "us-east-1", "000000000000")

    with pytest.raises(
        StartError, match="belongs to region us-east-1 of account 000000000000, not to region eu-west-1"
    ):
        data_dir.belongs_to(tmp_path, "eu-west-1", "000000000000")
    with pytest.raises(StartError, match="choose another --data-dir"):
        data_dir.belongs_to(tmp_path, "us-east-1", "111111111111")


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_damaged_place_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "place.json").write_text(text)

    with pytest.raises(StartError, match=r"delete it|choose another"):
        data_dir.belongs_to(tmp_path, "us-east-1", "000000000000")


def test_a_second_server_is_refused_and_told_where_the_first_is(tmp_path: Path) -> None:
    with data_dir.locked(tmp_path):
        data_dir.announce(tmp_path, data_dir.RunningServer("http://127.0.0.1:1", "us-east-1", os.getpid(), "sigv4"))
        with pytest.raises(StartError, match=r"127\.0\.0\.1:1"), data_dir.locked(tmp_path):
            pass


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    with data_dir.locked(tmp_path):
        pass
    with data_dir.locked(tmp_path):
        pass


def test_an_announcement_of_a_dead_process_counts_for_nothing(tmp_path: Path) -> None:
    no_such_process = 2**22 + 1
    data_dir.announce(tmp_path, data_dir.RunningServer("http://127.0.0.1:1", "us-east-1", no_such_process, "sigv4"))

    assert data_dir.running_server(tmp_path) is None


def test_an_unusable_directory_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartError, match="--data-dir"):
        data_dir.prepare(tmp_path / "file" / "below")
