"""A corpus of layers as their writers should not have written them, and of those as they may."""

from __future__ import annotations

import contextlib
import gzip
import os
import stat
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from paddock.images.budget import Budget
from paddock.images.compression import decompressed
from paddock.images.errors import ImageInvalid
from paddock.images.layers import UnpackedLayer, unpack_layer
from paddock.images.tree import assemble
from tests.images.building import (
    Entry,
    archive,
    device,
    digest,
    directory,
    file,
    hard_link,
    link,
    whiteout,
)

PLENTY = 64 * 1024 * 1024


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What no layer may reach."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret").write_text("untouched")
    return place


def unpack(content: bytes, place: Path, *, most_bytes: int = PLENTY, entries: int = 1000) -> UnpackedLayer:
    place.mkdir(exist_ok=True)
    return unpack_layer(iter([content]), place, digest(content), Budget(most_bytes, entries))


def assembled(tmp_path: Path, *layers: tuple[Entry, ...]) -> Path:
    unpacked = []
    for number, entries in enumerate(layers):
        place = tmp_path / f"layer-{number}"
        unpacked.append((place, unpack(archive(*entries), place)))
    root = tmp_path / "root"
    root.mkdir()
    assemble(unpacked, root)
    return root


def listed(root: Path) -> set[str]:
    """Without what every tree has."""
    found = {str(path.relative_to(root)) for path in root.rglob("*")}
    return found - {"etc", "etc/hosts", "etc/resolv.conf"}


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param((file("../escaped", "x"),), id="traversal"),
        pytest.param((file("a/../../escaped", "x"),), id="traversal-inside"),
        pytest.param((link("a", "{outside}"), file("a/escaped", "x")), id="file-beneath-a-link"),
        pytest.param((link("a", "{outside}"), directory("a/escaped")), id="directory-beneath-a-link"),
        pytest.param((link("a", ".."), file("a/escaped", "x")), id="beneath-a-link-that-leads-up"),
        pytest.param((link("a", "{outside}"), hard_link("b", "a/secret")), id="hard-link-through-a-link"),
        pytest.param((hard_link("a", "../outside/secret"), file("a", "x")), id="hard-link-up"),
        pytest.param((hard_link("a", "{outside}/secret"),), id="hard-link-to-an-absolute-path"),
        pytest.param((link("a", "{outside}/secret"), hard_link("b", "a")), id="hard-link-to-a-link"),
        pytest.param((file("a/.wh...", ""),), id="whiteout-of-dot-dot"),
        pytest.param((file("a/.wh..", ""),), id="whiteout-of-dot"),
        pytest.param((file(".wh.", ""),), id="whiteout-of-nothing"),
        pytest.param((file("a", "x"), file("a/b", "x")), id="beneath-a-file"),
        pytest.param((directory("a"), link("a", "{outside}")), id="directory-turns-into-a-link"),
        pytest.param((file("n" * 256, "x"),), id="name-too-long"),
        pytest.param((file("d/" * 1100 + "f", "x"),), id="path-too-long"),
        pytest.param((device("a", tarfile.GNUTYPE_SPARSE),), id="sparse-file"),
    ],
)
def test_a_layer_that_means_harm_is_refused(entries: tuple[Entry, ...], tmp_path: Path, outside: Path) -> None:
    for info, _ in entries:
        info.linkname = info.linkname.replace("{outside}", str(outside))
    with pytest.raises(ImageInvalid):
        unpack(archive(*entries), tmp_path / "layer")
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "untouched"
    assert not list(tmp_path.rglob("escaped"))


def test_a_link_that_is_replaced_is_not_written_through(tmp_path: Path, outside: Path) -> None:
    unpack(archive(link("a", str(outside / "secret")), file("a", "mine")), tmp_path / "layer")
    assert (tmp_path / "layer" / "a").read_text() == "mine"
    assert (outside / "secret").read_text() == "untouched"


def test_an_absolute_path_is_meant_from_the_root(tmp_path: Path) -> None:
    unpack(archive(file("/etc/x", "y")), tmp_path / "layer")
    assert (tmp_path / "layer" / "etc" / "x").read_text() == "y"


