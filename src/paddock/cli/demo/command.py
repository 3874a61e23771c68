"""The `paddock demo` command: start a server where none runs, deploy, drive traffic, report, take everything away
again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddock.cli.decisions import terminal
from paddock.cli.demo import scenario
from paddock.cli.demo.deploy import PROVIDER
from paddock.cli.options import DataDir, Output, OutputOption, client, resolved
from paddock.cli.status import fetch_status
from paddock.model.errors import StartError
from paddock.server import data_dir as data_directory

if TYPE_CHECKING:
    from rich.console import Console

    from paddock.cli.demo.deploy import DemoFunction
    from paddock.cli.demo.report import Report
    from paddock.cli.load import Load
    from paddock.runtimes import RuntimeStore
    from paddock.server.data_dir import KeyPair, RunningServer

START_SECONDS = 60
STOP_SECONDS = 60
LIVE_SECONDS = 0.5
SLOT_LOOKS = 60
PLAIN_SECONDS = 10
"""How often a line is printed where there is no terminal to draw on."""


def demo(
    *,
    seconds: Annotated[
        int, typer.Option(min=5, max=scenario.MAX_SECONDS, help="How long to drive traffic.")
    ] = scenario.DEFAULT_SECONDS,
    python_only: Annotated[bool, typer.Option("--python-only", help="Leave the Node.js function out.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the functions and the provider deployed.")] = False,
    data_dir: DataDir = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Deploy two ordinary functions on three managed instances, drive steady traffic, and report what happened.

    Uses the server of the data directory, or starts one for the time of the demo.
    """
    console = terminal(stderr=output is Output.JSON)
    with ExitStack() as stack:
        running, keys = stack.enter_context(_server(resolved(data_dir), console))
        report = _Demo(console, running, keys, resolved(data_dir)).run(
            stack, seconds, python_only=python_only, keep=keep
        )
    if output is Output.JSON:
        typer.echo(json.dumps(report.document(), indent=1))


@contextmanager
def _server(directory: Path, console: Console) -> Iterator[tuple[RunningServer, KeyPair]]:
    """The data directory's server; one that was started here is stopped at the end."""
    from paddock.ports.clock import RandomIds

    data_directory.prepare(directory)
    keys = data_directory.key_pair(directory, RandomIds())
    running = data_directory.running_server(directory)
    if running is not None:
        console.print(f"using the server at {running.url}", highlight=False)
        yield running, keys
        return
    log_path = directory / "demo-server.log"
    command = [sys.executable, "-m", "paddock.cli.main", "up", "--port", "0", "--data-dir", str(directory)]
    with log_path.open("w") as log, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, process_group=0
    ) as process:  # fmt: skip
        try:
            yield _started(process, directory, log_path), keys
        finally:
            _stop(process)


