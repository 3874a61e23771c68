"""Telemetry of a real agent's environments: real processes, the test plays runtime and extension."""

from __future__ import annotations

import json
from typing import Any

from tests.agent.instances import Reply, played_instance
from tests.agent.listeners import Listener, http_listener
from tests.agent.test_extensions import PlayedExtension, configured, error_type, extension, layer

TELEMETRY = "/2022-07-01/telemetry"
LOGS = "/2020-08-15/logs"
SPEAKS = "#!/bin/sh\necho words of the extension\nexec sleep 600\n"
PRINTS = ("/bin/sh", "-c", "echo words of the function; exec sleep 600")


def request(listener: Listener, timeout_ms: int = 30_000, **more: Any) -> bytes:
    body = {
        "schemaVersion": "2025-01-29",
        "types": ["platform", "function", "extension"],
        "destination": {"protocol": "HTTP", "URI": listener.uri("/in")},
        "buffering": {"timeoutMs": timeout_ms},
    }
    return json.dumps(body | more).encode()


async def subscribed(played: PlayedExtension, body: bytes, path: str = TELEMETRY) -> Reply:
    return await played.client.call("PUT", path, body, played.identified)


async def test_an_extension_hears_of_everything_before_it_hears_of_the_end() -> None:
    async with http_listener() as listener, played_instance(lambda _: PRINTS) as instance:
        spec = configured(instance, layer(instance, "a", script=SPEAKS))
        played = await extension(instance, spec)
        await played.register("a", ["SHUTDOWN"])
        reply = await subscribed(played, request(listener))
        assert (reply.status, reply.body) == (200, b'"OK"')
        await played.next()
        runtime = await instance.runtime(spec)
        await runtime.poll()
        await instance.server.phase(spec, "ready")
        answer = instance.server.invoke(spec, invocation_id="r-1")
        await runtime.respond(await runtime.event(), b"1")
        await answer.result()
        await instance.server.logged("words of the function")
        await instance.server.logged("words of the extension")

        instance.server.configure()
        assert (await played.event())["eventType"] == "SHUTDOWN"
        assert [event["type"] for event in listener.events() if event["type"].startswith("platform.")] == [
            "platform.initStart",
            "platform.telemetrySubscription",
            "platform.initRuntimeDone",
            "platform.extension",
            "platform.initReport",
            "platform.start",
            "platform.report",
        ]
        assert listener.records("platform.extension") == [{"name": "a", "state": "Ready", "events": ["SHUTDOWN"]}]
        assert listener.records("platform.report")[0]["requestId"] == "r-1"
        assert listener.records("function") == ["words of the function"]
        assert listener.records("extension") == ["words of the extension"]


async def test_subscriptions_are_taken_from_extensions_during_init_only() -> None:
    async with http_listener() as listener, played_instance() as instance:
        spec = configured(instance)
        played = await extension(instance, spec)
        stranger = await extension(instance, spec)
        assert error_type(await subscribed(stranger, request(listener))) == (
            403,
            "Extension.MissingExtensionIdentifier",
        )
        await played.register("inside")
        assert error_type(await subscribed(played, b"{}")) == (400, "ValidationError")
        assert (await played.client.call("GET", TELEMETRY, headers=played.identified)).status == 405
        assert (await subscribed(played, request(listener), LOGS)).status == 404
        await played.next()
        runtime = await instance.runtime(spec)
        await runtime.poll()
        await instance.server.phase(spec, "ready")
        late = PlayedExtension(await instance.runtime(spec), played.identifier)
        assert error_type(await subscribed(late, request(listener))) == (403, "Telemetry.SubscriptionClosed")


async def test_an_environment_of_default_lambda_has_the_logs_api() -> None:
    async with http_listener() as listener, played_instance() as instance:
        spec = configured(instance, initialization_type="on-demand", log_format="Text")
        played = await extension(instance, spec)
        await played.register("inside")
        body = request(listener, 25, schemaVersion="2021-03-18")
        assert (await subscribed(played, body, LOGS)).status == 200
        await listener.has(lambda: listener.records("platform.logsSubscription"))
        assert await instance.server.logged("LOGS\tName: inside\tState: Subscribed")
