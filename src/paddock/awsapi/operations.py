"""Which operations are built, how far, and who handles them. Filled once, by whoever puts the server together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from paddock.awsapi.messages import Request
from paddock.awsapi.sigv4 import Identity
from paddock.model.errors import ApiError
from paddock.model.ids import AccountId

Level: TypeAlias = Literal["done", "partial"]
NOT_BUILT_STATUS = 501
"""Not a status that SDKs retry."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a handler sees it. `params` have the names and types of the service model and satisfy it."""

    service: str
    operation: str
    params: Mapping[str, Any]
    identity: Identity
    region: str
    request_id: str
    now: datetime
    request: Request

    @property
    def account_id(self) -> AccountId:
        return self.identity.account_id


OperationHandler: TypeAlias = Callable[[Call], Awaitable[Mapping[str, Any] | None]]
"""Answers with the members of the operation's output shape, or raises `ApiError`."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """How far one operation is built; `note` says what is missing where it is partial."""

    service: str
    name: str
    level: Level = "done"
    note: str = ""


class Operations:
    """The table of handlers. What is not in it is refused by `find` with one clear error."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str], OperationHandler] = {}
        self._declarations: dict[tuple[str, str], Declaration] = {}

    def register(
        self, service: str, name: str, handler: OperationHandler, *, level: Level = "done", note: str = ""
    ) -> None:
        self.declare(Declaration(service, name, level, note))
        self._handlers[service, name] = handler

    def declare(self, declaration: Declaration) -> None:
        """For operations that are answered elsewhere; `register` declares its own."""
        key = (declaration.service, declaration.name)
        if key in self._declarations:
            raise ValueError(f"{declaration.service} {declaration.name} is registered twice")
        self._declarations[key] = declaration

    def declarations(self) -> tuple[Declaration, ...]:
        return tuple(self._declarations.values())

    def find(self, service: str, name: str) -> OperationHandler:
        handler = self._handlers.get((service, name))
        if handler is None:
            text = f"Paddock does not do {service} {name} yet; what it does is in docs/reference/parity.md"
            raise ApiError("NotImplementedException", text, status=NOT_BUILT_STATUS)
        return handler
