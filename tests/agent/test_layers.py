import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.agent import code_store, layers
from paddock.agent.layers import merge
from paddock.agent.packages import PackageRefused, remove_tree, unpack
from tests.agent.instances import eventually, played_instance
from tests.agent.server_side import environment_spec, zip_of
from tests.agent.test_packages import packed

DIRECTORY, FILE, LINK = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    remove_tree(tmp_path)


def merged(place: Path, *archives: bytes) -> Path:
    unpacked = []
    for number, archive in enumerate(archives):
        file = place / f"{number}.zip"
        file.write_bytes(archive)
        unpack(file, place / str(number))
        unpacked.append(place / str(number))
    merge(unpacked, place / "opt")
    return place / "opt"


def test_directories_are_joined_and_a_later_file_wins(place: Path) -> None:
    opt = merged(
        place,
        zip_of({"python/a.py": "first", "python/b.py": "first", "bin/tool": "1"}, executable=("bin/tool",)),
        zip_of({"python/b.py": "second", "python/c.py": "second"}),
    )

    found = {str(path.relative_to(opt)): path.read_text() for path in opt.rglob("*") if path.is_file()}
    assert found == {"python/a.py": "first", "python/b.py": "second", "python/c.py": "second", "bin/tool": "1"}
    assert os.access(opt / "bin/tool", os.X_OK)


def test_files_are_shared_and_cannot_be_written(place: Path) -> None:
    opt = merged(place, zip_of({"big": "x"}), zip_of({"d/other": "y"}))

    assert (opt / "big").samefile(place / "0" / "big")
    assert stat.S_IMODE((opt / "big").stat().st_mode) == 0o444
    assert stat.S_IMODE((opt / "d").stat().st_mode) == stat.S_IMODE(opt.stat().st_mode) == 0o555
    remove_tree(opt)
    assert (place / "0" / "big").read_text() == "x"


def test_a_later_file_takes_the_place_of_a_directory_and_the_other_way_round(place: Path) -> None:
    opt = merged(place, zip_of({"a/x": "1", "b": "1"}), zip_of({"a": "2", "b/x": "2"}))

    assert (opt / "a").read_text() == (opt / "b/x").read_text() == "2"


def test_a_link_of_an_earlier_layer_does_not_redirect_a_later_one(place: Path) -> None:
    opt = merged(place, packed(("real/x", b"1", FILE), ("link", b"real", LINK)), zip_of({"link/x": "2"}))

    assert (opt / "real/x").read_text() == "1"
    assert (opt / "link/x").read_text() == "2"
    assert not (opt / "link").is_symlink()


def test_links_are_kept(place: Path) -> None:
    opt = merged(place, packed(("lib/so.1", b"elf", FILE), ("lib/so", b"so.1", LINK)), zip_of({"a": ""}))

    assert str((opt / "lib/so").readlink()) == "so.1"


def test_a_link_that_leads_out_only_over_another_layer_is_refused(place: Path) -> None:
    """In the first layer `deep` is a link, from which two steps up stay inside."""
    first = packed(("a/b/x", b"1", FILE), ("deep", b"a/b", LINK), ("link", b"deep/../../x", LINK))
    with pytest.raises(PackageRefused, match="leads out"):
        merged(place, first, packed(("deep/", b"", DIRECTORY), ("x", b"", FILE)))

    assert not (place / "opt").exists()
    assert not list(place.glob("*.building"))


def test_layers_beyond_the_quota_together_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "MAX_PACKAGE_BYTES", 1000)
    with pytest.raises(PackageRefused, match="available size of 1000 bytes"):
        merged(place, zip_of({"a": "x" * 600}), zip_of({"a": "x" * 600}))


def test_more_entries_together_than_an_instance_should_hold_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "MAX_PACKAGE_ENTRIES", 3)
    with pytest.raises(PackageRefused, match="more than 3 entries"):
        merged(place, zip_of({"a": "", "b": ""}), zip_of({"c": "", "d": ""}))


