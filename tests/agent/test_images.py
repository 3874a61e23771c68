"""The images of one instance: fetched, unpacked and laid together once, refused where they are not what they say."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from paddock.agent.image_program import ImageProgram, image_program, image_workers
from paddock.agent.images import AssembledImage, ImageStore
from paddock.agent.runtime_process import CannotStart
from paddock.core.environment import RuntimeWorkers, errors
from paddock.images import limits
from paddock.images.budget import Budget
from paddock.images.documents import ImageConfiguration
from paddock.images.layers import UnpackedLayer, unpack_layer
from paddock.images.lookup import find_program, resolve_inside
from paddock.wire.agent import ImageSpec
from tests.agent.instances import eventually, played_instance
from tests.agent.server_side import environment_spec
from tests.images.building import MadeImage, archive, digest, file, image, index, link, whiteout

COMMON = archive(file("common", "c"), file("etc/hosts", "of the image"))
FIRST = image(COMMON, archive(file("mine", "1"), whiteout("common")), program={"Entrypoint": ["/run"]})
SECOND = image(COMMON, archive(file("mine", "2")))


def code_name(digest_of_blob: str) -> str:
    return base64.b64encode(bytes.fromhex(digest_of_blob.removeprefix("sha256:"))).decode()


@dataclass
class PlayedServer:
    """Answers fetches from images, in its own time."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    fails: bool = False

    def put(self, made: MadeImage) -> str:
        self.blobs |= {code_name(name): content for name, content in made.blobs.items()}
        return code_name(made.digest)

    async def fetch(self, sha256: str, place: Path, most_bytes: int, wait_seconds: float) -> None:
        self.fetched.append(sha256)
        await asyncio.sleep(0)
        if self.fails or sha256 not in self.blobs:
            raise CannotStart(errors.PLATFORM_FAILURE, "no such package")
        assert len(self.blobs[sha256]) <= most_bytes
        await asyncio.to_thread(place.write_bytes, self.blobs[sha256])


@pytest.fixture
def server() -> PlayedServer:
    return PlayedServer()


def store_of(server: PlayedServer, tmp_path: Path, idle_bytes: int = 0) -> ImageStore:
    return ImageStore(tmp_path / "images", server.fetch, idle_bytes)


def assembled(server: PlayedServer, tmp_path: Path, made: MadeImage) -> AssembledImage:
    return asyncio.run(store_of(server, tmp_path).assembled(server.put(made)))


