import io
import stat
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.agent import packages
from paddock.agent.packages import PackageRefused, remove_package, remove_tree, unpack
from tests.agent.server_side import zip_of

Entry = tuple[str, bytes, int]
"""Name, content, mode with its file type."""


def packed(*entries: Entry) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as package:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            package.writestr(entry, content)
    return written.getvalue()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "code"
    remove_tree(tmp_path / "code")


def unpacked(content: bytes, place: Path) -> Path:
    archive = place.with_suffix(".zip")
    archive.write_bytes(content)
    unpack(archive, place)
    return place


def refused(content: bytes, place: Path) -> str:
    with pytest.raises(PackageRefused) as raised:
        unpacked(content, place)
    assert not place.exists()
    assert [path.name for path in place.parent.iterdir()] == ["code.zip"], "nothing is left behind"
    return str(raised.value)


def test_files_are_unpacked_with_their_executable_bits_and_cannot_be_written(place: Path) -> None:
    code = unpacked(zip_of({"bootstrap": "#!/bin/sh\n", "a/b/c.txt": "deep"}, executable=("bootstrap",)), place)

    assert (code / "a/b/c.txt").read_text() == "deep"
    assert stat.S_IMODE((code / "bootstrap").stat().st_mode) == 0o555
    assert stat.S_IMODE((code / "a/b/c.txt").stat().st_mode) == 0o444
    assert stat.S_IMODE((code / "a").stat().st_mode) == 0o555


def test_a_file_without_a_mode_is_readable(place: Path) -> None:
    code = unpacked(packed(("a", b"1", 0)), place)
    assert stat.S_IMODE((code / "a").stat().st_mode) == 0o444


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_directories_and_links_inside_are_kept(place: Path) -> None:
    code = unpacked(
        packed(
            ("lib/", b"", stat.S_IFDIR | 0o755),
            ("lib/", b"", stat.S_IFDIR | 0o755),
            ("lib/so.1", b"elf", stat.S_IFREG | 0o644),
            ("lib/so", b"so.1", stat.S_IFLNK | 0o777),
            ("top", b"lib/../lib/so", stat.S_IFLNK | 0o777),
        ),
        place,
    )
    assert (code / "lib/so").read_text() == (code / "top").read_text() == "elf"


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_contents_are_the_archives_fault(compression: int, place: Path) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as package:
        package.writestr("a", "x" * 1000)
    content = written.getvalue()
    data_at, end = 30 + len("a"), content.index(b"PK\x01\x02")

    text = refused(content[:data_at] + b"\xff" * (end - data_at) + content[end:], place)

    assert text.startswith("Could not unzip the deployment package: ")
    assert "None" not in text


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a\\..\\x", ".."])
def test_a_path_that_leads_out_is_refused(place: Path, name: str) -> None:
    assert "leads out" in refused(packed((name, b"1", stat.S_IFREG | 0o644)), place)


@pytest.mark.parametrize("target", [b"/etc/passwd", b"../x", b"a/../../x", b"", b"\xff", b"a\0b"])
def test_a_link_that_leads_out_is_refused(place: Path, target: bytes) -> None:
    refused(packed(("a/", b"", stat.S_IFDIR | 0o755), ("link", target, stat.S_IFLNK | 0o777)), place)


def test_links_that_lead_out_together_are_refused(place: Path) -> None:
    """Each by itself stays inside by its letters."""
    text = refused(
        packed(
            ("a/x", b"1", stat.S_IFREG | 0o644),
            ("a/up", b"..", stat.S_IFLNK | 0o777),
            ("out", b"a/up/../x", stat.S_IFLNK | 0o777),
        ),
        place,
    )
    assert "leads out" in text


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_special_files_are_refused(place: Path, kind: int) -> None:
    assert "special file" in refused(packed(("x", b"", kind | 0o666)), place)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("x", "x"), ("x", "x/y"), ("x/y", "x")])
def test_a_path_named_twice_is_refused(place: Path, names: tuple[str, str]) -> None:
    text = refused(packed(*((name, b"1", stat.S_IFREG | 0o644) for name in names)), place)
    assert "twice" in text


def test_a_link_does_not_redirect_a_file_of_the_same_package(place: Path, tmp_path: Path) -> None:
    entries: list[Entry] = [("d", b"..", stat.S_IFLNK | 0o777), ("d/x", b"1", stat.S_IFREG | 0o644)]
    refused(packed(*entries), place)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip", zip_of({"a": "1"})[:-10]])
def test_what_is_no_zip_is_refused(place: Path, content: bytes) -> None:
    assert "Could not unzip" in refused(content, place)


def test_a_damaged_file_is_refused(place: Path) -> None:
    content = bytearray(packed(("a", b"abcdefgh", stat.S_IFREG | 0o644)))
    content[content.index(b"abcdefgh")] ^= 0xFF
    assert "Could not unzip" in refused(bytes(content), place)


def test_more_than_the_quota_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_PACKAGE_BYTES", 1000)
    assert "smaller than 1000 bytes" in refused(zip_of({"a": b"x" * 600, "b": b"x" * 600}), place)


def test_an_archive_that_lies_about_its_sizes_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_PACKAGE_BYTES", 1000)
    content = bytearray(zip_of({"a": b"\0" * 1_000_000}))
    directory = content.index(b"PK\x01\x02")
    for at in (22, directory + 24):
        content[at : at + 4] = (900).to_bytes(4, "little")
    refused(bytes(content), place)


def test_too_many_entries_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MAX_PACKAGE_ENTRIES", 2)
    assert "more than 2 entries" in refused(zip_of({"a": "", "b": "", "c": ""}), place)


def test_an_encrypted_entry_is_refused(place: Path) -> None:
    content = bytearray(packed(("a", b"1", stat.S_IFREG | 0o644)))
    directory = content.index(b"PK\x01\x02")
    content[6] |= 1
    content[directory + 8] |= 1
    assert "encrypted" in refused(bytes(content), place)


def test_setuid_bits_are_dropped(place: Path) -> None:
    code = unpacked(packed(("a", b"1", stat.S_IFREG | 0o6755)), place)
    assert (code / "a").stat().st_mode & 0o7000 == 0


def test_two_that_unpack_the_same_package_do_not_disturb_each_other(place: Path) -> None:
    archive = place.with_suffix(".zip")
    archive.write_bytes(zip_of({f"d{number}/f": b"x" * 1000 for number in range(300)}))
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(unpack, archive, place) for _ in range(4)]:
            done.result()
    assert len(list(place.iterdir())) == 300
    assert sorted(path.name for path in place.parent.iterdir()) == ["code", "code.zip"]


def test_a_package_is_removed_although_it_cannot_be_written(place: Path) -> None:
    unpacked(zip_of({"a/b/c": "1"}), place)
    remove_package(place)
    assert not place.exists()
    remove_package(place)


@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused_and_leave_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    place = tmp_path_factory.mktemp("any") / "code"
    refused(b"PK\x03\x04" + content, place)


@given(st.data())
def test_a_zip_with_some_bytes_changed_never_writes_outside(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(zip_of({"a/b": b"hello" * 20, "c": b"x"}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    parent = tmp_path_factory.mktemp("any")
    place = parent / "code"
    try:
        unpacked(bytes(content), place)
    except PackageRefused:
        assert not place.exists()
    finally:
        assert {path.name for path in parent.iterdir()} <= {"code", "code.zip"}
        remove_tree(place)
