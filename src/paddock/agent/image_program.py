"""What is executed of an image: what the function says, else what the image says, each part by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paddock.agent.images import AssembledImage
from paddock.agent.runtime_process import CannotStart
from paddock.core.environment.errors import INVALID_ENTRYPOINT, INVALID_WORKING_DIRECTORY
from paddock.images.lookup import DEFAULT_PATH, find_program
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


def image_program(image: AssembledImage, spec: ImageSpec) -> ImageProgram:
    said = image.configuration
    return ImageProgram(
        entry_point=said.entry_point if spec.entry_point is None else spec.entry_point,
        command=said.command if spec.command is None else spec.command,
        working_directory=spec.working_directory or said.working_directory or _ROOT,
    )
