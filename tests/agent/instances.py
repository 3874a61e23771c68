"""A managed instance inside the test's own event loop: a real agent, real sockets, and runtimes that the test plays.

`RuntimeClient` is a runtime worker in a few lines: it polls and posts when the test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from paddock.agent.instance_agent import InstanceAgent
from paddock.agent.runtime_commands import PreparedRuntime, RuntimeInvitation, marker
from paddock.agent.runtime_process import ProcessCommand
from paddock.isolation.ladder import Isolation, Way
from paddock.isolation.launch import as_process
from paddock.isolation.view import EnvironmentView, Rung
from paddock.launchers.cgroups import Cgroup
from paddock.launchers.instance_directory import MARKING_VARIABLE, token_beginning
from paddock.launchers.processes import all_stats, environ_holds
from paddock.ports.clock import RandomIds, SystemClock
from paddock.wire.agent import EnvironmentSpec
from paddock.wire.bootstrap import AgentBootstrap
from tests.agent.server_side import PATIENCE_SECONDS, ServerSide, environment_spec

PLAIN = Isolation(Way(Rung.PROCESS, ("limits",), as_process(landlock=0, filtered=False), frozenset()))
Prepare = Callable[[RuntimeInvitation], tuple[str, ...]]


async def eventually(is_so: Callable[[], bool]) -> None:
    """For what nobody tells."""
    pause_seconds = 0.005
    for _ in range(int(PATIENCE_SECONDS / pause_seconds)):
        if is_so():
            return
        await asyncio.sleep(pause_seconds)
    raise AssertionError("it never became so")


def sleeps(_: RuntimeInvitation) -> tuple[str, ...]:
    """The process of a runtime that the test plays itself."""
    return ("/bin/sh", "-c", "exec sleep 600")


@dataclass
class PlayedRuntimes:
    """Starts what `prepare` says in place of an installed runtime, and remembers the invitations."""

    prepare_command: Prepare = sleeps
    invitations: dict[str, RuntimeInvitation] = field(default_factory=dict)

    def prepare(self, invitation: RuntimeInvitation) -> PreparedRuntime:
        self.invitations[invitation.spec.environment_id] = invitation
        variables = {
            "AWS_LAMBDA_RUNTIME_API": invitation.runtime_api,
            "AWS_LAMBDA_MAX_CONCURRENCY": str(invitation.spec.max_concurrency),
            "PATH": "/usr/bin:/bin",
            "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": invitation.log_socket,
            MARKING_VARIABLE: invitation.endpoints.token,
            **invitation.spec.environment_variables,
        }
        view = EnvironmentView(
            environment_id=invitation.spec.environment_id,
            task_root=invitation.task_root,
            opt_root=None,
            runtime_dir=invitation.task_root,
            lang_dir=invitation.task_root,
            readable_paths=(),
            memory_mb=invitation.spec.memory_mb,
            vcpu=invitation.spec.vcpu,
        )
        argv = self.prepare_command(invitation)
        command = ProcessCommand(argv, variables, invitation.task_root, marker(invitation.endpoints), view)
        of_extensions = {name: variables[name] for name in ("AWS_LAMBDA_RUNTIME_API", "PATH", MARKING_VARIABLE)}
        return PreparedRuntime(command, "played 1.0", "arn:aws:lambda:us-east-1::runtime:played", "", of_extensions)


@dataclass
class PlayedInstance:
    agent: InstanceAgent
    server: ServerSide
    runtimes: PlayedRuntimes
    path: Path
    bootstrap: AgentBootstrap
    clients: list[RuntimeClient] = field(default_factory=list)

    @property
    def socket(self) -> str:
        return str(self.path / "agent.sock")

    def living(self) -> list[int]:
        """Processes of any environment of the instance."""
        beginning = f"{MARKING_VARIABLE}={token_beginning(self.path)}".encode()
        return [stat.pid for stat in all_stats() if environ_holds(stat.pid, beginning)]

    async def runtime(self, spec: EnvironmentSpec) -> RuntimeClient:
        """A new connection of the environment's runtime."""
        await eventually(lambda: spec.environment_id in self.runtimes.invitations)
        client = await RuntimeClient.connect(self.runtimes.invitations[spec.environment_id].runtime_api)
        self.clients.append(client)
        return client

    async def start(self, runtime: str = "python3.13", **more: object) -> tuple[EnvironmentSpec, list[RuntimeClient]]:
        """One environment with all its workers polling."""
        spec = environment_spec(self.server.package({"app.py": "pass"}), runtime=runtime, **more)  # type: ignore[arg-type]
        self.server.configure(spec)
        workers = [await self.runtime(spec) for _ in range(spec.max_concurrency)]
        for worker in workers:
            await worker.poll()
        await self.server.phase(spec, "ready")
        await asyncio.sleep(0)
        return spec, workers

    async def configured(self, runtime: str = "python3.13", **more: object) -> EnvironmentSpec:
        """An environment whose process runs and has not polled yet."""
        spec = environment_spec(self.server.package({"app.py": "pass"}), runtime=runtime, **more)  # type: ignore[arg-type]
        self.server.configure(spec)
        environments = self.agent.environments
        await eventually(lambda: spec.environment_id in environments)
        await eventually(lambda: environments[spec.environment_id].process is not None)
        return spec

    async def another_server(self) -> ServerSide:
        server = ServerSide()
        server.packages = self.server.packages
        return server


