"""The processes of an environment with extensions, as the agent holds them, on whatever rung of isolation it has."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path, PurePath

import pytest

from paddock.agent.beside import BesideProcess, SharedEnvironment, extension_cannot_start, open_environment
from paddock.agent.runtime_process import CannotStart, ProcessCommand
from paddock.isolation.ladder import Isolation, select, ways_of_this_machine
from paddock.isolation.view import Rung
from paddock.launchers.processes import all_stats
from tests.isolation.enclosed import TIMEOUT_SECONDS, Enclosure

SCRIPT = """
    import os, signal, time
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    os.write(1, b"up\\n")
    time.sleep(600)
"""


@pytest.fixture(params=["first", "last"])
def isolation(request: pytest.FixtureRequest, tmp_path: Path) -> Isolation:
    """The strongest and the weakest of this machine."""
    directory = tmp_path / "agent"
    directory.mkdir(mode=0o700)
    return select(Rung.PROCESS, directory, ways_of_this_machine(directory)[0 if request.param == "first" else -1 :])


class Household:
    def __init__(self, isolation: Isolation, directory: Path) -> None:
        enclosure = Enclosure(isolation, directory / "agent")
        view = enclosure.view(SCRIPT)
        self.program = enclosure.program(view, (), {})
        self.task_root = view.task_root
        marker = f"MARKER={view.task_root}".encode()
        command = ProcessCommand(self.program.argv, {}, self.program.cwd, marker, view)
        self.environment: SharedEnvironment = open_environment(command, None, isolation)

    async def start(self, *argv: str, cwd: PurePath | None = None) -> BesideProcess:
        place = cwd or self.program.cwd
        variables = {**self.program.environment, "MARKER": str(self.task_root)}
        process = self.environment.start_beside(argv or self.program.argv, variables, place)
        await asyncio.to_thread(process.wait_executed)
        return process

    async def up(self) -> tuple[BesideProcess, asyncio.Future[int]]:
        process = await self.start()
        exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        process.on_exit(exited.set_result)
        output = process.next_pipe()
        assert output is not None
        with output:
            assert await asyncio.to_thread(output.readline) == b"up\n"
        return process, exited

    async def end(self) -> None:
        self.environment.forget()
        assert await asyncio.to_thread(self.environment.kill)


def test_one_program_ends_and_the_other_goes_on_until_all_are_killed(isolation: Isolation, tmp_path: Path) -> None:
    async def scenario() -> None:
        household = Household(isolation, tmp_path)
        await asyncio.to_thread(household.environment.wait_executed)
        extension, extension_exited = await household.up()
        runtime, runtime_exited = await household.up()
        assert {extension.pid, runtime.pid} <= {stat.pid for stat in household.environment.own(all_stats())}
        assert runtime.signal_group(signal.SIGKILL)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await runtime_exited == -signal.SIGKILL
        assert not extension_exited.done()
        assert extension.pid in household.environment.living()
        assert extension.signal_group(signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await extension_exited == 7
        left, _ = await household.up()
        await household.end()
        assert left.pid not in {stat.pid for stat in all_stats()}
        assert household.environment.living() == []

    asyncio.run(scenario())


def test_the_end_of_the_environment_is_the_end_of_each_program(isolation: Isolation, tmp_path: Path) -> None:
    async def scenario() -> None:
        household = Household(isolation, tmp_path)
        _, one = await household.up()
        _, other = await household.up()
        assert await asyncio.to_thread(household.environment.kill)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert [await one, await other] == [-signal.SIGKILL, -signal.SIGKILL]
        household.environment.forget()

    asyncio.run(scenario())


def test_an_extension_that_cannot_be_executed_has_lambda_s_words(isolation: Isolation, tmp_path: Path) -> None:
    async def error_type(household: Household, name: str) -> str:
        with pytest.raises(CannotStart) as caught:
            await household.start(str(household.program.cwd / name))
        return extension_cannot_start(caught.value).error_type

    async def scenario() -> None:
        household = Household(isolation, tmp_path)
        (household.task_root / "lost").write_text("#!/no/such/interpreter\n")
        (household.task_root / "lost").chmod(0o755)
        assert await error_type(household, "function.py") == "PermissionDenied"
        assert await error_type(household, "lost") == "Extension.LaunchError"
        assert await error_type(household, "absent") == "Extension.LaunchError"
        await household.end()

    asyncio.run(scenario())
