"""Fetches from a Maven repository what a lock names, and only when the hashes agree.

An installed `mvn` is asked, so that which repository is used, and how, is the business of Maven's own configuration.
Knows nothing of runtimes or functions.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from paddock.runtimes.errors import InstallFailed
from paddock.runtimes.jobs import Job
from paddock.runtimes.maven_repository import MavenRepository

_TRY_AGAIN = "Check that the Maven repository can be reached, then try again."

_ERROR = "[ERROR] "

_PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>paddock</groupId>
  <artifactId>pinned</artifactId>
  <version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY = (
    "    <dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
    "{classifier}</dependency>"
)
_CLASSIFIER = "<classifier>{}</classifier>"


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of a lock. `sha256` is in hexadecimal; `classifier` is for files that are made for kinds of machines."""

    group: str
    name: str
    version: str
    sha256: str
    classifier: str = ""

    @property
    def file_name(self) -> str:
        return "-".join(filter(None, (self.name, self.version, self.classifier))) + ".jar"

    @property
    def repository_path(self) -> str:
        return f"{self.group.replace('.', '/')}/{self.name}/{self.version}/{self.file_name}"


def read_lock(lock: Path) -> tuple[Jar, ...]:
    """Lines of `group:name:version --hash=sha256:digest`, the version perhaps followed by `:classifier`."""
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
    return tuple(_jar(*line.split()) for line in lines)


def _jar(coordinates: str, pin: str) -> Jar:
    group, name, version, *classifier = coordinates.split(":")
    return Jar(group, name, version, pin.removeprefix("--hash=sha256:"), "".join(classifier))


def maven_fetch(lock: Path, target: Path, job: Job, classifier: str = "") -> None:
    """Puts the files that `lock` names with this classifier into the directory `target`. Raises `InstallFailed`."""
    jars = [jar for jar in read_lock(lock) if jar.classifier == classifier]
    job.report("")
    maven = shutil.which("mvn")
    if maven is None:
        _download(jars, target, job)
    else:
        _ask_maven(maven, jars, target, job)
    for jar in jars:
        if hashlib.sha256((target / jar.file_name).read_bytes()).hexdigest() != jar.sha256:
            raise InstallFailed(job.subject, f"{jar.file_name} is not the file that was pinned.", _TRY_AGAIN)


def _ask_maven(maven: str, jars: Sequence[Jar], target: Path, job: Job) -> None:
    project = target / "pom.xml"
    project.write_text(_PROJECT.format(dependencies="\n".join(map(_dependency, jars))))
    argv = [maven, "--batch-mode", f"--file={project}", "dependency:copy-dependencies"]
    argv += ["-DexcludeTransitive=true", f"-DoutputDirectory={target}"]
    try:
        job.run(argv, target, os.environ, _TRY_AGAIN)
    except InstallFailed as failed:
        raise _explained(failed, job) from failed
    project.unlink()


def _dependency(jar: Jar) -> str:
    classifier = _CLASSIFIER.format(jar.classifier) if jar.classifier else ""
    return _DEPENDENCY.format(group=jar.group, name=jar.name, version=jar.version, classifier=classifier)


def _explained(failed: InstallFailed, job: Job) -> InstallFailed:
    """Maven's first error says what is wrong; those after it, how to ask it for more."""
    errors = (line.removeprefix(_ERROR) for line in failed.output if line.startswith(_ERROR))
    reason = next(errors, failed.reason).removesuffix(" -> [Help 1]")
    return InstallFailed(job.subject, f"{job.step} failed: {reason}.", _TRY_AGAIN, failed.output)


def _download(jars: Sequence[Jar], target: Path, job: Job) -> None:
    repository = MavenRepository.of_user(Path.home())
    for jar in jars:
        try:
            repository.fetch(jar.repository_path, target / jar.file_name, partial(job.report, jar.file_name))
        except OSError as error:
            reason = f"{job.step} failed: {jar.file_name}: {error}."
            remedy = "Check that the Maven repository can be reached, or install Maven (mvn), then try again."
            raise InstallFailed(job.subject, reason, remedy) from error
