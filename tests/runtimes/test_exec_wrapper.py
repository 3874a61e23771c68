"""`AWS_LAMBDA_EXEC_WRAPPER` before the real client of each language that Lambda manages. .NET's is in test_dotnet."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddock.runtimes import InstalledRuntime, RuntimeStore, RuntimeUnavailable
from tests.runtimes.built_functions import ToolchainMissing, java_classes
from tests.runtimes.conftest import Start
from tests.runtimes.scripted_runtime_api import RuntimeApi

PYTHON = {"app.py": "import os\ndef handler(event, context):\n    return {'env': dict(os.environ)}\n"}
NODEJS = {"app.mjs": "export const handler = async () => ({ env: { ...process.env } });\n"}
WRAPPER = '#!/bin/sh\nexport WRAPPED="$*"\nexec "$@"\n'

LANGUAGES = {
    "python3.13": ("app.handler", "bin/python3", "runtime/bootstrap.py"),
    "nodejs22.x": ("app.handler", "bin/node", "aws-lambda-ric/index.mjs"),
    "java21": ("Handlers::facts", "bin/java", "AWSLambda Handlers::facts"),
}


@pytest.fixture(params=LANGUAGES)
def identifier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def runtime(runtime_store: RuntimeStore, identifier: str) -> InstalledRuntime:
    try:
        return runtime_store.ensure(identifier)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))


@pytest.fixture
def code(runtime: InstalledRuntime, identifier: str) -> dict[str, str | bytes]:
    if identifier.startswith("python"):
        return {**PYTHON}
    if identifier.startswith("nodejs"):
        return {**NODEJS}
    try:
        return {**java_classes(runtime.runtime_dir)}
    except ToolchainMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("place", ["opt", "task"])
def test_it_gets_the_command_line_and_is_found_by_awss_name_in_a_layer_and_in_the_function(
    runtime: InstalledRuntime,
    identifier: str,
    code: dict[str, str | bytes],
    runtime_api: RuntimeApi,
    start: Start,
    tmp_path: Path,
    place: str,
) -> None:
    handler, program, end = LANGUAGES[identifier]
    wrapper = tmp_path / place / "bin" / "wrapper"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)
    named = {"opt": "/opt/bin/wrapper", "task": "/var/task/bin/wrapper"}[place]
    start(runtime, code, handler, max_concurrency=1, customer={"AWS_LAMBDA_EXEC_WRAPPER": named})
    wrapped = runtime_api.answer(runtime_api.dispatch({})).document["env"]["WRAPPED"]
    assert wrapped.split()[0] == str(runtime.lang_dir / program)
    assert wrapped.removesuffix(f" {tmp_path / 'opt'}").endswith(end)


def test_a_missing_one_ends_the_environment_with_127(
    runtime: InstalledRuntime, identifier: str, code: dict[str, str | bytes], start: Start
) -> None:
    customer = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/no-such-wrapper"}
    started = start(runtime, code, LANGUAGES[identifier][0], customer=customer)
    assert started.ended() == (127, "/opt/no-such-wrapper: does not exist\n")


def test_one_that_is_not_executable_ends_it_with_126(
    runtime: InstalledRuntime, identifier: str, code: dict[str, str | bytes], start: Start, tmp_path: Path
) -> None:
    wrapper = tmp_path / "opt" / "wrapper"
    wrapper.parent.mkdir()
    wrapper.write_text("#!/bin/sh\n")
    wrapper.chmod(0o644)
    customer = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    started = start(runtime, code, LANGUAGES[identifier][0], customer=customer)
    assert started.ended() == (126, "/opt/wrapper: is not an executable\n")