def test_devices_and_pipes_are_left_out(tmp_path: Path) -> None:
    kinds = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    unpack(archive(*(device(f"dev/{number}", kind) for number, kind in enumerate(kinds))), tmp_path / "layer")
    assert not list((tmp_path / "layer").rglob("*"))


def test_nothing_can_become_another_user(tmp_path: Path) -> None:
    unpack(archive(file("su", "x", mode=0o6755), directory("d", mode=0o7777)), tmp_path / "layer")
    for name in ("su", "d"):
        mode = (tmp_path / "layer" / name).stat().st_mode
        assert not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX)


def test_modes_times_links_and_long_names_are_kept(tmp_path: Path) -> None:
    long_name = "/".join(["long" * 20] * 4)
    for archive_format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        place = tmp_path / f"layer-{archive_format}"
        content = archive(
            file("run", "x", mode=0o755),
            file(long_name, "deep"),
            link("l", "../anywhere/" + "t" * 150),
            file("ümlaut", "x"),
            hard_link("again", "run"),
            archive_format=archive_format,
        )
        unpack(content, place)
        assert stat.S_IMODE((place / "run").stat().st_mode) == 0o755
        assert (place / "run").stat().st_mtime == 1_600_000_000
        assert (place / long_name).read_text() == "deep"
        assert str((place / "l").readlink()) == "../anywhere/" + "t" * 150
        assert (place / "again").samefile(place / "run")
        assert (place / "ümlaut").exists()


def test_a_bomb_ends_at_its_bound(tmp_path: Path) -> None:
    zeros = archive(file("zeros", bytes(8 * 1024 * 1024)))
    with pytest.raises(ImageInvalid, match="larger than allowed"):
        unpack_layer(decompressed([gzip.compress(zeros)]), tmp_path, digest(zeros), Budget(1024 * 1024, 100))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) <= 2 * 1024 * 1024


def test_the_bound_is_for_all_layers_together(tmp_path: Path) -> None:
    content = archive(file("a", bytes(1024)))
    budget = Budget(2 * len(content) - 1, 1000)
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
    unpack_layer(iter([content]), tmp_path / "1", digest(content), budget)
    with pytest.raises(ImageInvalid):
        unpack_layer(iter([content]), tmp_path / "2", digest(content), budget)


def test_zeros_after_the_end_count_too(tmp_path: Path) -> None:
    content = archive(file("a"))
    with pytest.raises(ImageInvalid):
        unpack_layer(iter([content, *[bytes(65536)] * 1000]), tmp_path, digest(content), Budget(1024 * 1024, 10))


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageInvalid, match="more files"):
        unpack(archive(*(file(f"f{number}") for number in range(11))), tmp_path / "layer", entries=10)


def test_an_extended_header_cannot_ask_for_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40
    with pytest.raises(ImageInvalid, match="extended header"):
        unpack(header.tobuf(tarfile.GNU_FORMAT), tmp_path / "layer")


def test_a_layer_with_another_digest_is_refused(tmp_path: Path) -> None:
    content = archive(file("a"))
    with pytest.raises(ImageInvalid, match="digest"):
        unpack_layer(iter([content]), tmp_path, digest(b"other"), Budget(PLENTY, 100))


@pytest.mark.parametrize("cut", [100, 513, 700])
def test_a_layer_that_ends_early_is_refused(cut: int, tmp_path: Path) -> None:
    content = archive(file("a", "x" * 2000))
    with pytest.raises(ImageInvalid):
        unpack(content[:cut], tmp_path / "layer")


