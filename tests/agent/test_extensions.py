"""Lambda extensions of a real agent: their processes are small scripts, their requests the test's.

Names follow the conformance list of the Extensions API.
"""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from paddock.agent.runtime_commands import RuntimeInvitation
from paddock.core.environment import shutdown
from paddock.wire.agent import EnvironmentReport, EnvironmentSpec
from tests.agent.instances import PlayedInstance, Prepare, Reply, RuntimeClient, eventually, played_instance
from tests.agent.server_side import environment_spec

REGISTER = "/2020-01-01/extension/register"
NEXT = "/2020-01-01/extension/event/next"
INIT_ERROR = "/2020-01-01/extension/init/error"
RUNTIME_INIT_ERROR = "/2018-06-01/runtime/init/error"
EXIT_ERROR = "/2020-01-01/extension/exit/error"
WAITS = "#!/bin/sh\nexec sleep 600\n"
MANAGED = "lambda-managed-instances"


def layer(instance: PlayedInstance, *names: str, script: str = WAITS) -> str:
    files = {f"extensions/{name}": script for name in names}
    return instance.server.package(files, executable=tuple(files))


def configured(instance: PlayedInstance, *layers: str, **more: object) -> EnvironmentSpec:
    spec = environment_spec(
        instance.server.package({"app.py": "pass"}),
        layers=layers,
        **{"max_concurrency": 1, **more},  # type: ignore[arg-type]
    )
    instance.server.configure(spec)
    return spec


@dataclass
class PlayedExtension:
    client: RuntimeClient
    identifier: str = ""

    async def register(self, name: str, events: Sequence[str] = (), **headers: str) -> Reply:
        sent = {"Lambda-Extension-Name": name, **headers}
        reply = await self.client.call("POST", REGISTER, json.dumps({"events": list(events)}).encode(), sent)
        self.identifier = reply.headers.get("lambda-extension-identifier", "")
        return reply

    @property
    def identified(self) -> Mapping[str, str]:
        return {"Lambda-Extension-Identifier": self.identifier}

    async def next(self) -> None:
        """Ask for an event; `client.reply` waits for it."""
        self.client.send("GET", NEXT, headers=self.identified)
        await self.client.writer.drain()

    async def event(self) -> dict[str, object]:
        document = json.loads((await self.client.reply()).body)
        assert isinstance(document, dict)
        return document

    async def post_error(self, path: str, error_type: str) -> Reply:
        headers = {**self.identified, "Lambda-Extension-Function-Error-Type": error_type}
        return await self.client.call("POST", path, b"{}", headers)


async def extension(instance: PlayedInstance, spec: EnvironmentSpec) -> PlayedExtension:
    """Where there are external ones, these are known: before that every name is an internal one's."""
    if spec.layers:
        await eventually(lambda: spec.environment_id in instance.agent.environments)
        environment = instance.agent.environments[spec.environment_id]
        await eventually(lambda: bool(environment.processes.extensions))
    return PlayedExtension(await instance.runtime(spec))


async def processes(instance: PlayedInstance, spec: EnvironmentSpec) -> set[str]:
    """Names of the extensions whose processes were started."""
    await eventually(lambda: spec.environment_id in instance.agent.environments)
    return set(instance.agent.environments[spec.environment_id].processes.extensions)


async def ready(
    instance: PlayedInstance, spec: EnvironmentSpec, extensions: Mapping[str, Sequence[str]]
) -> tuple[RuntimeClient, dict[str, PlayedExtension]]:
    """The runtime polls, all these have registered and ask for events."""
    played = {}
    for name, events in extensions.items():
        played[name] = await extension(instance, spec)
        assert (await played[name].register(name, events)).status == 200
        await played[name].next()
    runtime = await instance.runtime(spec)
    await runtime.poll()
    await instance.server.phase(spec, "ready")
    return runtime, played


async def failure(instance: PlayedInstance, spec: EnvironmentSpec) -> tuple[str, str]:
    report: EnvironmentReport = await instance.server.phase(spec, "ended")
    assert report.failure is not None
    assert instance.living() == []
    return report.failure.error_type, report.failure.reason_code


