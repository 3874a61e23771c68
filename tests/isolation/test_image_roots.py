"""An environment whose root is the tree of an image: what it sees, and that it gets no further."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from paddock.images.budget import Budget
from paddock.images.compression import decompressed
from paddock.images.layers import unpack_layer
from paddock.images.tree import assemble
from paddock.isolation.filesystem import mount_steps
from paddock.isolation.view import EnvironmentView, LaunchFailed, Program
from tests.images.building import Entry, archive, digest, directory, file, link
from tests.images.machine_images import shell_layer
from tests.isolation.enclosed import Enclosure
from tests.isolation.views import view_of

PLENTY = 1 << 30


def tree_of(place: Path, *layers: bytes) -> Path:
    unpacked = []
    for number, content in enumerate(layers):
        target = place / f"layer-{number}"
        target.mkdir(parents=True)
        unpacked.append(
            (target, unpack_layer(decompressed([content]), target, digest(content), Budget(PLENTY, 10_000)))
        )
    root = place / "root"
    root.mkdir()
    assemble(unpacked, root)
    return root


def image_view(enclosure: Enclosure, *entries: Entry) -> EnvironmentView:
    view = enclosure.view("")
    root = tree_of(enclosure.directory / f"{view.environment_id}-image", shell_layer(), archive(*entries))
    return replace(view, image_root=root, opt_root=None, readable_paths=())


def said_inside(enclosure: Enclosure, view: EnvironmentView, script: str) -> str:
    program = Program(("/bin/sh", "-c", textwrap.dedent(script)), {"PATH": "/bin"}, PurePath("/"))
    ended = enclosure.start("", view=view, program=program).ended()
    assert ended.status == 0, ended.said
    return ended.said


def test_an_image_is_all_that_is_seen(in_own_namespaces: Enclosure) -> None:
    view = image_view(in_own_namespaces, file("srv/data", "mine"), link("also", "srv/data"))
    names = said_inside(in_own_namespaces, view, "ls /").split()
    assert {"bin", "srv", "also", "proc", "dev", "tmp", "sys", "etc"} <= set(names)
    assert not {"home", "root", "boot", "usr"} & set(names) - _own_names(view)
    assert said_inside(in_own_namespaces, view, "cat /srv/data /also") == "minemine"


def _own_names(view: EnvironmentView) -> set[str]:
    assert view.image_root is not None
    return {path.name for path in view.image_root.iterdir()}


def test_nothing_of_an_image_can_be_changed(in_own_namespaces: Enclosure) -> None:
    view = image_view(in_own_namespaces, file("srv/data", "mine", mode=0o666), directory("open", 0o777))
    script = """
        for place in /srv/data /open/new /new /etc/hosts /etc/resolv.conf /bin/sh /run/new /sys/new; do
            (echo x > $place) 2>/dev/null && echo escaped $place
        done
        echo x > /tmp/new && cat /tmp/new
    """
    said = said_inside(in_own_namespaces, view, script)
    assert "escaped" not in said
    assert said.endswith("x\n")
    assert view.image_root is not None
    assert (view.image_root / "srv" / "data").read_text() == "mine"


def test_the_environments_own_files_lie_over_those_of_the_image(in_own_namespaces: Enclosure) -> None:
    view = image_view(in_own_namespaces, file("etc/hosts", "of the image"), file("etc/resolv.conf", "of the image"))
    said = said_inside(in_own_namespaces, view, "cat /etc/hosts /etc/resolv.conf")
    assert "sandbox.localdomain" in said
    assert "of the image" not in said


@pytest.mark.parametrize(
    "entry",
    [
        link("etc", "{outside}"),
        link("tmp", "{outside}"),
        link("proc", "{outside}"),
        link("dev", "{outside}"),
        link("sys", "{outside}"),
        link("run", "{outside}"),
        link("etc/hosts", "{outside}/secret"),
        link("etc/resolv.conf", "{outside}/secret"),
        link("srv", "{outside}"),
        file("proc", "a file"),
    ],
    ids=lambda entry: f"{entry[0].name}-{entry[0].type.decode()}",
)
def test_links_in_places_of_the_environment_lead_nowhere(
    entry: Entry, in_own_namespaces: Enclosure, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("the machine's")
    info, body = entry
    led = link(info.name, info.linkname.replace("{outside}", str(outside))) if info.issym() else (info, body)
    view = image_view(in_own_namespaces, led) if info.name.startswith("etc/") else None
    if view is None:
        plain = in_own_namespaces.view("")
        layers = (shell_layer(), archive(led))
        root = tree_of(in_own_namespaces.directory / f"{plain.environment_id}-image", *layers)
        view = replace(plain, image_root=root, opt_root=None, readable_paths=())
    script = (
        f"cat {outside}/secret /srv/secret /etc/secret /etc/hosts 2>/dev/null; ls /proc/self >/dev/null && echo done"
    )
    said = said_inside(in_own_namespaces, view, script)
    assert "the machine's" not in said
    assert said.endswith("done\n")
    assert (outside / "secret").read_text() == "the machine's"
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_set_user_id_programs_and_devices_of_an_image_are_none(in_own_namespaces: Enclosure) -> None:
    view = image_view(in_own_namespaces, file("su", "#!/bin/sh\nid -u\n", mode=0o6755))
    assert said_inside(in_own_namespaces, view, "/su; ls -l /dev | cat").splitlines()[0] == "993"


def test_a_program_that_is_not_there_is_the_functions_fault(in_own_namespaces: Enclosure) -> None:
    view = image_view(in_own_namespaces)
    for program, stage in (
        (Program(("/absent",), {}, PurePath("/")), "entry point"),
        (Program(("/bin/sh",), {}, PurePath("/absent")), "working directory"),
    ):
        if "bubblewrap" in in_own_namespaces.isolation.way.layers:
            assert in_own_namespaces.start("", view=view, program=program).ended().status != 0
            continue
        with pytest.raises(LaunchFailed) as failed:
            in_own_namespaces.start("", view=view, program=program)
        assert failed.value.stage == stage


def test_a_package_sees_what_it_saw_before(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    steps = mount_steps(view)
    assert ("read-only", "/usr", "/usr") in steps
    assert not [kind for kind, _, _ in steps if kind == "cover"]
    (tmp_path / "image" / "bin").mkdir(parents=True)
    of_image = mount_steps(replace(view, image_root=tmp_path / "image"))
    assert ("read-only", "/bin", str(tmp_path / "image" / "bin")) in of_image
    assert not [source for _, _, source in of_image if source in ("/usr", "/lib", str(view.task_root))]
