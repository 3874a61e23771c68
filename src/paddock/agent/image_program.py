"""What is executed of an image: what the function says, else what the image says, each part by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.agent.images import AssembledImage
from paddock.agent.runtime_process import CannotStart
from paddock.core.environment import RuntimeWorkers
from paddock.core.environment.errors import INVALID_ENTRYPOINT, INVALID_WORKING_DIRECTORY
from paddock.images.lookup import DEFAULT_PATH, find_program, resolve_inside
from paddock.wire.agent import ImageSpec

_ROOT = "/"


@dataclass(frozen=True, slots=True)
class ImageProgram:
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    working_directory: str

    def argv(self, image: AssembledImage, variables: Mapping[str, str]) -> tuple[str, ...]:
        """With its first word as it can be executed. Raises `CannotStart`."""
        words = (*self.entry_point, *self.command)
        if not words or not words[0]:
            raise CannotStart(INVALID_ENTRYPOINT, "entry point: the image names none")
        found = find_program(image.root, words[0], variables.get("PATH", DEFAULT_PATH))
        if found is None:
            raise CannotStart(INVALID_ENTRYPOINT, "entry point: executable file not found in $PATH")
        return (found, *words[1:])

    def launch_error(self, cannot: CannotStart) -> str:
        """AWS's line in the function's log."""
        reason = cannot.text.rpartition(": ")[2]
        if cannot.error_type == INVALID_WORKING_DIRECTORY:
            said = f"chdir {self.working_directory}: {reason}"
        else:
            words = (*self.entry_point, *self.command)
            said = f"fork/exec {words[0] if words else ''}: {reason}"
        return (
            f"IMAGE\tLaunch error: {said}\tEntrypoint: [{','.join(self.entry_point)}]"
            f"\tCmd: [{','.join(self.command)}]\tWorkingDir: [{self.working_directory}]"
        )


_OF_COMMANDS = {
    "awslambdaric": RuntimeWorkers.OWN_CONNECTION,
    "com.amazonaws.services.lambda.runtime.api.client": RuntimeWorkers.OWN_CONNECTION,
    "aws-lambda-ric": RuntimeWorkers.MULTIPLEXED,
}
"""How AWS's clients are called where an image starts them itself."""
_ENTRY_POINT_OF_AWS = "/lambda-entrypoint.sh"
_OF_INTERPRETERS = {
    "python3": RuntimeWorkers.OWN_CONNECTION,
    "java": RuntimeWorkers.OWN_CONNECTION,
    "node": RuntimeWorkers.MULTIPLEXED,
    "dotnet": RuntimeWorkers.MULTIPLEXED,
}
"""Which of these AWS's base images have in `/var/lang/bin`."""


def image_workers(program: ImageProgram, root: Path) -> RuntimeWorkers:
    """Which client an image has, as far as it shows; for any other the machine learns from what it does."""
    words = " ".join((*program.entry_point, *program.command))
    for name, workers in _OF_COMMANDS.items():
        if name in words:
            return workers
    if _ENTRY_POINT_OF_AWS in program.entry_point:
        for name, workers in _OF_INTERPRETERS.items():
            if resolve_inside(root, f"/var/lang/bin/{name}") is not None:
                return workers
    return RuntimeWorkers.UNKNOWN


def image_program(image: AssembledImage, spec: ImageSpec) -> ImageProgram:
    said = image.configuration
    return ImageProgram(
        entry_point=said.entry_point if spec.entry_point is None else spec.entry_point,
        command=said.command if spec.command is None else spec.command,
        working_directory=spec.working_directory or said.working_directory or _ROOT,
    )