def everything(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*")}


def test_an_image_is_one_tree_and_what_it_says(server: PlayedServer, tmp_path: Path) -> None:
    made = assembled(server, tmp_path, FIRST)
    assert everything(made.root) == {"mine", "etc", "etc/hosts", "etc/resolv.conf"}
    assert made.configuration.entry_point == ("/run",)


def test_environments_that_come_together_wait_for_one(server: PlayedServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        store, name = store_of(server, tmp_path), server.put(FIRST)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(store.assembled(name)) for _ in range(5)]
        assert len({task.result().root for task in tasks}) == 1
        assert len(server.fetched) == len(set(server.fetched)) == 4

    asyncio.run(scenario())


def test_layers_are_shared_between_images_and_stay_as_long_as_one_has_them(
    server: PlayedServer, tmp_path: Path
) -> None:
    async def scenario() -> None:
        store = store_of(server, tmp_path)
        first, second = server.put(FIRST), server.put(SECOND)
        async with asyncio.TaskGroup() as group:
            group.create_task(store.assembled(first))
            group.create_task(store.assembled(second))
        assert server.fetched.count(code_name(digest(COMMON))) == 1
        await store.discard(first, lambda name: name == first)
        await store.discard(first, lambda name: False)
        root = (await store.assembled(second)).root
        assert (root / "common").read_text() == "c"
        assert (root / "mine").read_text() == "2"
        assert len(list((tmp_path / "images" / "layers").iterdir())) == 2
        await store.discard(second, lambda name: False)
        assert everything(tmp_path / "images") == {"layers", "roots"}

    asyncio.run(scenario())


def test_an_image_that_fell_idle_is_there_when_it_comes_back(server: PlayedServer, tmp_path: Path) -> None:
    def large(number: int) -> MadeImage:
        return image(archive(file("large", bytes([number]) * 100_000)))

    async def scenario() -> None:
        store = store_of(server, tmp_path, idle_bytes=250_000)
        names = [server.put(large(number)) for number in range(4)]
        for name in names[:3]:
            await store.assembled(name)
        for name in (names[1], names[0], names[2]):
            await store.discard(name, lambda name: False)
        server.fetched.clear()
        await store.assembled(names[0])
        await store.assembled(names[2])
        assert not server.fetched
        await store.assembled(names[1])
        assert server.fetched
        assert len(list((tmp_path / "images" / "roots").iterdir())) == 3

    asyncio.run(scenario())


def test_what_failed_once_may_be_tried_again(server: PlayedServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        store, name = store_of(server, tmp_path), server.put(FIRST)
        server.fails = True
        with pytest.raises(CannotStart):
            await store.assembled(name)
        server.fails = False
        assert (await store.assembled(name)).root.is_dir()

    asyncio.run(scenario())


def test_what_was_given_up_in_the_middle_disturbs_nobody(
    server: PlayedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, released = threading.Event(), threading.Event()
    calls: list[Path] = []

    def slow_at_first(pieces: Iterator[bytes], directory: Path, diff_id: str, budget: Budget) -> UnpackedLayer:
        calls.append(directory)
        if len(calls) == 1:
            entered.set()
            released.wait(20)
        return unpack_layer(pieces, directory, diff_id, budget)

    monkeypatch.setattr("paddock.agent.images.unpack_layer", slow_at_first)

    async def scenario() -> None:
        store, name = store_of(server, tmp_path), server.put(FIRST)
        try:
            async with asyncio.TaskGroup() as group:
                given_up = group.create_task(store.assembled(name))
                await asyncio.to_thread(entered.wait, 20)
                given_up.cancel()
            root = (await store.assembled(name)).root
        finally:
            released.set()
        await eventually(lambda: not list((tmp_path / "images" / "layers").glob("*.building")))
        assert (root / "mine").read_text() == "1"
        assert len(calls) >= 3

    asyncio.run(scenario())


HOSTILE = {
    "a path that leads out": image(archive(file("../../escaped", "x"))),
    "a file beneath a link": image(archive(link("a", "/tmp"), file("a/escaped", "x"))),
    "an index": index({"amd64": FIRST}),
    "a layer that is no archive": image(b"no archive" * 100),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_image_that_means_harm_leaves_nothing(what: str, server: PlayedServer, tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as cannot:
        assembled(server, tmp_path, HOSTILE[what])
    assert cannot.value.error_type == errors.INVALID_IMAGE
    assert not [path for path in (tmp_path / "images").rglob("*") if path.name not in ("layers", "roots")]
    assert not list(tmp_path.rglob("escaped"))


def test_a_manifest_with_other_contents_is_refused(server: PlayedServer, tmp_path: Path) -> None:
    name = server.put(FIRST)
    server.blobs[name] = SECOND.manifest
    with pytest.raises(CannotStart):
        asyncio.run(store_of(server, tmp_path).assembled(name))


def test_the_bound_of_an_image_counts_layers_that_were_here_before(
    server: PlayedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = archive(file("large", bytes(100_000)))
    monkeypatch.setattr("paddock.agent.images.MAX_UNPACKED_BYTES", len(large) + 20_000)

    async def scenario() -> None:
        store = store_of(server, tmp_path)
        await store.assembled(server.put(image(large)))
        with pytest.raises(CannotStart, match="larger than allowed"):
            await store.assembled(server.put(image(large, archive(file("more", bytes(30_000))))))
        await store.assembled(server.put(image(large)))

    asyncio.run(scenario())
    assert limits.MAX_UNPACKED_BYTES == 10 * 1024**3


# What is executed


def made_of(root: Path, **said: object) -> AssembledImage:
    fields = {"entry_point": (), "command": (), "working_directory": "", "environment": (), "diff_ids": ()} | said
    return AssembledImage(root, ImageConfiguration(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (ImageSpec(), ImageProgram(("/e",), ("c",), "/w")),
        (ImageSpec(entry_point=("/x",)), ImageProgram(("/x",), ("c",), "/w")),
        (ImageSpec(command=("d", "e")), ImageProgram(("/e",), ("d", "e"), "/w")),
        (ImageSpec(working_directory="/v"), ImageProgram(("/e",), ("c",), "/v")),
    ],
)
def test_each_part_is_overridden_by_itself(spec: ImageSpec, expected: ImageProgram, tmp_path: Path) -> None:
    made = made_of(tmp_path, entry_point=("/e",), command=("c",), working_directory="/w")
    assert image_program(made, spec) == expected


def test_an_image_that_says_nothing_starts_at_the_root_and_has_no_entry_point(tmp_path: Path) -> None:
    program = image_program(made_of(tmp_path), ImageSpec())
    assert program.working_directory == "/"
    with pytest.raises(CannotStart) as cannot:
        program.argv(made_of(tmp_path), {})
    assert cannot.value.error_type == errors.INVALID_ENTRYPOINT


def test_a_program_is_found_in_the_path_of_the_image(tmp_path: Path) -> None:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "run").touch(0o755)
    (tmp_path / "usr" / "bin" / "data").touch(0o644)
    (tmp_path / "bin").symlink_to("/usr/bin")
    (tmp_path / "out").symlink_to("../../../../usr/bin")
    assert find_program(tmp_path, "run", "/absent:relative:/bin:/usr/bin") == "/bin/run"
    assert find_program(tmp_path, "run", "/out") == "/out/run"
    assert find_program(tmp_path, "data", "/usr/bin") is None
    assert find_program(tmp_path, "python3", "/usr/bin:/bin") is None
    assert find_program(tmp_path, "./run", "") == "./run"
    program = ImageProgram(("run",), ("x",), "/")
    assert program.argv(made_of(tmp_path), {"PATH": "/bin"}) == ("/bin/run", "x")


def test_links_within_an_image_are_followed_and_never_out_of_it(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.touch()
    (root / "up").symlink_to("../outside")
    (root / "absolute").symlink_to(outside)
    (root / "loop").symlink_to("loop")
    (root / "here").touch()
    (root / "there").symlink_to("/here")
    assert resolve_inside(root, "/there") == root / "here"
    assert resolve_inside(root, "/../../here") == root / "here"
    for name in ("up", "absolute", "loop", "absent"):
        assert resolve_inside(root, f"/{name}") is None


@pytest.mark.parametrize(
    ("entry_point", "command", "interpreter", "expected"),
    [
        (("/usr/local/bin/python", "-m", "awslambdaric"), ("app.handler",), "", RuntimeWorkers.OWN_CONNECTION),
        (("npx", "aws-lambda-ric"), ("app.handler",), "", RuntimeWorkers.MULTIPLEXED),
        (("/lambda-entrypoint.sh",), ("app.handler",), "python3", RuntimeWorkers.OWN_CONNECTION),
        (("/lambda-entrypoint.sh",), ("app.handler",), "node", RuntimeWorkers.MULTIPLEXED),
        (("/lambda-entrypoint.sh",), ("bootstrap",), "", RuntimeWorkers.UNKNOWN),
        (("/main",), (), "python3", RuntimeWorkers.UNKNOWN),
    ],
)
def test_the_client_is_told_by_the_entry_point_or_the_base_image(
    entry_point: tuple[str, ...], command: tuple[str, ...], interpreter: str, expected: RuntimeWorkers, tmp_path: Path
) -> None:
    if interpreter:
        (tmp_path / "var" / "lang" / "bin").mkdir(parents=True)
        (tmp_path / "var" / "lang" / "bin" / interpreter).touch()
    assert image_workers(ImageProgram(entry_point, command, "/"), tmp_path) is expected


# On an instance


def test_an_instance_without_namespaces_refuses_images_and_says_why() -> None:
    async def scenario() -> None:
        async with played_instance() as instance:
            spec = environment_spec(instance.server.package({"app.py": "pass"}), runtime="", image=ImageSpec())
            instance.server.configure(spec)
            await instance.server.phase(spec, "ended")
            await eventually(lambda: spec.environment_id in instance.server.reports)
            failure = instance.server.reports[spec.environment_id].failure
            assert failure is not None
            assert failure.error_type == errors.INVALID_RUNTIME
            assert "namespaces" in failure.text
            assert "process" in failure.text

    asyncio.run(scenario())
