"""A worker thread of the real Node.js client that ends without a word: its heap is full."""

from __future__ import annotations

import json

import pytest

from paddock.agent.runtime_commands import InstalledRuntimes
from paddock.runtimes import RuntimeStore, RuntimeUnavailable
from tests.agent.instances import eventually
from tests.agent.server_side import environment_spec
from tests.agent.test_real_runtimes import CACHE, _isolated_instance

HANDLER = """
// In small pieces: a large one that does not fit may end the whole process.
exports.handler = async (event) => {
  if (event.fill) for (let held = null; ; ) held = { held };
  await new Promise((resolve) => setTimeout(resolve, event.sleep ?? 0));
  return "fine";
};
"""
SMALL_HEAP = """#!/bin/bash
words=()
for word in "$@"; do
    case "$word" in
        --max-old-space-size=*) word=--max-old-space-size=48 ;;
        --max-semi-space-size=*) word=--max-semi-space-size=2 ;;
    esac
    words+=("$word")
done
exec "${words[@]}"
"""
"""So that a heap is full long before the memory is: each thread has one. Young and old in the proportion of Lambda."""


@pytest.mark.parametrize("runtime", ["nodejs22.x", "nodejs24.x"])
async def test_a_worker_whose_heap_is_full_fails_its_invocations_at_once_and_its_environment_is_replaced(
    runtime: str,
) -> None:
    try:
        RuntimeStore(CACHE).ensure(runtime)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))
    async with _isolated_instance() as instance:
        facilities = instance.agent._facilities
        layout = facilities.isolation.has_aws_layout
        object.__setattr__(
            facilities, "runtimes", InstalledRuntimes(CACHE, "us-east-1", strict=False, aws_layout=layout)
        )
        spec = environment_spec(
            instance.server.package({"app.js": HANDLER}),
            runtime=runtime,
            handler="app.handler",
            max_concurrency=8,
            timeout_seconds=600.0,
            layers=(instance.server.package({"small-heap": SMALL_HEAP}, executable=("small-heap",)),),
            environment_variables={
                "AWS_LAMBDA_NODEJS_WORKER_COUNT": "2",
                "AWS_LAMBDA_EXEC_WRAPPER": "/opt/small-heap",
            },
        )
        instance.server.configure(spec)
        await instance.server.phase(spec, "ready")
        machine = instance.agent.environments[spec.environment_id].machine
        await eventually(lambda: machine.open_polls == 2)
        sleeping = [instance.server.invoke(spec, b'{"sleep": 10000}') for _ in range(3)]
        header, body = await instance.server.invoke(spec, b'{"fill": true}', invocation_id="r-full").result()
        document = json.loads(body)
        assert (header.outcome, document["errorType"]) == ("function_error", "Runtime.ExitError")
        assert document["errorMessage"].startswith("RequestId: r-full Error: Runtime exited")
        # Seldom V8 ends the whole process instead, which has an end of its own in its message.
        thread_only = document["errorMessage"].endswith("without providing a reason")
        ended = [await answer.result() for answer in sleeping]
        assert [header.outcome for header, _ in ended].count("ok") in ({1, 2} if thread_only else {0})
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert (report.failure.error_type, report.failure.init) == ("Runtime.ExitError", False)
