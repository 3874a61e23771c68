"""Programs that keep somebody's passwords for registries: `docker-credential-…`, as Docker's `config.json` names them.

They are asked as Docker asks: one word and the server's name in, a JSON document out. What they say is never shown, not
in an error either. Source: docker/docker-credential-helpers, "Development".
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping

from paddock.images.errors import ImageUnavailable

ANSWER_SECONDS = 30.0
"""Some ask a cloud first. One that wants to be unlocked by hand waits for nobody here."""
MAX_ANSWER_BYTES = 64 * 1024
"""A token of a cloud has some KiB."""
_NOT_THERE = b"credentials not found"
_IDENTITY_TOKEN = "<token>"  # noqa: S105  # a word in the place of a user's name
_suffix = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*").fullmatch

BasicCredentials = tuple[str, str]


def ask_program(name: str, server: str, environ: Mapping[str, str]) -> BasicCredentials | None:
    """None when it knows nothing of the server. Blocking. Raises `ImageUnavailable` when it does not answer."""
    program = f"docker-credential-{name}"
    found = shutil.which(program, path=environ.get("PATH", os.defpath)) if _suffix(name) else None
    if found is None:
        raise _failed(program, "cannot be found on the PATH of the server")
    status, answer = _run(found, server, environ, program)
    if status != 0:
        if _NOT_THERE in answer:
            return None
        raise _failed(program, f"failed with status {status}")
    try:
        document = json.loads(answer)
        user, secret = str(document["Username"]), str(document["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise _failed(program, "answered with something that is no user and password") from error
    if user == _IDENTITY_TOKEN:
        raise _failed(program, "has an identity token, which is not supported: log in with a password or access token")
    return (user, secret) if secret else None


def _run(path: str, server: str, environ: Mapping[str, str], program: str) -> tuple[int, bytes]:
    try:
        process = subprocess.Popen(
            [path, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as error:
        raise _failed(program, f"cannot be started ({error.strerror})") from error
    late = threading.Event()
    timer = threading.Timer(ANSWER_SECONDS, _end_late, (process, late))
    timer.start()
    try:
        answer = _asked(process, server)
        if len(answer) > MAX_ANSWER_BYTES:
            raise _failed(program, f"answered with more than {MAX_ANSWER_BYTES} bytes")
        status = process.wait()
    finally:
        timer.cancel()
        _end(process)
    if late.is_set():
        raise _failed(program, f"did not answer within {ANSWER_SECONDS:.0f} s")
    return status, answer


def _asked(process: subprocess.Popen[bytes], server: str) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError), process.stdin:  # one that has ended already has said why
        process.stdin.write(server.encode())
    return process.stdout.read(MAX_ANSWER_BYTES + 1)


def _end_late(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    _end_group(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all that it started: what keeps its output open would be waited for."""
    if process.stdout is not None:
        process.stdout.close()
    if process.poll() is None:
        _end_group(process)
        process.wait()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _failed(program: str, what: str) -> ImageUnavailable:
    return ImageUnavailable(f"The credential helper {program}, which Docker's config.json names, {what}.")