@settings(max_examples=150, deadline=None)
@given(
    noise=st.binary(max_size=600),
    at=st.integers(0, 2000),
    cut=st.integers(0, 4000),
)
def test_any_damage_is_refused_or_harmless(
    noise: bytes, at: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("damaged") / "layer"
    content = bytearray(archive(file("a/b", "x" * 600), link("c", "a"), hard_link("d", "a/b")))
    content[at : at + len(noise)] = noise
    damaged = bytes(content[: len(content) - cut])
    with contextlib.suppress(ImageInvalid):
        unpack(damaged, place)
    assert {path.name for path in place.parent.iterdir()} == {"layer"}


@settings(max_examples=100, deadline=None)
@given(noise=st.binary(min_size=1, max_size=200), at=st.integers(0, 300))
def test_damaged_compression_is_refused_or_read(noise: bytes, at: int) -> None:
    content = bytearray(gzip.compress(os.urandom(200)))
    content[at : at + len(noise)] = noise
    with contextlib.suppress(ImageInvalid):
        b"".join(decompressed([bytes(content)]))


def test_compression_is_told_by_content() -> None:
    content = archive(file("a", os.urandom(300_000)), file("zeros", bytes(3_000_000)))
    packed = gzip.compress(content)
    several = gzip.compress(content[:1000]) + gzip.compress(content[1000:])
    for given_bytes in (content, packed, several):
        pieces = [given_bytes[at : at + 7777] for at in range(0, len(given_bytes), 7777)]
        assert b"".join(decompressed(pieces)) == content
    with pytest.raises(ImageInvalid, match="too early"):
        b"".join(decompressed([packed[:-20]]))


def test_zstandard_is_read() -> None:
    content = archive(file("a", os.urandom(300_000)))
    packed = zstandard.ZstdCompressor().compress(content)
    assert b"".join(decompressed([packed[:3], packed[3:70_000], packed[70_000:]])) == content
    with pytest.raises(ImageInvalid):
        b"".join(decompressed([packed[:4], b"\xff" * 100]))


# Layers over each other


def test_a_higher_layer_takes_away_and_replaces(tmp_path: Path) -> None:
    root = assembled(
        tmp_path,
        (file("a", "low"), file("b", "low"), file("d/x", "low"), file("d/y", "low"), file("o/1"), file("o/2/3")),
        (whiteout("a"), file("b", "high"), whiteout("d/x"), file("o/.wh..wh..opq"), file("o/new")),
    )
    assert listed(root) == {"b", "d", "d/y", "o", "o/new"}
    assert (root / "b").read_text() == "high"


def test_a_whiteout_takes_a_whole_directory(tmp_path: Path) -> None:
    root = assembled(tmp_path, (file("d/e/f"), file("g")), (whiteout("d"),))
    assert listed(root) == {"g"}


def test_what_is_taken_away_may_come_back_in_the_same_layer(tmp_path: Path) -> None:
    root = assembled(tmp_path, (file("d/old"),), (whiteout("d"), file("d/new")))
    assert listed(root) == {"d", "d/new"}


def test_kinds_may_change_between_layers(tmp_path: Path) -> None:
    root = assembled(
        tmp_path,
        (file("a", "x"), directory("b"), file("b/in"), link("c", "b"), link("e", "b")),
        (directory("a"), link("b", "a"), file("c/in", "mine"), file("e", "plain")),
    )
    assert (root / "a").is_dir()
    assert (root / "b").is_symlink()
    assert (root / "c" / "in").read_text() == "mine"
    assert not (root / "c").is_symlink()
    assert (root / "e").read_text() == "plain"


def test_a_whiteout_behind_a_link_reaches_nothing(tmp_path: Path, outside: Path) -> None:
    root = assembled(tmp_path, (link("a", str(outside)),), (file("x"), whiteout("a/secret")))
    assert (outside / "secret").read_text() == "untouched"
    assert not (root / "a").is_symlink()


def test_an_opaque_link_hides_nothing_outside(tmp_path: Path, outside: Path) -> None:
    assembled(tmp_path, (link("a", str(outside)),), (file("a/.wh..wh..opq"),))
    assert (outside / "secret").read_text() == "untouched"


def test_a_directory_that_no_entry_names_keeps_the_mode_below(tmp_path: Path) -> None:
    root = assembled(tmp_path, (directory("d", 0o711),), (file("d/f"),), (directory("e", 0o711),), (directory("e"),))
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o711
    assert stat.S_IMODE((root / "e").stat().st_mode) == 0o755


@pytest.mark.parametrize("entries", [(), (link("etc", "/"),), (file("etc"),), (link("etc/hosts", "/etc/passwd"),)])
def test_a_tree_has_the_files_that_the_environment_covers(entries: tuple[Entry, ...], tmp_path: Path) -> None:
    root = assembled(tmp_path, entries)
    for name in ("hosts", "resolv.conf"):
        place = root / "etc" / name
        assert place.is_file()
        assert not place.is_symlink()
        assert not (root / "etc").is_symlink()
        assert place.stat().st_nlink == 1