def _started(process: subprocess.Popen[str], directory: Path, log_path: Path) -> RunningServer:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready"):
            running = data_directory.running_server(directory)
            if running is not None:
                return running
    said = log_path.read_text(errors="replace").strip().splitlines()
    raise StartError(f"the server did not start: {said[-1] if said else f'see {log_path}'}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


@dataclass(frozen=True, slots=True)
class _Demo:
    console: Console
    running: RunningServer
    keys: KeyPair
    directory: Path

    def run(self, stack: ExitStack, seconds: int, *, python_only: bool, keep: bool) -> Report:
        from paddock.cli.demo.deploy import deploy, remove
        from paddock.cli.demo.downstream import slow_downstream

        api = client("lambda", self.running, self.keys, connections=128)
        functions, notes = self._packages(stack.enter_context(slow_downstream()), python_only=python_only)
        self.console.rule("[bold]Deploying through boto3")
        remove(api, scenario.FUNCTIONS)
        if not keep:
            stack.callback(remove, api, scenario.FUNCTIONS)
        account = client("sts", self.running, self.keys).get_caller_identity()["Account"]
        deploy(api, account, functions, self._say)
        self._await_slots()
        load = self._drive(api, tuple(function.name for function in functions), seconds)
        report = self._report(load, notes)
        from paddock.cli.demo.report import print_report

        print_report(self.console, report)
        return report

    def _say(self, text: str) -> None:
        self.console.print(f"  {text}", highlight=False)

    def _packages(self, downstream_url: str, *, python_only: bool) -> tuple[tuple[DemoFunction, ...], tuple[str, ...]]:
        """The functions that can run here, and notes on those that cannot or that a stand-in runs."""
        from paddock.cli.demo.deploy import DemoFunction
        from paddock.demo_functions import pricing, thumbnailer
        from paddock.runtimes import RuntimeStore, RuntimeUnavailable

        self.console.rule("[bold]Getting runtimes and packages ready")
        store = RuntimeStore(Path(os.environ.get("PADDOCK_RUNTIMES_DIR") or self.directory))
        builders = {scenario.THUMBNAILER: thumbnailer} if python_only else {
            scenario.THUMBNAILER: thumbnailer,
            scenario.PRICING: pricing,
        }  # fmt: skip
        functions, notes = [], []
        for name, builder in builders.items():
            try:
                package = self._built(store, builder.RUNTIME, builder.build)
            except RuntimeUnavailable as unavailable:
                if builder is thumbnailer:
                    raise StartError(str(unavailable)) from unavailable
                notes.append(f"{unavailable} The demo goes on with Python alone.")
                self._say(notes[-1])
                continue
            note = store.resolve(builder.RUNTIME).note
            if note:
                notes.append(note)
            environment = {"DOWNSTREAM_URL": downstream_url}
            functions.append(
                DemoFunction(name, builder.RUNTIME, builder.HANDLER, package, scenario.MAX_CONCURRENCY, environment)
            )
            self._say(f"{name}: {len(package) / 1e6:.1f} MB for {store.resolve(builder.RUNTIME).release}")
        return tuple(functions), tuple(notes)

    def _built(self, store: RuntimeStore, runtime: str, build: Callable[..., bytes]) -> bytes:
        from paddock.runtimes import Progress

        said: set[str] = set()
        with self.console.status(f"{runtime}: looking") as spinner:

            def show(progress: Progress) -> None:
                spinner.update(f"{runtime}: {progress.step} [dim]{progress.detail[:60]}[/dim]")
                if not self.console.is_terminal and progress.step not in said:
                    said.add(progress.step)
                    self._say(f"{runtime}: {progress.step} ...")

            store.ensure(runtime, show)
            return build(store, Path(os.environ.get("PADDOCK_RUNTIMES_DIR") or self.directory), show)

    def _await_slots(self) -> None:
        """A version is Active when the first runtime worker of each environment polls; here all of them should."""
        pause = threading.Event()
        for _ in range(SLOT_LOOKS):
            environments = [
                each
                for provider in fetch_status(self.running, self.keys)["providers"]
                for each in provider["environments"]
                if provider["name"] == PROVIDER
            ]
            open_slots = sum(each["slots"] for each in environments)
            if open_slots >= sum(each["max_concurrency"] for each in environments):
                self._say(f"{open_slots} slots are open in {len(environments)} environments")
                return
            pause.wait(LIVE_SECONDS)
        self._say("not all slots are open yet; the load begins all the same")

    def _drive(self, api: Any, functions: tuple[str, ...], seconds: int) -> Load:
        from rich.live import Live

        from paddock.cli.demo.live import view
        from paddock.cli.load import Load, steady
        from paddock.ports.clock import SystemClock

        load = Load(api, steady(scenario.streams(functions), seconds), seconds, SystemClock())
        self.console.rule(f"[bold]Steady traffic for {seconds} s")
        driver = threading.Thread(target=load.run, name="demo load")
        driver.start()
        try:
            if self.console.is_terminal:
                with Live(console=self.console, auto_refresh=False, transient=True) as live:
                    while driver.is_alive():
                        live.update(view(load, fetch_status(self.running, self.keys)), refresh=True)
                        driver.join(LIVE_SECONDS)
            else:
                while driver.is_alive():
                    self._say(f"{load.elapsed_seconds():3.0f} s: {len(load.answers)} answered")
                    driver.join(PLAIN_SECONDS)
        except KeyboardInterrupt:
            self._say("stopping: what is in flight is waited for, then all that was deployed is removed")
            load.stop()
            driver.join()
            raise
        return load

    def _report(self, load: Load, notes: tuple[str, ...]) -> Report:
        from paddock.cli.demo.findings import report_of

        return report_of(load, fetch_status(self.running, self.keys), self.running.region, notes)
