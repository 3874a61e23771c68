"""What is measured: each subject is a way to reach the same function, and the processes that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import requests
from bench.code import WITHOUT_EXECUTION_ENV, directory_of
from bench.processes import started_module
from bench.product import FUNCTION, deploy, product
from bench.runtime_client import runtime_client
from paddock.runtimes.installed import InstalledRuntime

KEY = (requests.ACCESS_KEY_ID, requests.SECRET_ACCESS_KEY)


@dataclass(frozen=True)
class Reached:
    """A subject that is up. `platform` and `runtime` are the process groups whose CPU is counted for each; of the
    platform's the first is the server, all others are agents.
    """

    port: int
    platform: tuple[int, ...]
    runtime: tuple[int, ...]
    key: tuple[str, str] | None
    function: str = "f"
    figures: dict[str, float] = field(default_factory=dict)

    def request(self, payload: bytes) -> bytes:
        return requests.invoke(self.port, self.function, payload, key=self.key)


@dataclass(frozen=True)
class Surroundings:
    """The same for all subjects of a sitting."""

    runtime: InstalledRuntime
    slots: int
    environments: int
    code: str
    execution_env: bool
    directory: Path
    runtimes_dir: Path

    @property
    def all_slots(self) -> int:
        return self.slots * self.environments

    @property
    def task_root(self) -> Path:
        return directory_of(self.code, self.runtime.runtime.language, self.directory)


Subject = Callable[[Surroundings], AbstractContextManager[Reached]]


@contextmanager
def echo(_surroundings: Surroundings) -> Iterator[Reached]:
    with started_module("bench.echo") as server:
        yield Reached(int(str(server.document()["port"])), (server.group,), (), None)


@contextmanager
def limit(surroundings: Surroundings) -> Iterator[Reached]:
    with started_module("bench.limit") as server:
        ports = server.document()
        api = f"127.0.0.1:{ports['runtime_api_port']}"
        with _client(surroundings, api) as group:
            server.line()
            yield Reached(int(str(ports["port"])), (server.group,), (group,), None)


@contextmanager
def bare_agent(surroundings: Surroundings, *, check: bool = True) -> Iterator[Reached]:
    """Front, signature and router as they are, the least possible agent behind them."""
    socket = surroundings.directory / f"bare-agent-{surroundings.slots}-{int(check)}.sock"
    socket.unlink(missing_ok=True)
    with started_module("bench.bare_agent", socket) as agent:
        api = f"127.0.0.1:{agent.document()['runtime_api_port']}"
        with _client(surroundings, api) as group:
            agent.line()
            with started_module("bench.front", socket, surroundings.all_slots, int(check)) as front:
                port = int(str(front.document()["port"]))
                yield Reached(port, (front.group, agent.group), (group,), KEY)


@contextmanager
def one_process(surroundings: Surroundings) -> Iterator[Reached]:
    """Front, signature, router and the agent's way of an invocation, with nothing but memory between them."""
    with started_module("bench.one_process", surroundings.all_slots) as server:
        ports = server.document()
        with _client(surroundings, f"127.0.0.1:{ports['runtime_api_port']}") as group:
            server.line()
            yield Reached(int(str(ports["port"])), (server.group,), (group,), KEY)


@contextmanager
def paddock(surroundings: Surroundings, *, auth: str = "sigv4") -> Iterator[Reached]:
    """The whole product, as one command starts it."""
    variables = {} if surroundings.execution_env else {"AWS_LAMBDA_EXEC_WRAPPER": f"./{WITHOUT_EXECUTION_ENV.name}"}
    with product(surroundings.directory / f"{auth}-{surroundings.slots}", surroundings.runtimes_dir, auth=auth) as it:
        deploy(
            it,
            surroundings.runtime.runtime.identifier,
            surroundings.slots,
            surroundings.environments,
            variables,
            task_root=surroundings.task_root,
        )
        platform, runtimes = it.groups()
        agents = (group for group in platform if group != it.server.group)
        key = it.key if auth == "sigv4" else None
        yield Reached(it.port, (it.server.group, *agents), runtimes, key, FUNCTION, it.figures)


@contextmanager
def _client(surroundings: Surroundings, runtime_api: str) -> Iterator[int]:
    with runtime_client(
        surroundings.runtime,
        runtime_api,
        surroundings.all_slots,
        surroundings.task_root,
        execution_env=surroundings.execution_env,
    ) as client:
        yield client.group


SUBJECTS: dict[str, Subject] = {
    "echo": echo,
    "limit": limit,
    "bare agent": bare_agent,
    "one process": one_process,
    "paddock": paddock,
    "unsigned": partial(paddock, auth="none"),
}
