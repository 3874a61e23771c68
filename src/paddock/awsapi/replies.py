"""What a protocol makes of a result or an error: status, headers, body. And the few things all protocols say alike."""

from __future__ import annotations

from typing import NamedTuple

from botocore.model import ServiceModel, Shape

from paddock.model.errors import ApiError, Owner

REQUEST_ID_HEADER = "x-amzn-RequestId"


class Reply(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class ErrorShapes:
    """The errors a service model knows, by name."""

    def __init__(self, model: ServiceModel) -> None:
        self._shapes = {shape.name: shape for shape in model.error_shapes}

    def find(self, code: str) -> Shape | None:
        return self._shapes.get(code)

    def status(self, error: ApiError) -> int:
        """The error's own, else the model's, else by whose fault it is."""
        if error.status is not None:
            return error.status
        shape = self._shapes.get(error.code)
        modelled = shape.metadata.get("error", {}).get("httpStatusCode") if shape is not None else None
        return int(modelled) if modelled is not None else fault_status(error)


def fault_status(error: ApiError) -> int:
    return 500 if error.owner is Owner.PLATFORM else 400


def sender_or_receiver(error: ApiError, status: int) -> str:
    return "Receiver" if error.owner is Owner.PLATFORM or status >= 500 else "Sender"