def error_type(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["errorType"]


def writes(path: Path, text: str) -> Prepare:
    """A runtime that writes when it is asked to end."""
    script = f"trap 'echo {text} >> {path}; exit 0' TERM; echo up >> {path}; while :; do sleep 0.05; done"

    def prepare(_: RuntimeInvitation) -> tuple[str, ...]:
        return ("/bin/sh", "-c", script)

    return prepare


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """More time than AWS gives, for a machine that is busy: what is asserted is the order."""
    monkeypatch.setattr(shutdown, "MANAGED_RUNTIME_SECONDS", 15.0)
    monkeypatch.setattr(shutdown, "EXTENSIONS_SECONDS", 18.0)


async def test_files_in_opt_extensions_start_before_the_runtime_and_a_directory_is_ignored() -> None:
    async with played_instance() as instance:
        files = {"extensions/b": WAITS, "extensions/a": WAITS, "extensions/more/c": WAITS}
        spec = configured(instance, instance.server.package(files, executable=tuple(files)))
        first = await extension(instance, spec)
        environment = instance.agent.environments[spec.environment_id]
        await eventually(lambda: set(environment.processes.extensions) == {"a", "b"})
        assert (await first.register("a")).status == 200
        assert environment.processes.runtime is None
        assert (await (await extension(instance, spec)).register("b")).status == 200
        await eventually(lambda: environment.processes.runtime is not None)


async def test_an_extension_sees_its_own_variables_and_its_output_is_logged() -> None:
    async with played_instance() as instance:
        spec = configured(
            instance, layer(instance, "says", script="#!/bin/sh\nenv\necho my name is $0\nexec sleep 99\n")
        )
        assert b"extensions/says" in await instance.server.logged("my name is")
        said = [line for _, line, _ in instance.server.log_lines if b"=" in line and not line.startswith(b"{")]
        names = {line.partition(b"=")[0] for line in said}
        of_shells = {b"PWD", b"SHLVL", b"_", b"OLDPWD"}
        assert names - of_shells == {b"AWS_LAMBDA_RUNTIME_API", b"PATH", b"AWS_LAMBDA_METADATA_TOKEN"}
        assert spec.environment_id in instance.agent.environments


async def test_registration_is_answered_with_the_function_and_an_identifier() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a", "b"))
        reply = await (await extension(instance, spec)).register("a", ["SHUTDOWN"])
        assert reply.status == 200
        assert len(reply.headers["lambda-extension-identifier"]) == 36
        described = {"functionName": spec.function_name, "functionVersion": spec.version, "handler": spec.handler}
        assert json.loads(reply.body) == described
        features = {"Lambda-Extension-Accept-Feature": "unknown, accountId"}
        reply = await (await extension(instance, spec)).register("b", [], **features)
        assert json.loads(reply.body) == {**described, "accountId": spec.function_arn.split(":")[4]}


@pytest.mark.parametrize(
    ("name", "body", "refusal"),
    [
        ("a", {"events": ["INVOKE"]}, "Extension.InvalidEventType"),
        ("inside", {"events": ["SHUTDOWN"]}, "Extension.InvalidEventType"),
        ("", {"events": []}, "Extension.InvalidExtensionName"),
        ("a", {"events": "SHUTDOWN"}, "InvalidRequestFormat"),
        ("a", {"events": [], "configurationKeys": ["x"]}, "InvalidRequestFormat"),
        ("a", None, "InvalidRequestFormat"),
    ],
)
async def test_a_registration_that_breaks_a_rule_is_refused(name: str, body: object, refusal: str) -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"))
        client = (await extension(instance, spec)).client
        sent = b"{" if body is None else json.dumps(body).encode()
        assert error_type(await client.call("POST", REGISTER, sent, {"Lambda-Extension-Name": name})) == (403, refusal)


async def test_registration_closes_with_the_first_poll() -> None:
    async with played_instance() as instance:
        spec = configured(instance)
        await ready(instance, spec, {})
        late = await extension(instance, spec)
        assert error_type(await late.register("inside")) == (403, "Extension.RegistrationClosed")


@pytest.mark.parametrize(
    ("path", "headers", "refusal"),
    [
        (NEXT, {}, "Extension.MissingExtensionIdentifier"),
        (NEXT, {"Lambda-Extension-Identifier": "me"}, "Extension.InvalidExtensionIdentifier"),
        (
            NEXT,
            {"Lambda-Extension-Identifier": "01234567-89ab-cdef-0123-456789abcdef"},
            "Extension.UnknownExtensionIdentifier",
        ),
        (INIT_ERROR, {}, "Extension.MissingExtensionIdentifier"),
        (EXIT_ERROR, {"Lambda-Extension-Identifier": "me"}, "Extension.InvalidExtensionIdentifier"),
    ],
)
async def test_who_does_not_say_who_it_is_is_refused(path: str, headers: dict[str, str], refusal: str) -> None:
    async with played_instance() as instance:
        spec = await instance.configured()
        client = await instance.runtime(spec)
        method, body = ("GET", None) if path == NEXT else ("POST", b"")
        assert error_type(await client.call(method, path, body, headers)) == (403, refusal)


async def test_an_error_without_a_type_is_refused() -> None:
    async with played_instance() as instance:
        played = await extension(instance, await instance.configured())
        await played.register("inside")
        reply = await played.client.call("POST", INIT_ERROR, b"{}", played.identified)
        assert error_type(reply) == (403, "Extension.MissingHeader")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", REGISTER, 405),
        ("POST", NEXT, 405),
        ("GET", "/2020-01-01/extension/else", 404),
        ("PUT", "/2020-08-15/logs", 404),
        ("GET", "/2018-06-01/runtime/restore/next", 404),
        ("POST", "/2018-06-01/runtime/restore/error", 404),
    ],
)
async def test_what_is_no_route_of_managed_instances_is_not_found(method: str, path: str, status: int) -> None:
    async with played_instance() as instance:
        client = await instance.runtime(await instance.configured())
        assert (await client.call(method, path, b"")).status == status


