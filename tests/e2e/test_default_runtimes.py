"""Every language as default Lambda: what a failure, an exit and a hang cost, and that the next invocation is served."""

from __future__ import annotations

from typing import Any

import pytest

from paddock.runtimes import RuntimeStore, RuntimeUnavailable
from tests.e2e.conftest import QUICKLY, ROLE, RUNTIMES_DIR, invoke
from tests.e2e.test_runtimes import KINDS, archive, source
from tests.runtimes.built_functions import ToolchainMissing

pytestmark = [pytest.mark.e2e, pytest.mark.toolchain]

TIMEOUT_SECONDS = 3
EVERY = {
    **KINDS,
    "python3.9": ("python3.9", "asked.handler", lambda: source("python/asked.py")),
    "nodejs20.x": ("nodejs20.x", "asked.handler", lambda: source("nodejs/asked.mjs")),
}


@pytest.fixture(scope="module", params=EVERY)
def name(request: pytest.FixtureRequest, api: Any) -> str:
    """Of a function without a capacity provider."""
    runtime, handler, files = EVERY[request.param]
    try:
        RuntimeStore(RUNTIMES_DIR).ensure(runtime)
        package = archive(files())
    except (RuntimeUnavailable, ToolchainMissing) as missing:
        pytest.skip(str(missing))
    named = f"default-{request.param.replace('.', '-')}"
    api.create_function(
        FunctionName=named,
        Role=ROLE,
        Runtime=runtime,
        Handler=handler,
        Code={"ZipFile": package},
        MemorySize=512,
        Timeout=TIMEOUT_SECONDS,
    )
    api.get_waiter("function_active_v2").wait(FunctionName=named, WaiterConfig=QUICKLY)
    return named


def test_one_environment_serves_one_after_the_other(api: Any, name: str) -> None:
    answers = [invoke(api, name, {"do": "echo", "n": n}) for n in range(3)]
    assert [answer["n"] for answer in answers] == [0, 1, 2]
    assert len({answer["request_id"] for answer in answers}) == 3


def test_a_failing_handler_is_a_function_error_and_no_more(api: Any, name: str) -> None:
    failed = invoke(api, name, {"do": "fail", "n": 0})
    assert failed["error"]["errorMessage"] == "asked to fail"
    assert invoke(api, name, {"do": "echo", "n": 1})["n"] == 1


@pytest.mark.parametrize("end", ["exit", "crash"])
def test_a_process_that_ends_is_a_function_error_and_the_next_invocation_has_another(
    api: Any, name: str, end: str
) -> None:
    failed = invoke(api, name, {"do": end, "n": 0, "status": 3})
    assert failed["error"]["errorType"] == "Runtime.ExitError"
    assert invoke(api, name, {"do": "echo", "n": 1})["n"] == 1


def test_a_handler_that_hangs_is_timed_out_and_the_next_invocation_has_another(api: Any, name: str) -> None:
    timed_out = invoke(api, name, {"do": "wait", "n": 0, "seconds": 600})
    assert f"timed out after {TIMEOUT_SECONDS}.00 seconds" in timed_out["error"]["errorMessage"]
    assert invoke(api, name, {"do": "echo", "n": 1})["n"] == 1
