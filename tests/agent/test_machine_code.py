"""The functions in here are for a machine that this one is not, whatever this one is."""

from pathlib import Path, PurePath

import pytest

from paddock.agent.machine_code import require_machine, require_runnable
from paddock.agent.runtime_commands import InstalledRuntimes
from paddock.agent.runtime_process import CannotStart
from paddock.runtimes import RuntimeStore, machine_architecture
from tests.agent.instances import PLAIN, played_instance
from tests.agent.server_side import environment_spec, zip_of
from tests.agent.test_real_runtimes import CACHE

MACHINES = {"x86_64": 62, "arm64": 183, "machine 243": 243}
TASK, OPT = PurePath("/var/task"), PurePath("/opt")
HANDLER = "def handler(event, context): return 'here'"


def elf(architecture: str, *, big_endian: bool = False) -> bytes:
    order = b"\2" if big_endian else b"\1"
    number = MACHINES[architecture].to_bytes(2, "big" if big_endian else "little")
    return b"\x7fELF\2" + order + b"\1" * 10 + b"\0\3" + number + b"rest of it"


def laid_out(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.mark.parametrize(
    "files",
    [
        {"app.py": b"pass", "lib/data.bin": b"\x7fELF"},
        {"short": b"\x7fELF\2\1\1"},
        {"lib/native.so": elf("x86_64")},
        {"prebuilds/linux-arm64/addon.node": elf("arm64"), "prebuilds/linux-x64/addon.node": elf("x86_64")},
    ],
)
def test_what_this_machine_can_run_is_run_with_a_note(tmp_path: Path, files: dict[str, bytes]) -> None:
    note = require_runnable({TASK: laid_out(tmp_path, files)}, "arm64", "x86_64")

    assert note == "The function is for arm64; it runs on x86_64, because nothing in it is bound to arm64."


@pytest.mark.parametrize("wanted", ["", "x86_64"])
def test_what_is_for_this_machine_is_not_looked_into(tmp_path: Path, wanted: str) -> None:
    assert require_runnable({TASK: laid_out(tmp_path, {"bootstrap": elf("arm64")})}, wanted, "x86_64") == ""


@pytest.mark.parametrize(
    "content", [elf("arm64"), elf("machine 243"), elf("arm64", big_endian=True)], ids=["arm64", "riscv", "big-endian"]
)
def test_machine_code_for_another_machine_alone_is_refused(tmp_path: Path, content: bytes) -> None:
    roots = {
        TASK: laid_out(tmp_path / "task", {"app.py": b"pass"}),
        OPT: laid_out(tmp_path / "opt", {"lib/native.so": content}),
    }
    with pytest.raises(CannotStart) as raised:
        require_runnable(roots, "arm64", "x86_64")
    assert raised.value.error_type == "Runtime.InvalidEntrypoint"
    assert raised.value.text == (
        "The function is for arm64, this machine is x86_64, and /opt/lib/native.so cannot run on it. Build the "
        "function for x86_64, or run it on a machine of arm64."
    )


def test_links_are_not_followed(tmp_path: Path) -> None:
    laid_out(tmp_path / "elsewhere", {"native.so": elf("arm64")})
    task = laid_out(tmp_path / "task", {"app.py": b"pass"})
    (task / "link").symlink_to(tmp_path / "elsewhere")
    (task / "file").symlink_to(tmp_path / "elsewhere/native.so")

    assert require_runnable({TASK: task}, "arm64", "x86_64")


def test_an_image_for_another_machine_is_refused() -> None:
    require_machine("", "x86_64")
    require_machine("x86_64", "x86_64")
    with pytest.raises(CannotStart, match="The image is for arm64, and this machine is x86_64") as raised:
        require_machine("arm64", "x86_64")
    assert raised.value.error_type == "Runtime.InvalidEntrypoint"


OTHER = "arm64" if machine_architecture() == "x86_64" else "x86_64"


@pytest.mark.parametrize("bootstrap", [elf(OTHER), b"echo without a first line"], ids=["other machine", "no script"])
async def test_a_bootstrap_that_this_machine_cannot_execute_says_what_it_is_not(bootstrap: bytes) -> None:
    """The function says that it is for this machine."""
    async with played_instance(isolation=PLAIN) as instance:
        runtimes = InstalledRuntimes(CACHE, "us-east-1", strict=False, aws_layout=False)
        object.__setattr__(instance.agent._facilities, "runtimes", runtimes)
        server = instance.server
        package = server.keep(zip_of({"bootstrap": bootstrap}, executable=("bootstrap",)))
        spec = environment_spec(package, architecture=machine_architecture())
        server.configure(spec)

        failure = (await server.phase(spec, "ended")).failure

        assert failure is not None
        assert failure.reason_code == "FunctionError.InvalidEntryPoint"
        assert "neither a program for this machine nor a script" in failure.text


@pytest.mark.parametrize("native", [False, True])
async def test_an_environment_for_another_machine_runs_or_says_why_not(native: bool) -> None:
    RuntimeStore(CACHE).ensure("python3.13")
    async with played_instance() as instance:
        runtimes = InstalledRuntimes(CACHE, "us-east-1", strict=False, aws_layout=False)
        object.__setattr__(instance.agent._facilities, "runtimes", runtimes)
        server = instance.server
        files: dict[str, bytes | str] = {"app.py": HANDLER, **({"native.so": elf(OTHER)} if native else {})}
        spec = environment_spec(server.package(files), runtime="python3.13", architecture=OTHER)
        server.configure(spec)

        report = await server.phase(spec, "ended" if native else "ready")

        if native:
            assert report.failure is not None
            assert report.failure.reason_code == "FunctionError.InvalidEntryPoint"
            assert "/var/task/native.so cannot run on it" in report.failure.text
        else:
            assert f"runs on {machine_architecture()}" in report.runtime_note
            _, body = await server.invoke(spec).result()
            assert body == b'"here"'