@asynccontextmanager
async def played_instance(
    prepare: Prepare = sleeps,
    *,
    cgroup: Cgroup | None = None,
    isolation: Isolation = PLAIN,
    connect: bool = True,
    **more: object,
) -> AsyncIterator[PlayedInstance]:
    path = Path(tempfile.mkdtemp(prefix="paddock-test-"))
    fields: dict[str, object] = {
        "instance_id": "i-1",
        "provider": "pool",
        "zone": "us-east-1a",
        "subnet_id": "subnet-a",
        "address": f"unix:{path}/agent.sock",
        "token": "token",
        "directory": str(path),
        "data_dir": str(path),
        "entitled_cores": 1.0,
        "strict_cpu": False,
        "vcpu": 2,
        "memory_mb": 8192,
        "region": "us-east-1",
        "account_id": "000000000000",
        **more,
    }
    bootstrap = AgentBootstrap(**fields)  # type: ignore[arg-type]
    runtimes = PlayedRuntimes(prepare)
    agent = InstanceAgent(bootstrap, runtimes, cgroup, isolation, path, SystemClock(), RandomIds())
    server = ServerSide()
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(agent.run())
            listener = await asyncio.get_running_loop().create_unix_server(agent.connection, f"{path}/agent.sock")
            if connect:
                await server.connect(f"{path}/agent.sock")
            instance = PlayedInstance(agent, server, runtimes, path, bootstrap)
            yield instance
            for client in instance.clients:
                client.close()
            agent.shut_down(0)
            await running
            listener.close()
            await server.close()
    finally:
        shutil.rmtree(path, ignore_errors=True)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class RuntimeClient:
    """One connection to a Runtime API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.nonce = ""

    @classmethod
    async def connect(cls, runtime_api: str) -> Self:
        address, _, port = runtime_api.partition(":")
        return cls(*await asyncio.open_connection(address, int(port), limit=1 << 24))

    def send(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: runtime", *(f"{k}: {v}" for k, v in (headers or {}).items())]
        if body is not None and "Transfer-Encoding" not in (headers or {}):
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))

    async def reply(self) -> Reply:
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {
                k.lower(): v for k, v in (line.split(": ", 1) if ": " in line else (line[:-1], "") for line in lines)
            }
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Reply(int(first.split()[1]), headers, body)

    async def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        self.send(method, path, body, headers)
        return await self.reply()

    async def poll(self) -> None:
        """Open a poll; `event` waits for its answer."""
        self.send("GET", "/2018-06-01/runtime/invocation/next")
        await self.writer.drain()

    async def event(self) -> Reply:
        event = await self.reply()
        self.nonce = event.headers.get("lambda-runtime-invocation-id", "")
        return event

    async def respond(self, event: Reply, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        return await self.call("POST", path_of(event, "response"), body, headers)

    async def fail(self, event: Reply, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        return await self.call("POST", path_of(event, "error"), body, headers)

    async def begin_stream(self, event: Reply, headers: Mapping[str, str] | None = None) -> None:
        self.send(
            "POST",
            path_of(event, "response"),
            headers={
                "Lambda-Runtime-Function-Response-Mode": "streaming",
                "Transfer-Encoding": "chunked",
                "Content-Type": "text/plain",
                **(headers or {}),
            },
        )

    def chunk(self, data: bytes) -> None:
        self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end_chunks(self, **trailers: str) -> None:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in trailers.items())
        self.writer.write(f"0\r\n{lines}\r\n".encode())

    async def closed(self) -> bool:
        """Waits until the agent closes the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read() == b""
        return True

    def close(self) -> None:
        self.writer.close()


def path_of(event: Reply, action: str) -> str:
    return f"/2018-06-01/runtime/invocation/{event.headers['lambda-runtime-aws-request-id']}/{action}"
