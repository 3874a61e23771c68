"""Docker's credential helpers: which is asked, what is made of its answer, and that a bad one is named and ended."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from paddock.images import credential_programs
from paddock.images.credential_programs import MAX_ANSWER_BYTES, ask_program
from paddock.images.credentials import docker_credentials
from paddock.images.errors import ImageUnavailable

ANSWER = '{"ServerURL": "x", "Username": "me", "Secret": "se:cret"}'
HUB = "https://index.docker.io/v1/"


class Docker:
    """A directory with a `config.json` and helpers, and an environment that leads there."""

    def __init__(self, directory: Path, **config: Any) -> None:
        self.directory = directory
        self.environ = {"DOCKER_CONFIG": str(directory), "PATH": f"{directory}:{os.environ['PATH']}"}
        (directory / "config.json").write_text(json.dumps(config))

    def helper(self, name: str, script: str) -> None:
        program = self.directory / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def asked(self) -> list[str]:
        said = self.directory / "asked"
        return said.read_text().split() if said.exists() else []


def answering(directory: Path, answer: str = ANSWER) -> str:
    return f"echo $0 $1 $(cat) | sed s,.*credential-,, >> {directory}/asked\ncat <<'END'\n{answer}\nEND"


def test_a_registry_s_own_helper_is_asked_and_no_other(tmp_path: Path) -> None:
    docker = Docker(tmp_path, credHelpers={"registry.example:5000": "mine"}, credsStore="all")
    docker.helper("mine", answering(tmp_path))
    assert docker_credentials("registry.example:5000", docker.environ) == ("me", "se:cret")
    assert docker.asked() == ["mine", "get", "registry.example:5000"]


@pytest.mark.parametrize("registry", ["registry-1.docker.io", "docker.io"])
def test_the_helper_for_all_knows_docker_hub_by_its_old_name(tmp_path: Path, registry: str) -> None:
    docker = Docker(tmp_path, credsStore="all")
    docker.helper("all", answering(tmp_path))
    assert docker_credentials(registry, docker.environ) == ("me", "se:cret")
    assert docker.asked() == ["all", "get", HUB]


def test_what_the_helper_for_all_does_not_know_may_stand_in_the_file(tmp_path: Path) -> None:
    docker = Docker(tmp_path, credsStore="all", auths={"registry.example": {"auth": "bWU6ZmlsZQ=="}})
    docker.helper("all", "cat > /dev/null; echo credentials not found in native keychain; exit 1")
    assert docker_credentials("registry.example", docker.environ) == ("me", "file")
    assert docker_credentials("other.example", docker.environ) is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo se:cret is locked; exit 3", "failed with status 3"),
        ("exit 0", "no user and password"),
        ("echo '[]'", "no user and password"),
        ("""echo '{"Username": "<token>", "Secret": "se:cret"}'""", "identity token"),
        (f"head -c {2 * MAX_ANSWER_BYTES} /dev/zero; sleep 600", f"more than {MAX_ANSWER_BYTES} bytes"),
    ],
)
def test_a_helper_that_does_not_help_is_named_without_what_it_said(tmp_path: Path, script: str, said: str) -> None:
    docker = Docker(tmp_path)
    docker.helper("bad", script)
    with pytest.raises(ImageUnavailable) as failed:
        ask_program("bad", "registry.example", docker.environ)
    assert "docker-credential-bad" in str(failed.value)
    assert said in str(failed.value)
    assert "se:cret" not in str(failed.value)


def test_a_helper_that_waits_for_somebody_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credential_programs, "ANSWER_SECONDS", 0.3)
    docker = Docker(tmp_path)
    docker.helper("slow", f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(ImageUnavailable, match="did not answer"):
        ask_program("slow", "registry.example", docker.environ)
    deadline = time.monotonic() + 20
    while runs(int((tmp_path / "pid").read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(pid: int) -> bool:
    """One that has ended and that nobody has waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("name", ["missing", "../evil", "", "a/b", "-x"])
def test_a_helper_that_is_not_there_or_no_name_of_one_is_said(tmp_path: Path, name: str) -> None:
    docker = Docker(tmp_path)
    (tmp_path / "evil").write_text("#!/bin/sh\n")
    with pytest.raises(ImageUnavailable, match="cannot be found"):
        ask_program(name, "registry.example", docker.environ)


def test_a_helper_that_is_no_program_cannot_be_started(tmp_path: Path) -> None:
    docker = Docker(tmp_path)
    docker.helper("odd", "")
    (tmp_path / "docker-credential-odd").write_bytes(b"\x00\x01")
    with pytest.raises(ImageUnavailable, match="cannot be started"):
        ask_program("odd", "registry.example", docker.environ)


def test_an_answer_without_a_secret_is_none(tmp_path: Path) -> None:
    docker = Docker(tmp_path)
    docker.helper("empty", """echo '{"Username": "", "Secret": ""}'""")
    assert ask_program("empty", "registry.example", docker.environ) is None