async def test_eleven_extensions_are_too_many() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, *(f"e{number}" for number in range(11))))
        assert await failure(instance, spec) == ("Extension.TooManyExtensions", "FunctionError.TooManyExtensions")


async def test_invocations_are_not_accepted_until_every_extension_asked_for_an_event() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"))
        external = await extension(instance, spec)
        await external.register("a")
        internal = await extension(instance, spec)
        await internal.register("inside")
        environment = instance.agent.environments[spec.environment_id]
        await eventually(lambda: environment.processes.runtime is not None)
        runtime = await instance.runtime(spec)
        await runtime.poll()
        await external.next()
        header, _ = await instance.server.invoke(spec).result()
        assert header.error_type == "Client.InitIncomplete"
        await internal.next()
        await instance.server.phase(spec, "ready")
        answer = instance.server.invoke(spec, b"[1]")
        event = await runtime.event()
        assert event.body == b"[1]"
        await runtime.respond(event, b"[2]")
        assert (await answer.result())[1] == b"[2]"


async def test_an_init_that_an_extension_holds_up_times_out() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "never-registers"), init_timeout_seconds=0.5)
        assert await failure(instance, spec) == ("Sandbox.Timedout", "FunctionError.InitTimeout")


async def test_an_extension_that_exits_during_init_is_a_crash() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a", script="#!/bin/sh\nexit 0\n"))
        assert await failure(instance, spec) == ("Extension.Crash", "FunctionError.ExtensionInitError")


async def test_an_extension_that_exits_later_ends_the_environment_and_the_others_hear_of_it(tmp_path: Path) -> None:
    async with played_instance() as instance:
        leaves = layer(instance, "leaves", script=f"#!/bin/sh\nuntil [ -e {tmp_path}/go ]; do sleep 0.05; done\n")
        spec = configured(instance, leaves, layer(instance, "stays"))
        runtime, played = await ready(instance, spec, {"leaves": [], "stays": ["SHUTDOWN"]})
        answer = instance.server.invoke(spec)
        await runtime.event()
        (tmp_path / "go").touch()
        header, _ = await answer.result()
        assert header.error_type == "Extension.Crash"
        event = await played["stays"].event()
        assert (event["eventType"], event["shutdownReason"]) == ("SHUTDOWN", "failure")
        assert await failure(instance, spec) == ("Extension.Crash", "FunctionError")


