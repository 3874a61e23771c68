"""What every test may use: coroutine tests run in an event loop of their own, and properties are not timed."""

from __future__ import annotations

import asyncio
import inspect
import os

import pytest
from hypothesis import HealthCheck, settings

# Not an expectation of speed: a test that hangs must end on its own on the slowest machine.
COROUTINE_TEST_LIMIT_SECONDS = 300

# A slow machine is no counterexample. Continuous integration tries the same examples each time; people try new ones.
settings.register_profile(
    "paddock", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("paddock")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def test_...`; a test that needs uvloop or a virtual clock runs its own loop in a plain function."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    wanted = inspect.signature(function).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}

    async def bounded() -> None:
        async with asyncio.timeout(COROUTINE_TEST_LIMIT_SECONDS):
            await function(**arguments)

    asyncio.run(bounded())
    return True