def test_deep_directories_are_merged(place: Path) -> None:
    deep = "/".join(["d"] * 300)

    assert (merged(place, zip_of({f"{deep}/a": "1"}), zip_of({f"{deep}/b": "2"})) / deep / "a").read_text() == "1"


names = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@given(st.lists(st.dictionaries(names, st.sampled_from("12345"), max_size=4), min_size=1, max_size=4))
def test_what_is_found_is_what_unpacking_one_after_the_other_leaves(
    tmp_path_factory: pytest.TempPathFactory, contents: list[Mapping[str, str]]
) -> None:
    place = tmp_path_factory.mktemp("layers")
    expected: dict[str, str] = {}
    sources = []
    for number, files in enumerate(contents):
        source = place / str(number)
        source.mkdir()
        for name, text in files.items():
            path = source / name
            if any(part.is_file() for part in (path, *path.parents)) or path.is_dir():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            hidden = [old for old in expected if old.startswith(f"{name}/") or name.startswith(f"{old}/")]
            for old in hidden:
                del expected[old]
            expected[name] = text
        sources.append(source)

    merge(sources, place / "opt")

    opt = place / "opt"
    assert {str(path.relative_to(opt)): path.read_text() for path in opt.rglob("*") if path.is_file()} == expected
    remove_tree(place)


async def test_environments_with_the_same_layers_share_one_directory() -> None:
    async with played_instance() as instance:
        server = instance.server
        code = server.package({"app.py": "pass"})
        first, second = server.package({"python/a.py": "1"}), server.package({"python/a.py": "2"})
        specs = [
            environment_spec(code, environment_id=name, layers=order)
            for name, order in {
                "env-1": (first, second),
                "env-2": (first, second),
                "env-3": (second, first),
                "env-4": (first,),
                "env-5": (),
            }.items()
        ]
        server.configure(*specs)
        await eventually(lambda: len(instance.runtimes.invitations) == len(specs))
        roots = [instance.runtimes.invitations[spec.environment_id].opt_root for spec in specs]

        assert roots[0] == roots[1] != roots[2]
        assert [root and (root / "python/a.py").read_text() for root in roots] == ["2", "2", "1", "1", None]


async def test_layers_that_nobody_has_any_more_are_removed() -> None:
    async with played_instance() as instance:
        server = instance.server
        code = server.package({"app.py": "pass"})
        first, second = server.package({"python/a.py": "1"}), server.package({"python/a.py": "2"})
        stays = environment_spec(code, environment_id="env-1", layers=(first,))
        goes = environment_spec(code, environment_id="env-2", layers=(first, second))
        server.configure(stays, goes)
        await eventually(lambda: len(instance.runtimes.invitations) == 2)
        kept = instance.runtimes.invitations["env-1"].opt_root
        merged_root = instance.runtimes.invitations["env-2"].opt_root
        assert kept is not None
        assert merged_root is not None

        server.configure(stays)

        await eventually(lambda: not merged_root.exists())
        await eventually(lambda: len(list(kept.parent.iterdir())) == 2)
        assert (kept / "python/a.py").read_text() == "1"


async def test_what_is_being_merged_when_its_environment_ends_is_removed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def merge_slowly(sources: Sequence[Path], directory: Path) -> None:
        begun.set()
        assert go_on.wait(60)
        merge(sources, directory)

    monkeypatch.setattr(code_store, "merge", merge_slowly)
    async with played_instance() as instance:
        server = instance.server
        code = server.package({"app.py": "pass"})
        spec = environment_spec(code, layers=(server.package({"a": "1"}), server.package({"b": "2"})))
        server.configure(spec)
        await eventually(begun.is_set)

        server.configure()
        go_on.set()

        await server.phase(spec, "ended")
        await eventually(lambda: not list((instance.path / "code").iterdir()))


async def test_a_layer_that_is_no_zip_fails_the_environment() -> None:
    async with played_instance() as instance:
        server = instance.server
        spec = environment_spec(server.package({"a": ""}), layers=(server.keep(b"no zip"),))
        server.configure(spec)

        ended = await server.phase(spec, "ended")

        assert ended.failure is not None
        assert ended.failure.reason_code == "InvalidZipFileException"