@pytest.mark.parametrize(
    ("script", "executable", "expected"),
    [
        (WAITS, False, ("PermissionDenied", "FunctionError.PermissionDenied")),
        ("#!/no/such/interpreter\n", True, ("Extension.LaunchError", "FunctionError.ExtensionInitError")),
        ("no program", True, ("Extension.LaunchError", "FunctionError.ExtensionInitError")),
    ],
)
async def test_a_file_that_cannot_be_executed_is_reported(
    script: str, executable: bool, expected: tuple[str, str]
) -> None:
    async with played_instance() as instance:
        files = {"extensions/a": script}
        spec = configured(instance, instance.server.package(files, executable=tuple(files) if executable else ()))
        assert await failure(instance, spec) == expected


async def test_the_first_fatal_error_is_what_is_reported(tmp_path: Path) -> None:
    async with played_instance() as instance:
        script = f"#!/bin/sh\nuntil [ -e {tmp_path}/go ]; do sleep 0.05; done\nexit 1\n"
        spec = configured(instance, layer(instance, "a", script=script))
        played = await extension(instance, spec)
        await played.register("a")
        assert (await played.post_error(INIT_ERROR, "Extension.NoConfig")).status == 202
        (tmp_path / "go").touch()
        assert await failure(instance, spec) == ("Extension.NoConfig", "FunctionError.ExtensionInitError")


async def test_an_exit_error_of_a_ready_extension_is_kept(tmp_path: Path) -> None:
    async with played_instance() as instance:
        script = f"#!/bin/sh\nuntil [ -e {tmp_path}/go ]; do sleep 0.05; done\nexit 1\n"
        spec = configured(instance, layer(instance, "a", script=script))
        _, played = await ready(instance, spec, {"a": []})
        other = PlayedExtension(await instance.runtime(spec), played["a"].identifier)
        assert (await other.post_error(EXIT_ERROR, "nonsense")).status == 202
        (tmp_path / "go").touch()
        assert await failure(instance, spec) == ("Extension.ExitError", "FunctionError")


async def test_shutdown_without_extensions_kills_the_runtime_unasked(tmp_path: Path) -> None:
    said = tmp_path / "said"
    async with played_instance(writes(said, "asked")) as instance:
        spec = configured(instance)
        await ready(instance, spec, {})
        await eventually(said.exists)
        instance.server.configure()
        await instance.server.phase(spec, "ended")
        assert said.read_text() == "up\n"


@pytest.mark.usefixtures("patient")
async def test_shutdown_with_an_internal_extension_asks_the_runtime(tmp_path: Path) -> None:
    said = tmp_path / "said"
    async with played_instance(writes(said, "asked")) as instance:
        spec = configured(instance)
        await ready(instance, spec, {"inside": []})
        await eventually(said.exists)
        instance.server.configure()
        await instance.server.phase(spec, "ended")
        assert said.read_text() == "up\nasked\n"
        assert instance.living() == []


@pytest.mark.usefixtures("patient")
async def test_shutdown_tells_subscribers_after_the_runtime_has_ended(tmp_path: Path) -> None:
    said = tmp_path / "said"
    async with played_instance(writes(said, "asked")) as instance:
        spec = configured(instance, layer(instance, "listens", "deaf"))
        _, played = await ready(instance, spec, {"listens": ["SHUTDOWN"], "deaf": []})
        await eventually(said.exists)
        instance.server.configure()
        event = await played["listens"].event()
        assert said.read_text() == "up\nasked\n"
        assert (event["eventType"], event["shutdownReason"]) == ("SHUTDOWN", "spindown")
        assert isinstance(event["deadlineMs"], int)
        environment = instance.agent.environments[spec.environment_id]
        assert environment.processes.extensions["listens"].signal_group(signal.SIGKILL)
        assert (await instance.server.phase(spec, "ended")).failure is None
        assert instance.living() == []


