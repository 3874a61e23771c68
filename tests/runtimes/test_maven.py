"""Jars by lock: through an installed Maven, or without one from where the user's settings say."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from paddock.runtimes import InstallFailed, maven_repository
from paddock.runtimes.jobs import Job
from paddock.runtimes.locks import JAVA_CLIENT
from paddock.runtimes.maven import maven_fetch, read_lock
from paddock.runtimes.maven_repository import DEFAULT_ADDRESS, MavenRepository, mirrors_central
from paddock.runtimes.progress import silent

CONTENT = b"a jar"
PLACE = "org/example/thing/1.0/thing-1.0.jar"
JOB = Job("java21", "Installing the client", silent)

MAVEN = """#!/bin/sh
for argument in "$@"; do
    case $argument in
        --file=*) cp "${argument#--file=}" "$(dirname "$0")/asked.xml" ;;
        -DoutputDirectory=*) printf '%s' "a jar" > "${argument#-DoutputDirectory=}/thing-1.0.jar" ;;
    esac
done
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """A test's output is for its failures."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """The address of a repository that holds the one file."""
    file = tmp_path / "mirror" / PLACE
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "mirror"))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a user without Maven."""
    (tmp_path / "home" / ".m2").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    return tmp_path / "home"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def lock(tmp_path: Path, content: bytes = CONTENT) -> Path:
    file = tmp_path / "some.lock"
    file.write_text(f"# why\norg.example:thing:1.0 --hash=sha256:{hashlib.sha256(content).hexdigest()}\n")
    return file


def use_mirror(home: Path, address: str, mirror_of: str = "central") -> None:
    (home / ".m2" / "settings.xml").write_text(
        '<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors>'
        "<mirror><id>other</id><mirrorOf>elsewhere</mirrorOf><url>http://127.0.0.1:9</url></mirror>"
        f"<mirror><id>ours</id><mirrorOf>{mirror_of}</mirrorOf><url>{address}</url></mirror></mirrors></settings>"
    )


def test_an_installed_maven_is_asked_with_its_own_configuration(
    home: Path, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "bin" / "mvn").write_text(MAVEN)
    (tmp_path / "bin" / "mvn").chmod(0o755)
    maven_fetch(lock(tmp_path), target, JOB)
    assert [file.name for file in target.iterdir()] == ["thing-1.0.jar"]
    asked = (tmp_path / "bin" / "asked.xml").read_text()
    assert "<groupId>org.example</groupId><artifactId>thing</artifactId><version>1.0</version>" in asked


def test_what_maven_says_first_is_the_reason(
    home: Path, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    errors = "[INFO] Scanning\n[ERROR] Could not find it -> [Help 1]\n[ERROR] \n[ERROR] Re-run Maven\n"
    (tmp_path / "bin" / "mvn").write_text(f"#!/bin/sh\ncat <<'END'\n{errors}END\nexit 1\n")
    (tmp_path / "bin" / "mvn").chmod(0o755)
    with pytest.raises(InstallFailed, match=r"^Installing the client failed: Could not find it\. Check that"):
        maven_fetch(lock(tmp_path), target, JOB)


def test_without_maven_the_users_mirror_is_asked(home: Path, tmp_path: Path, target: Path, mirror: str) -> None:
    use_mirror(home, mirror)
    maven_fetch(lock(tmp_path), target, JOB)
    assert (target / "thing-1.0.jar").read_bytes() == CONTENT


def test_what_the_local_repository_has_is_not_fetched(home: Path, tmp_path: Path, target: Path) -> None:
    use_mirror(home, "http://127.0.0.1:9")
    kept = home / ".m2" / "repository" / PLACE
    kept.parent.mkdir(parents=True)
    kept.write_bytes(CONTENT)
    maven_fetch(lock(tmp_path), target, JOB)
    assert (target / "thing-1.0.jar").read_bytes() == CONTENT


def test_a_file_with_another_hash_is_refused(home: Path, tmp_path: Path, target: Path, mirror: str) -> None:
    use_mirror(home, mirror)
    with pytest.raises(InstallFailed, match=r"thing-1\.0\.jar is not the file that was pinned"):
        maven_fetch(lock(tmp_path, b"another"), target, JOB)


def test_a_file_that_is_not_there_says_which_and_what_to_do(
    home: Path, tmp_path: Path, target: Path, mirror: str
) -> None:
    use_mirror(home, f"{mirror}nothing/here")
    with pytest.raises(InstallFailed, match=r"thing-1.0.jar: HTTP Error 404.*install Maven"):
        maven_fetch(lock(tmp_path), target, JOB)


def test_a_file_without_end_is_not_read_to_it(
    home: Path, tmp_path: Path, target: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_mirror(home, mirror)
    monkeypatch.setattr(maven_repository, "MAX_FILE_BYTES", 2)
    with pytest.raises(InstallFailed, match="more than"):
        maven_fetch(lock(tmp_path), target, JOB)


def test_without_settings_it_is_maven_s_own_default(home: Path) -> None:
    assert MavenRepository.of_user(home) == MavenRepository(home / ".m2" / "repository", DEFAULT_ADDRESS)


def test_settings_may_name_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR", "http://127.0.0.1:8")
    use_mirror(home, "${env.MIRROR}/maven", mirror_of="*")
    settings = home / ".m2" / "settings.xml"
    text = settings.read_text().replace("<mirrors>", "<localRepository>${user.home}/jars</localRepository><mirrors>")
    settings.write_text(text)
    assert MavenRepository.of_user(home) == MavenRepository(home / "jars", "http://127.0.0.1:8/maven")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("central", True),
        ("*", True),
        ("external:*", True),
        ("elsewhere, central", True),
        ("*,!central", False),
        ("elsewhere", False),
        ("", False),
    ],
)
def test_a_mirror_of_central_is_known_by_its_patterns(patterns: str, expected: bool) -> None:
    assert mirrors_central(patterns) is expected


def test_every_pinned_jar_has_its_hash() -> None:
    jars = read_lock(JAVA_CLIENT)
    assert {jar.name for jar in jars} >= {"aws-lambda-java-core", "aws-lambda-java-runtime-interface-client"}
    assert {len(jar.sha256) for jar in jars} == {64}
