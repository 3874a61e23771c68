"""What the real clients say when a handler cannot be loaded: the type in the header, as measured, and no surprise."""

from __future__ import annotations

import pytest

from paddock.runtimes import InstalledRuntime
from tests.runtimes.conftest import Start
from tests.runtimes.scripted_runtime_api import RuntimeApi

GOOD = "export const handler = async () => 1"

PYTHON = {
    "no such file": ("nope.handler", {"app.py": ""}, "Runtime.ImportModuleError"),
    "missing import": ("app.handler", {"app.py": "import nope"}, "Runtime.ImportModuleError"),
    "missing name": ("app.handler", {"app.py": "from os import nope"}, "Runtime.ImportModuleError"),
    "syntax": ("app.handler", {"app.py": "def f(:"}, "Runtime.UserCodeSyntaxError"),
    "no handler": ("app.handler", {"app.py": "x = 1"}, "Runtime.HandlerNotFound"),
    "malformed": ("app", {"app.py": "x = 1"}, "Runtime.MalformedHandlerName"),
    "raises": ("app.handler", {"app.py": "raise ValueError"}, "ValueError"),
}

NODEJS = {
    "no such file": ("nope.handler", {"index.mjs": GOOD}, "Runtime.ImportModuleError"),
    "missing require": ("index.handler", {"index.cjs": "require('nope')"}, "Runtime.ImportModuleError"),
    "missing import": ("index.handler", {"index.mjs": "import 'nope'"}, "Error"),
    "missing file": ("index.handler", {"index.mjs": "import './nope.mjs'"}, "Error"),
    "missing name": ("index.handler", {"index.mjs": "import {nope} from 'node:fs'"}, "Runtime.UserCodeSyntaxError"),
    "export in CommonJS": ("index.handler", {"index.cjs": GOOD}, "Runtime.UserCodeSyntaxError"),
    "require in a module": ("index.handler", {"index.mjs": f"require('fs'); {GOOD}"}, "ReferenceError"),
    "syntax": ("index.handler", {"index.mjs": "export const handler = {"}, "Runtime.UserCodeSyntaxError"),
    "no handler": ("index.handler", {"index.mjs": "export const other = 1"}, "Runtime.HandlerNotFound"),
    "no function": ("index.handler", {"index.mjs": "export const handler = 1"}, "Runtime.HandlerNotFound"),
    "malformed": ("index", {"index.mjs": GOOD}, "Runtime.MalformedHandlerName"),
    "throws": ("index.handler", {"index.mjs": "throw new TypeError()"}, "TypeError"),
    "callback": (
        "index.handler",
        {"index.mjs": "export const handler = (event, context, callback) => callback()"},
        "Runtime.CallbackHandlerDeprecated",
    ),
}

Case = tuple[str, dict[str, str], str]


@pytest.mark.parametrize("case", PYTHON.values(), ids=PYTHON)
def test_a_python_handler_that_cannot_be_loaded(
    python_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start, case: Case
) -> None:
    handler, files, error_type = case
    assert start(python_runtime, files, handler, max_concurrency=1).ended()[0] == 0
    assert [said for said, _ in runtime_api.init_errors] == [error_type]


@pytest.mark.parametrize("case", NODEJS.values(), ids=NODEJS)
def test_a_nodejs_handler_that_cannot_be_loaded(
    nodejs_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start, case: Case
) -> None:
    handler, files, error_type = case
    customer = {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "1"}
    assert start(nodejs_runtime, files, handler, max_concurrency=1, customer=customer).ended()[0] == 0
    assert [said for said, _ in runtime_api.init_errors] == [error_type]


@pytest.mark.parametrize("packaged", [{}, {"package.json": '{"type": "module"}'}], ids=["plain", "type module"])
def test_a_module_named_js_is_loaded_with_and_without_a_package_that_says_so(
    nodejs_runtime: InstalledRuntime, runtime_api: RuntimeApi, start: Start, packaged: dict[str, str]
) -> None:
    start(nodejs_runtime, {"index.js": GOOD, **packaged}, "index.handler", max_concurrency=1)
    assert runtime_api.answer(runtime_api.dispatch({})).document == 1