async def test_a_runtime_that_ignores_the_request_is_killed_and_extensions_are_still_told() -> None:
    deaf = ("/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    async with played_instance(lambda _: deaf) as instance:
        spec = configured(instance, layer(instance, "a"))
        _, played = await ready(instance, spec, {"a": ["SHUTDOWN"]})
        instance.server.configure()
        assert (await played["a"].event())["shutdownReason"] == "spindown"
        await instance.server.phase(spec, "ended")
        assert instance.living() == []


async def test_in_flight_invocations_are_answered_before_anybody_is_told() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"))
        runtime, played = await ready(instance, spec, {"a": ["SHUTDOWN"]})
        answer = instance.server.invoke(spec)
        await runtime.event()
        instance.server.configure()
        header, _ = await answer.result()
        assert header.outcome == "function_error"
        assert (await played["a"].event())["eventType"] == "SHUTDOWN"


async def test_an_extension_that_comes_late_still_gets_the_event() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"))
        _, played = await ready(instance, spec, {"a": ["SHUTDOWN"]})
        played["a"].client.close()
        instance.server.configure()
        environment = instance.agent.environments[spec.environment_id]
        await eventually(lambda: environment.server.admits_when_ended)
        again = PlayedExtension(await instance.runtime(spec), played["a"].identifier)
        await again.next()
        assert (await again.event())["shutdownReason"] == "spindown"


DEFAULT = "on-demand"


async def test_on_default_lambda_extensions_hear_of_each_invocation_and_keep_its_slot() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"), initialization_type=DEFAULT)
        runtime, played = await ready(instance, spec, {"a": ["INVOKE", "SHUTDOWN"]})
        answer = instance.server.invoke(spec, invocation_id="first")
        invoked = await played["a"].event()
        assert (invoked["eventType"], invoked["requestId"]) == ("INVOKE", "first")
        assert invoked["invokedFunctionArn"] == spec.function_arn
        event = await runtime.event()
        assert int(event.headers["lambda-runtime-deadline-ms"]) == invoked["deadlineMs"]
        await runtime.respond(event, b"1")
        header, body = await answer.result()
        assert (header.slot_held, body) == (True, b"1")
        await runtime.poll()
        refused, _ = await instance.server.invoke(spec, invocation_id="too-early").result()
        assert (refused.outcome, refused.error_type) == ("refused", "Runtime.Unavailable")
        assert instance.server.released == []
        await played["a"].next()
        await eventually(lambda: bool(instance.server.released))
        assert instance.server.released[0].invocation_id == "first"
        assert (instance.server.released[0].extensions_us or 0) > 0
        second = instance.server.invoke(spec, invocation_id="second")
        assert (await played["a"].event())["requestId"] == "second"
        event = await runtime.event()
        await runtime.respond(event, b"2")
        assert (await second.result())[1] == b"2"
        await played["a"].next()
        await runtime.poll()
        await eventually(lambda: len(instance.server.released) == 2)
        instance.server.configure()
        assert (await played["a"].event())["shutdownReason"] == "SPINDOWN"


async def test_on_default_lambda_the_report_has_the_time_of_extensions() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"), initialization_type=DEFAULT, log_format="JSON")
        runtime, played = await ready(instance, spec, {"a": ["INVOKE"]})
        answer = instance.server.invoke(spec)
        await played["a"].event()
        await runtime.respond(await runtime.event(), b"1")
        header, _ = await answer.result()
        await runtime.poll()
        assert not any(b"platform.report" in line for _, line, _ in instance.server.log_lines)
        await played["a"].next()
        report = json.loads(await instance.server.logged("platform.report"))["record"]
        assert report["status"] == "success"
        assert report["metrics"]["durationMs"] * 1000 > header.duration_us


async def test_on_default_lambda_who_asks_for_the_log_gets_it_with_its_report() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"), initialization_type=DEFAULT, log_format="Text")
        runtime, played = await ready(instance, spec, {"a": ["INVOKE"]})
        answer = instance.server.invoke(spec, tail=True)
        await played["a"].event()
        await runtime.respond(await runtime.event(), b"1")
        await runtime.poll()
        await played["a"].next()
        header, body = await answer.result()
        assert body == b"1"
        assert b"REPORT RequestId:" in base64.b64decode(header.log_tail)
        await eventually(lambda: bool(instance.server.released))


async def test_on_default_lambda_a_failed_and_a_streamed_answer_wait_for_extensions_too() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"), initialization_type=DEFAULT)
        runtime, played = await ready(instance, spec, {"a": ["INVOKE"]})
        failed = instance.server.invoke(spec)
        await played["a"].event()
        await runtime.fail(await runtime.event(), b"{}")
        header, _ = await failed.result()
        assert (header.outcome, header.slot_held) == ("function_error", True)
        await runtime.poll()
        await played["a"].next()
        await eventually(lambda: len(instance.server.released) == 1)
        streamed = instance.server.invoke(spec, streaming=True)
        await played["a"].event()
        await runtime.begin_stream(await runtime.event())
        runtime.chunk(b"abc")
        runtime.end_chunks()
        header, _ = await streamed.result()
        assert (header.outcome, header.slot_held) == ("ok", True)
        assert (await runtime.reply()).status == 202
        await played["a"].next()
        await runtime.poll()
        await eventually(lambda: len(instance.server.released) == 2)


async def test_on_default_lambda_a_runtime_that_does_not_come_back_keeps_the_slot_as_well() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"), initialization_type=DEFAULT)
        runtime, played = await ready(instance, spec, {"a": ["INVOKE"]})
        answer = instance.server.invoke(spec, invocation_id="r-1", timeout_seconds=1.0)
        await played["a"].event()
        await runtime.respond(await runtime.event(), b"1")
        assert (await answer.result())[0].slot_held
        await played["a"].next()
        assert await failure(instance, spec) == ("Sandbox.Timedout", "FunctionError")
        assert [released.invocation_id for released in instance.server.released] == ["r-1"]


async def test_on_default_lambda_an_extension_that_overruns_the_timeout_ends_the_environment() -> None:
    async with played_instance() as instance:
        spec = configured(
            instance, layer(instance, "a"), initialization_type=DEFAULT, timeout_seconds=0.5, log_format="Text"
        )
        runtime, played = await ready(instance, spec, {"a": ["INVOKE"]})
        answer = instance.server.invoke(spec, timeout_seconds=0.5)
        assert (await played["a"].event())["eventType"] == "INVOKE"
        event = await runtime.event()
        await runtime.respond(event, b"1")
        assert (await answer.result())[1] == b"1"
        assert await failure(instance, spec) == ("Sandbox.Timedout", "FunctionError")
        assert (await instance.server.logged("Task timed out")).endswith(b"Task timed out after 0.50 seconds")
        assert b"Status: timeout" in await instance.server.logged("REPORT RequestId")
        assert len(instance.server.released) == 1


async def test_an_error_that_an_extension_posts_before_it_hangs_is_what_is_reported() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a"), init_timeout_seconds=1.0)
        played = await extension(instance, spec)
        await played.register("a", ["SHUTDOWN"])
        assert (await played.post_error(INIT_ERROR, "Extension.NoConfig")).status == 202
        runtime = await instance.runtime(spec)
        await runtime.poll()
        assert await failure(instance, spec) == ("Extension.NoConfig", "FunctionError.ExtensionInitError")
        report = json.loads(await instance.server.logged("platform.initReport"))["record"]
        assert (report["status"], report["errorType"]) == ("error", "Extension.NoConfig")
        told = json.loads(await instance.server.logged("platform.extension"))["record"]
        assert told == {"name": "a", "state": "InitError", "events": ["SHUTDOWN"], "errorType": "Extension.NoConfig"}


async def test_an_error_that_a_runtime_posts_before_it_hangs_comes_before_that_of_an_extension() -> None:
    async with played_instance() as instance:
        spec = configured(instance, layer(instance, "a", "b"), init_timeout_seconds=1.0)
        played = {name: await extension(instance, spec) for name in ("a", "b")}
        for name, each in played.items():
            await each.register(name)
        runtime = await instance.runtime(spec)
        posted = {"Lambda-Runtime-Function-Error-Type": "Runtime.NoSuchModule"}
        assert (await runtime.call("POST", RUNTIME_INIT_ERROR, b"{}", posted)).status == 202
        assert (await played["a"].post_error(INIT_ERROR, "Extension.NoConfig")).status == 202
        assert await failure(instance, spec) == ("Runtime.NoSuchModule", "FunctionError.RuntimeInitError")
        await instance.server.logged("platform.initReport")
        told = [json.loads(line) for _, line, _ in instance.server.log_lines if b"platform.extension" in line]
        assert [event["record"]["state"] for event in told] == ["InitError", "Registered"]


async def test_an_extension_that_cannot_be_executed_is_told_as_such() -> None:
    async with played_instance() as instance:
        files = {"extensions/a": "no program", "extensions/b": WAITS}
        spec = configured(instance, instance.server.package(files, executable=tuple(files)))
        assert (await failure(instance, spec))[0] == "Extension.LaunchError"
        told = json.loads(await instance.server.logged("platform.extension"))["record"]
        assert told == {"name": "a", "state": "LaunchError", "events": [], "errorType": "Extension.LaunchError"}
